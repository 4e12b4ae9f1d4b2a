import { AssemblerError } from "./assembler-error.ts";
import { Expression, operate, type F32, type F64, type I32, type I64, type Operand, type V128, type ValueType } from "./expression.ts";
import { signedLeb128, signedLeb128Big, unsignedLeb128 } from "./leb128.ts";

// One object per type, one entry per instruction, named as in the WebAssembly specification in camel case (`f32x4.relaxed_madd`
// is `f32x4.relaxedMadd`). Opcodes: https://webassembly.github.io/spec/core/binary/instructions.html

/** Literal numbers become constants of the wanted type. */
export function toExpression<T extends ValueType>(type: T, operand: Operand<T>, where: string): Expression<T> {
  if (operand instanceof Expression) return operand as Expression<T>;
  if (typeof operand === "bigint" && type === "i64") return i64.const(operand) as Expression<T>;
  if (typeof operand === "number") {
    if (type === "i32") return i32.const(operand) as Expression<T>;
    if (type === "f32") return f32.const(operand) as Expression<T>;
    if (type === "f64") return f64.const(operand) as Expression<T>;
  }
  throw new AssemblerError(
    where,
    `takes an expression of type ${type}, got ${String(operand)}`,
    "Build it with the instruction objects (i32, f32x4, ...), or pass a local.",
  );
}

/** Result type, opcode, then the operands with their types. */
function plain<T extends ValueType>(type: T, opcode: number, ...operands: [ValueType, Operand<ValueType>][]): Expression<T> {
  return build(type, [opcode], operands);
}

function simd<T extends ValueType>(type: T, opcode: number, ...operands: [ValueType, Operand<ValueType>][]): Expression<T> {
  return build(type, [0xfd, ...unsignedLeb128(opcode)], operands, [], opcode >= 0x100);
}

function build<T extends ValueType>(
  type: T,
  opcode: readonly number[],
  operands: readonly [ValueType, Operand<ValueType>][],
  immediates: readonly number[] = [],
  relaxed = false,
): Expression<T> {
  const where = `instruction 0x${opcode.map((byte) => byte.toString(16).padStart(2, "0")).join(" 0x")}`;
  const expressions = operands.map(([operandType, operand]) => [operandType, toExpression(operandType, operand as never, where)] as const);
  return operate(where, type, opcode, expressions, immediates, relaxed);
}

/** @internal Alignment is a hint only; every engine takes any address. */
export function memoryArgument(offset: number, alignLog2: number): number[] {
  if (!Number.isInteger(offset) || offset < 0) {
    throw new AssemblerError(
      "memory access",
      `a static offset is an unsigned number of bytes, got ${offset}`,
      "Subtract from the pointer instead: i32.sub(pointer, bytes).",
    );
  }
  return [...unsignedLeb128(alignLog2), ...unsignedLeb128(offset)];
}

function laneIndex(lane: number, lanes: number): number {
  if (!Number.isInteger(lane) || lane < 0 || lane >= lanes) {
    throw new AssemblerError(
      "lane",
      `an index lies in [0, ${lanes}), got ${lane}`,
      "Lanes are chosen when the kernel is generated: unroll over them.",
    );
  }
  return lane;
}

function bytesOf(kind: "f32" | "f64" | "i32", values: readonly number[]): number[] {
  const view = new DataView(new ArrayBuffer(16));
  values.forEach((value, index) => {
    if (kind === "f32") view.setFloat32(index * 4, value, true);
    else if (kind === "f64") view.setFloat64(index * 8, value, true);
    else view.setInt32(index * 4, value, true);
  });
  return [...new Uint8Array(view.buffer, 0, values.length * (kind === "f64" ? 8 : 4))];
}

const vectorConstant = (bytes: number[]): Expression<"v128"> => new Expression("v128", [0xfd, 0x0c, ...bytes], { reusable: true });

/** `condition ? ifTrue : ifFalse`, both computed. */
export function select<T extends ValueType>(condition: I32, ifTrue: Expression<T>, ifFalse: Expression<T>): Expression<T> {
  // v128 needs the typed form (0x1c); for the others the short one is equal.
  const opcode = ifTrue.type === "v128" ? [0x1c, 0x01, 0x7b] : [0x1b];
  return operate("select", ifTrue.type, opcode, [
    [ifTrue.type, ifTrue],
    [ifTrue.type, ifFalse],
    ["i32", toExpression("i32", condition, "select")],
  ]);
}

const i = (opcode: number, a: I32, b: I32): Expression<"i32"> => plain("i32", opcode, ["i32", a], ["i32", b]);
const i1 = (opcode: number, a: I32): Expression<"i32"> => plain("i32", opcode, ["i32", a]);

export const i32 = {
  const: (value: number): Expression<"i32"> => new Expression("i32", [0x41, ...signedLeb128(value)], { reusable: true }),
  load: (pointer: I32, offset = 0) => build("i32", [0x28], [["i32", pointer]], memoryArgument(offset, 2)),
  load8S: (pointer: I32, offset = 0) => build("i32", [0x2c], [["i32", pointer]], memoryArgument(offset, 0)),
  load8U: (pointer: I32, offset = 0) => build("i32", [0x2d], [["i32", pointer]], memoryArgument(offset, 0)),
  load16S: (pointer: I32, offset = 0) => build("i32", [0x2e], [["i32", pointer]], memoryArgument(offset, 1)),
  load16U: (pointer: I32, offset = 0) => build("i32", [0x2f], [["i32", pointer]], memoryArgument(offset, 1)),
  eqz: (a: I32) => i1(0x45, a),
  eq: (a: I32, b: I32) => i(0x46, a, b),
  ne: (a: I32, b: I32) => i(0x47, a, b),
  ltS: (a: I32, b: I32) => i(0x48, a, b),
  ltU: (a: I32, b: I32) => i(0x49, a, b),
  gtS: (a: I32, b: I32) => i(0x4a, a, b),
  gtU: (a: I32, b: I32) => i(0x4b, a, b),
  leS: (a: I32, b: I32) => i(0x4c, a, b),
  leU: (a: I32, b: I32) => i(0x4d, a, b),
  geS: (a: I32, b: I32) => i(0x4e, a, b),
  geU: (a: I32, b: I32) => i(0x4f, a, b),
  clz: (a: I32) => i1(0x67, a),
  ctz: (a: I32) => i1(0x68, a),
  popcnt: (a: I32) => i1(0x69, a),
  add: (a: I32, b: I32) => i(0x6a, a, b),
  sub: (a: I32, b: I32) => i(0x6b, a, b),
  mul: (a: I32, b: I32) => i(0x6c, a, b),
  divS: (a: I32, b: I32) => i(0x6d, a, b),
  divU: (a: I32, b: I32) => i(0x6e, a, b),
  remS: (a: I32, b: I32) => i(0x6f, a, b),
  remU: (a: I32, b: I32) => i(0x70, a, b),
  and: (a: I32, b: I32) => i(0x71, a, b),
  or: (a: I32, b: I32) => i(0x72, a, b),
  xor: (a: I32, b: I32) => i(0x73, a, b),
  shl: (a: I32, b: I32) => i(0x74, a, b),
  shrS: (a: I32, b: I32) => i(0x75, a, b),
  shrU: (a: I32, b: I32) => i(0x76, a, b),
  rotl: (a: I32, b: I32) => i(0x77, a, b),
  rotr: (a: I32, b: I32) => i(0x78, a, b),
  wrapI64: (a: I64) => plain("i32", 0xa7, ["i64", a]),
  /** Traps when the value does not fit; `truncSat…` does not. */
  truncF32S: (a: F32) => plain("i32", 0xa8, ["f32", a]),
  truncF64S: (a: F64) => plain("i32", 0xaa, ["f64", a]),
  truncSatF32S: (a: F32) => build("i32", [0xfc, 0x00], [["f32", a]]),
  truncSatF32U: (a: F32) => build("i32", [0xfc, 0x01], [["f32", a]]),
  truncSatF64S: (a: F64) => build("i32", [0xfc, 0x02], [["f64", a]]),
  truncSatF64U: (a: F64) => build("i32", [0xfc, 0x03], [["f64", a]]),
  reinterpretF32: (a: F32) => plain("i32", 0xbc, ["f32", a]),
  /** The smaller of two, signed. Operands are read twice, so they must be locals or literals. */
  minS: (a: I32, b: I32) => select(i32.ltS(a, b), toExpression("i32", a, "i32.minS"), toExpression("i32", b, "i32.minS")),
  /** The greater of two, signed. Operands are read twice, so they must be locals or literals. */
  maxS: (a: I32, b: I32) => select(i32.gtS(a, b), toExpression("i32", a, "i32.maxS"), toExpression("i32", b, "i32.maxS")),
};

const l = (opcode: number, a: I64, b: I64): Expression<"i64"> => plain("i64", opcode, ["i64", a], ["i64", b]);

export const i64 = {
  const: (value: bigint): Expression<"i64"> => new Expression("i64", [0x42, ...signedLeb128Big(value)], { reusable: true }),
  load: (pointer: I32, offset = 0) => build("i64", [0x29], [["i32", pointer]], memoryArgument(offset, 2)),
  eqz: (a: I64) => plain("i32", 0x50, ["i64", a]),
  eq: (a: I64, b: I64) => plain("i32", 0x51, ["i64", a], ["i64", b]),
  ltS: (a: I64, b: I64) => plain("i32", 0x53, ["i64", a], ["i64", b]),
  ltU: (a: I64, b: I64) => plain("i32", 0x54, ["i64", a], ["i64", b]),
  add: (a: I64, b: I64) => l(0x7c, a, b),
  sub: (a: I64, b: I64) => l(0x7d, a, b),
  mul: (a: I64, b: I64) => l(0x7e, a, b),
  and: (a: I64, b: I64) => l(0x83, a, b),
  or: (a: I64, b: I64) => l(0x84, a, b),
  xor: (a: I64, b: I64) => l(0x85, a, b),
  shl: (a: I64, b: I64) => l(0x86, a, b),
  shrS: (a: I64, b: I64) => l(0x87, a, b),
  shrU: (a: I64, b: I64) => l(0x88, a, b),
  extendI32S: (a: I32) => plain("i64", 0xac, ["i32", a]),
  extendI32U: (a: I32) => plain("i64", 0xad, ["i32", a]),
  reinterpretF64: (a: F64) => plain("i64", 0xbd, ["f64", a]),
};

const f = (opcode: number, a: F32, b: F32): Expression<"f32"> => plain("f32", opcode, ["f32", a], ["f32", b]);
const f1 = (opcode: number, a: F32): Expression<"f32"> => plain("f32", opcode, ["f32", a]);
const fCompare = (opcode: number, a: F32, b: F32): Expression<"i32"> => plain("i32", opcode, ["f32", a], ["f32", b]);

export const f32 = {
  const: (value: number): Expression<"f32"> => new Expression("f32", [0x43, ...bytesOf("f32", [value])], { reusable: true }),
  load: (pointer: I32, offset = 0) => build("f32", [0x2a], [["i32", pointer]], memoryArgument(offset, 2)),
  eq: (a: F32, b: F32) => fCompare(0x5b, a, b),
  ne: (a: F32, b: F32) => fCompare(0x5c, a, b),
  lt: (a: F32, b: F32) => fCompare(0x5d, a, b),
  gt: (a: F32, b: F32) => fCompare(0x5e, a, b),
  le: (a: F32, b: F32) => fCompare(0x5f, a, b),
  ge: (a: F32, b: F32) => fCompare(0x60, a, b),
  abs: (a: F32) => f1(0x8b, a),
  neg: (a: F32) => f1(0x8c, a),
  ceil: (a: F32) => f1(0x8d, a),
  floor: (a: F32) => f1(0x8e, a),
  trunc: (a: F32) => f1(0x8f, a),
  nearest: (a: F32) => f1(0x90, a),
  sqrt: (a: F32) => f1(0x91, a),
  add: (a: F32, b: F32) => f(0x92, a, b),
  sub: (a: F32, b: F32) => f(0x93, a, b),
  mul: (a: F32, b: F32) => f(0x94, a, b),
  div: (a: F32, b: F32) => f(0x95, a, b),
  min: (a: F32, b: F32) => f(0x96, a, b),
  max: (a: F32, b: F32) => f(0x97, a, b),
  copysign: (a: F32, b: F32) => f(0x98, a, b),
  convertI32S: (a: I32) => plain("f32", 0xb2, ["i32", a]),
  convertI32U: (a: I32) => plain("f32", 0xb3, ["i32", a]),
  demoteF64: (a: F64) => plain("f32", 0xb6, ["f64", a]),
  reinterpretI32: (a: I32) => plain("f32", 0xbe, ["i32", a]),
};

const d = (opcode: number, a: F64, b: F64): Expression<"f64"> => plain("f64", opcode, ["f64", a], ["f64", b]);
const d1 = (opcode: number, a: F64): Expression<"f64"> => plain("f64", opcode, ["f64", a]);
const dCompare = (opcode: number, a: F64, b: F64): Expression<"i32"> => plain("i32", opcode, ["f64", a], ["f64", b]);

export const f64 = {
  const: (value: number): Expression<"f64"> => new Expression("f64", [0x44, ...bytesOf("f64", [value])], { reusable: true }),
  load: (pointer: I32, offset = 0) => build("f64", [0x2b], [["i32", pointer]], memoryArgument(offset, 2)),
  eq: (a: F64, b: F64) => dCompare(0x61, a, b),
  ne: (a: F64, b: F64) => dCompare(0x62, a, b),
  lt: (a: F64, b: F64) => dCompare(0x63, a, b),
  gt: (a: F64, b: F64) => dCompare(0x64, a, b),
  le: (a: F64, b: F64) => dCompare(0x65, a, b),
  ge: (a: F64, b: F64) => dCompare(0x66, a, b),
  abs: (a: F64) => d1(0x99, a),
  neg: (a: F64) => d1(0x9a, a),
  ceil: (a: F64) => d1(0x9b, a),
  floor: (a: F64) => d1(0x9c, a),
  trunc: (a: F64) => d1(0x9d, a),
  nearest: (a: F64) => d1(0x9e, a),
  sqrt: (a: F64) => d1(0x9f, a),
  add: (a: F64, b: F64) => d(0xa0, a, b),
  sub: (a: F64, b: F64) => d(0xa1, a, b),
  mul: (a: F64, b: F64) => d(0xa2, a, b),
  div: (a: F64, b: F64) => d(0xa3, a, b),
  min: (a: F64, b: F64) => d(0xa4, a, b),
  max: (a: F64, b: F64) => d(0xa5, a, b),
  copysign: (a: F64, b: F64) => d(0xa6, a, b),
  convertI32S: (a: I32) => plain("f64", 0xb7, ["i32", a]),
  convertI32U: (a: I32) => plain("f64", 0xb8, ["i32", a]),
  promoteF32: (a: F32) => plain("f64", 0xbb, ["f32", a]),
  reinterpretI64: (a: I64) => plain("f64", 0xbf, ["i64", a]),
};

const v1 = (opcode: number, a: V128): Expression<"v128"> => simd("v128", opcode, ["v128", a]);
const v = (opcode: number, a: V128, b: V128): Expression<"v128"> => simd("v128", opcode, ["v128", a], ["v128", b]);
const v3 = (opcode: number, a: V128, b: V128, c: V128): Expression<"v128"> => simd("v128", opcode, ["v128", a], ["v128", b], ["v128", c]);
const vShift = (opcode: number, a: V128, bits: I32): Expression<"v128"> => simd("v128", opcode, ["v128", a], ["i32", bits]);
const vLoad = (opcode: number, pointer: I32, offset: number, alignLog2: number): Expression<"v128"> =>
  build("v128", [0xfd, opcode], [["i32", pointer]], memoryArgument(offset, alignLog2));
const vLoadLane = (
  opcode: number,
  pointer: I32,
  vector: V128,
  lane: number,
  offset: number,
  alignLog2: number,
  lanes: number,
): Expression<"v128"> =>
  build(
    "v128",
    [0xfd, opcode],
    [
      ["i32", pointer],
      ["v128", vector],
    ],
    [...memoryArgument(offset, alignLog2), laneIndex(lane, lanes)],
  );
const extract = <T extends ValueType>(type: T, opcode: number, vector: V128, lane: number, lanes: number): Expression<T> =>
  build(type, [0xfd, opcode], [["v128", vector]], [laneIndex(lane, lanes)]);
const replace = (
  type: ValueType,
  opcode: number,
  vector: V128,
  lane: number,
  value: Operand<ValueType>,
  lanes: number,
): Expression<"v128"> =>
  build(
    "v128",
    [0xfd, opcode],
    [
      ["v128", vector],
      [type, value],
    ],
    [laneIndex(lane, lanes)],
  );

/** Lanes `indices` of the concatenation of `a` and `b`, each `16 / indices.length` bytes wide. */
function shuffle(a: V128, b: V128, indices: readonly number[]): Expression<"v128"> {
  const width = 16 / indices.length;
  const bytes = indices.flatMap((index) => Array.from({ length: width }, (_, byte) => laneIndex(index, 2 * indices.length) * width + byte));
  return build(
    "v128",
    [0xfd, 0x0d],
    [
      ["v128", a],
      ["v128", b],
    ],
    bytes,
  );
}

export const v128 = {
  load: (pointer: I32, offset = 0) => vLoad(0x00, pointer, offset, 2),
  load8Splat: (pointer: I32, offset = 0) => vLoad(0x07, pointer, offset, 0),
  load16Splat: (pointer: I32, offset = 0) => vLoad(0x08, pointer, offset, 1),
  load32Splat: (pointer: I32, offset = 0) => vLoad(0x09, pointer, offset, 2),
  load64Splat: (pointer: I32, offset = 0) => vLoad(0x0a, pointer, offset, 2),
  /** One 32-bit word in lane 0, zeros above. */
  load32Zero: (pointer: I32, offset = 0) => vLoad(0x5c, pointer, offset, 2),
  load64Zero: (pointer: I32, offset = 0) => vLoad(0x5d, pointer, offset, 2),
  /** Four half words become four words. */
  load16x4U: (pointer: I32, offset = 0) => vLoad(0x04, pointer, offset, 1),
  load16x4S: (pointer: I32, offset = 0) => vLoad(0x03, pointer, offset, 1),
  load32Lane: (pointer: I32, vector: V128, lane: number, offset = 0) => vLoadLane(0x56, pointer, vector, lane, offset, 2, 4),
  load64Lane: (pointer: I32, vector: V128, lane: number, offset = 0) => vLoadLane(0x57, pointer, vector, lane, offset, 2, 2),
  not: (a: V128) => v1(0x4d, a),
  and: (a: V128, b: V128) => v(0x4e, a, b),
  /** `a & ~b` */
  andnot: (a: V128, b: V128) => v(0x4f, a, b),
  or: (a: V128, b: V128) => v(0x50, a, b),
  xor: (a: V128, b: V128) => v(0x51, a, b),
  /** Bits of `a` where `mask` is one, of `b` elsewhere. */
  bitselect: (a: V128, b: V128, mask: V128) => v3(0x52, a, b, mask),
  anyTrue: (a: V128) => simd("i32", 0x53, ["v128", a]),
};

export const i8x16 = {
  /** Sixteen byte indices into `a` then `b`. */
  shuffle: (a: V128, b: V128, bytes: readonly number[]) => shuffle(a, b, bytes),
  swizzle: (a: V128, indices: V128) => v(0x0e, a, indices),
  splat: (a: I32) => simd("v128", 0x0f, ["i32", a]),
  eq: (a: V128, b: V128) => v(0x23, a, b),
  bitmask: (a: V128) => simd("i32", 0x64, ["v128", a]),
  narrowI16x8U: (a: V128, b: V128) => v(0x66, a, b),
};

export const i16x8 = {
  extendLowI8x16S: (a: V128) => v1(0x87, a),
  extendHighI8x16S: (a: V128) => v1(0x88, a),
  extendLowI8x16U: (a: V128) => v1(0x89, a),
  extendHighI8x16U: (a: V128) => v1(0x8a, a),
  narrowI32x4S: (a: V128, b: V128) => v(0x85, a, b),
  narrowI32x4U: (a: V128, b: V128) => v(0x86, a, b),
};

export const i32x4 = {
  /** One literal in all lanes, or four. Keep it in a local outside the loop. */
  const: (...values: readonly number[]) => vectorConstant(bytesOf("i32", values.length === 1 ? Array<number>(4).fill(values[0]!) : values)),
  splat: (a: I32) => simd("v128", 0x11, ["i32", a]),
  extractLane: (a: V128, lane: number) => extract("i32", 0x1b, a, lane, 4),
  replaceLane: (a: V128, lane: number, value: I32) => replace("i32", 0x1c, a, lane, value, 4),
  eq: (a: V128, b: V128) => v(0x37, a, b),
  ne: (a: V128, b: V128) => v(0x38, a, b),
  ltS: (a: V128, b: V128) => v(0x39, a, b),
  ltU: (a: V128, b: V128) => v(0x3a, a, b),
  gtS: (a: V128, b: V128) => v(0x3b, a, b),
  gtU: (a: V128, b: V128) => v(0x3c, a, b),
  leS: (a: V128, b: V128) => v(0x3d, a, b),
  leU: (a: V128, b: V128) => v(0x3e, a, b),
  geS: (a: V128, b: V128) => v(0x3f, a, b),
  geU: (a: V128, b: V128) => v(0x40, a, b),
  abs: (a: V128) => v1(0xa0, a),
  neg: (a: V128) => v1(0xa1, a),
  allTrue: (a: V128) => simd("i32", 0xa3, ["v128", a]),
  bitmask: (a: V128) => simd("i32", 0xa4, ["v128", a]),
  extendLowI16x8S: (a: V128) => v1(0xa7, a),
  extendHighI16x8S: (a: V128) => v1(0xa8, a),
  extendLowI16x8U: (a: V128) => v1(0xa9, a),
  extendHighI16x8U: (a: V128) => v1(0xaa, a),
  shl: (a: V128, bits: I32) => vShift(0xab, a, bits),
  shrS: (a: V128, bits: I32) => vShift(0xac, a, bits),
  shrU: (a: V128, bits: I32) => vShift(0xad, a, bits),
  add: (a: V128, b: V128) => v(0xae, a, b),
  sub: (a: V128, b: V128) => v(0xb1, a, b),
  mul: (a: V128, b: V128) => v(0xb5, a, b),
  minS: (a: V128, b: V128) => v(0xb6, a, b),
  minU: (a: V128, b: V128) => v(0xb7, a, b),
  maxS: (a: V128, b: V128) => v(0xb8, a, b),
  maxU: (a: V128, b: V128) => v(0xb9, a, b),
  truncSatF32x4S: (a: V128) => v1(0xf8, a),
  truncSatF32x4U: (a: V128) => v1(0xf9, a),
  /** Two doubles in lanes 0 and 1, zeros above. */
  truncSatF64x2SZero: (a: V128) => v1(0xfc, a),
  relaxedTruncF32x4S: (a: V128) => v1(0x101, a),
  relaxedTruncF32x4U: (a: V128) => v1(0x102, a),
};

export const i64x2 = {
  splat: (a: I64) => simd("v128", 0x12, ["i64", a]),
  shl: (a: V128, bits: I32) => vShift(0xcb, a, bits),
  shrS: (a: V128, bits: I32) => vShift(0xcc, a, bits),
  shrU: (a: V128, bits: I32) => vShift(0xcd, a, bits),
  add: (a: V128, b: V128) => v(0xce, a, b),
  sub: (a: V128, b: V128) => v(0xd1, a, b),
  mul: (a: V128, b: V128) => v(0xd5, a, b),
  /** Full 64-bit products of the two low words of each operand. */
  extmulLowI32x4U: (a: V128, b: V128) => v(0xde, a, b),
  extmulHighI32x4U: (a: V128, b: V128) => v(0xdf, a, b),
};

export const f32x4 = {
  /** One literal in all lanes, or four. Keep it in a local outside the loop. */
  const: (...values: readonly number[]) => vectorConstant(bytesOf("f32", values.length === 1 ? Array<number>(4).fill(values[0]!) : values)),
  splat: (a: F32) => simd("v128", 0x13, ["f32", a]),
  extractLane: (a: V128, lane: number) => extract("f32", 0x1f, a, lane, 4),
  replaceLane: (a: V128, lane: number, value: F32) => replace("f32", 0x20, a, lane, value, 4),
  /** Four lane indices, 0 to 3 from `a`, 4 to 7 from `b`. */
  shuffle: (a: V128, b: V128, lanes: readonly [number, number, number, number]) => shuffle(a, b, lanes),
  eq: (a: V128, b: V128) => v(0x41, a, b),
  ne: (a: V128, b: V128) => v(0x42, a, b),
  lt: (a: V128, b: V128) => v(0x43, a, b),
  gt: (a: V128, b: V128) => v(0x44, a, b),
  le: (a: V128, b: V128) => v(0x45, a, b),
  ge: (a: V128, b: V128) => v(0x46, a, b),
  ceil: (a: V128) => v1(0x67, a),
  floor: (a: V128) => v1(0x68, a),
  trunc: (a: V128) => v1(0x69, a),
  nearest: (a: V128) => v1(0x6a, a),
  abs: (a: V128) => v1(0xe0, a),
  neg: (a: V128) => v1(0xe1, a),
  sqrt: (a: V128) => v1(0xe3, a),
  add: (a: V128, b: V128) => v(0xe4, a, b),
  sub: (a: V128, b: V128) => v(0xe5, a, b),
  mul: (a: V128, b: V128) => v(0xe6, a, b),
  div: (a: V128, b: V128) => v(0xe7, a, b),
  min: (a: V128, b: V128) => v(0xe8, a, b),
  max: (a: V128, b: V128) => v(0xe9, a, b),
  /** `b < a ? b : a`: keeps a NaN of `a`. */
  pmin: (a: V128, b: V128) => v(0xea, a, b),
  /** `a < b ? b : a`: keeps a NaN of `a`. */
  pmax: (a: V128, b: V128) => v(0xeb, a, b),
  convertI32x4S: (a: V128) => v1(0xfa, a),
  convertI32x4U: (a: V128) => v1(0xfb, a),
  demoteF64x2Zero: (a: V128) => v1(0x5e, a),
  /** `a · b + c`, fused or not as the engine likes. Prefer `f.madd`, which is right in every build. */
  relaxedMadd: (a: V128, b: V128, c: V128) => v3(0x105, a, b, c),
  /** `c − a · b` */
  relaxedNmadd: (a: V128, b: V128, c: V128) => v3(0x106, a, b, c),
  relaxedMin: (a: V128, b: V128) => v(0x10d, a, b),
  relaxedMax: (a: V128, b: V128) => v(0x10e, a, b),
};

export const f64x2 = {
  /** One literal in both lanes, or two. Keep it in a local outside the loop. */
  const: (...values: readonly number[]) => vectorConstant(bytesOf("f64", values.length === 1 ? Array<number>(2).fill(values[0]!) : values)),
  splat: (a: F64) => simd("v128", 0x14, ["f64", a]),
  extractLane: (a: V128, lane: number) => extract("f64", 0x21, a, lane, 2),
  replaceLane: (a: V128, lane: number, value: F64) => replace("f64", 0x22, a, lane, value, 2),
  shuffle: (a: V128, b: V128, lanes: readonly [number, number]) => shuffle(a, b, lanes),
  eq: (a: V128, b: V128) => v(0x47, a, b),
  ne: (a: V128, b: V128) => v(0x48, a, b),
  lt: (a: V128, b: V128) => v(0x49, a, b),
  gt: (a: V128, b: V128) => v(0x4a, a, b),
  le: (a: V128, b: V128) => v(0x4b, a, b),
  ge: (a: V128, b: V128) => v(0x4c, a, b),
  ceil: (a: V128) => v1(0x74, a),
  floor: (a: V128) => v1(0x75, a),
  trunc: (a: V128) => v1(0x7a, a),
  nearest: (a: V128) => v1(0x94, a),
  abs: (a: V128) => v1(0xec, a),
  neg: (a: V128) => v1(0xed, a),
  sqrt: (a: V128) => v1(0xef, a),
  add: (a: V128, b: V128) => v(0xf0, a, b),
  sub: (a: V128, b: V128) => v(0xf1, a, b),
  mul: (a: V128, b: V128) => v(0xf2, a, b),
  div: (a: V128, b: V128) => v(0xf3, a, b),
  min: (a: V128, b: V128) => v(0xf4, a, b),
  max: (a: V128, b: V128) => v(0xf5, a, b),
  pmin: (a: V128, b: V128) => v(0xf6, a, b),
  pmax: (a: V128, b: V128) => v(0xf7, a, b),
  convertLowI32x4S: (a: V128) => v1(0xfe, a),
  convertLowI32x4U: (a: V128) => v1(0xff, a),
  promoteLowF32x4: (a: V128) => v1(0x5f, a),
  relaxedMadd: (a: V128, b: V128, c: V128) => v3(0x107, a, b, c),
  relaxedNmadd: (a: V128, b: V128, c: V128) => v3(0x108, a, b, c),
};
