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

type OperandsOf<P extends readonly ValueType[]> = { readonly [K in keyof P]: Operand<P[K]> };

/** An instruction: result type, opcode, types of its operands. */
// @__NO_SIDE_EFFECTS__
function plain<T extends ValueType, P extends readonly ValueType[]>(type: T, opcode: number, ...types: P) {
  return (...operands: OperandsOf<P>): Expression<T> => build(type, [opcode], types, operands);
}

// @__NO_SIDE_EFFECTS__
function simd<T extends ValueType, P extends readonly ValueType[]>(type: T, opcode: number, ...types: P) {
  return (...operands: OperandsOf<P>): Expression<T> =>
    build(type, [0xfd, ...unsignedLeb128(opcode)], types, operands, [], opcode >= 0x100);
}

function build<T extends ValueType>(
  type: T,
  opcode: readonly number[],
  types: readonly ValueType[],
  operands: readonly Operand<ValueType>[],
  immediates: readonly number[] = [],
  relaxed = false,
): Expression<T> {
  const where = `instruction 0x${opcode.map((byte) => byte.toString(16).padStart(2, "0")).join(" 0x")}`;
  const expressions = types.map((operandType, i) => [operandType, toExpression(operandType, operands[i] as never, where)] as const);
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

// The commonest forms.

// @__NO_SIDE_EFFECTS__
function i1(opcode: number): (a: I32) => Expression<"i32"> {
  return plain("i32", opcode, "i32");
}

// @__NO_SIDE_EFFECTS__
function i(opcode: number): (a: I32, b: I32) => Expression<"i32"> {
  return plain("i32", opcode, "i32", "i32");
}

// @__NO_SIDE_EFFECTS__
function l(opcode: number): (a: I64, b: I64) => Expression<"i64"> {
  return plain("i64", opcode, "i64", "i64");
}

// @__NO_SIDE_EFFECTS__
function f1(opcode: number): (a: F32) => Expression<"f32"> {
  return plain("f32", opcode, "f32");
}

// @__NO_SIDE_EFFECTS__
function f(opcode: number): (a: F32, b: F32) => Expression<"f32"> {
  return plain("f32", opcode, "f32", "f32");
}

// @__NO_SIDE_EFFECTS__
function fCompare(opcode: number): (a: F32, b: F32) => Expression<"i32"> {
  return plain("i32", opcode, "f32", "f32");
}

// @__NO_SIDE_EFFECTS__
function d1(opcode: number): (a: F64) => Expression<"f64"> {
  return plain("f64", opcode, "f64");
}

// @__NO_SIDE_EFFECTS__
function d(opcode: number): (a: F64, b: F64) => Expression<"f64"> {
  return plain("f64", opcode, "f64", "f64");
}

// @__NO_SIDE_EFFECTS__
function dCompare(opcode: number): (a: F64, b: F64) => Expression<"i32"> {
  return plain("i32", opcode, "f64", "f64");
}

// @__NO_SIDE_EFFECTS__
function v1(opcode: number): (a: V128) => Expression<"v128"> {
  return simd("v128", opcode, "v128");
}

// @__NO_SIDE_EFFECTS__
function v(opcode: number): (a: V128, b: V128) => Expression<"v128"> {
  return simd("v128", opcode, "v128", "v128");
}

// @__NO_SIDE_EFFECTS__
function v3(opcode: number): (a: V128, b: V128, c: V128) => Expression<"v128"> {
  return simd("v128", opcode, "v128", "v128", "v128");
}

// @__NO_SIDE_EFFECTS__
function vShift(opcode: number): (a: V128, bits: I32) => Expression<"v128"> {
  return simd("v128", opcode, "v128", "i32");
}

// @__NO_SIDE_EFFECTS__
function load<T extends ValueType>(type: T, opcode: readonly number[], alignLog2: number) {
  return (pointer: I32, offset = 0): Expression<T> => build(type, opcode, ["i32"], [pointer], memoryArgument(offset, alignLog2));
}

// @__NO_SIDE_EFFECTS__
function loadLane(opcode: number, lanes: number) {
  return (pointer: I32, vector: V128, lane: number, offset = 0): Expression<"v128"> =>
    build("v128", [0xfd, opcode], ["i32", "v128"], [pointer, vector], [...memoryArgument(offset, 2), laneIndex(lane, lanes)]);
}

// @__NO_SIDE_EFFECTS__
function extractLane<T extends ValueType>(type: T, opcode: number, lanes: number) {
  return (a: V128, lane: number): Expression<T> => build(type, [0xfd, opcode], ["v128"], [a], [laneIndex(lane, lanes)]);
}

// @__NO_SIDE_EFFECTS__
function replaceLane<T extends ValueType>(type: T, opcode: number, lanes: number) {
  return (a: V128, lane: number, value: Operand<T>): Expression<"v128"> =>
    build("v128", [0xfd, opcode], ["v128", type], [a, value], [laneIndex(lane, lanes)]);
}

// @__NO_SIDE_EFFECTS__
function vectorConstant(kind: "f32" | "f64" | "i32") {
  return (...values: readonly number[]): Expression<"v128"> => {
    const lanes = values.length === 1 ? Array<number>(kind === "f64" ? 2 : 4).fill(values[0]!) : values;
    return new Expression("v128", [0xfd, 0x0c, ...bytesOf(kind, lanes)], { reusable: true });
  };
}

// @__NO_SIDE_EFFECTS__
function saturating(opcode: number, type: "f32" | "f64") {
  return (a: Operand<typeof type>): Expression<"i32"> => build("i32", [0xfc, opcode], [type], [a]);
}

export const i32 = {
  const: (value: number): Expression<"i32"> => new Expression("i32", [0x41, ...signedLeb128(value)], { reusable: true }),
  load: load("i32", [0x28], 2),
  load8S: load("i32", [0x2c], 0),
  load8U: load("i32", [0x2d], 0),
  load16S: load("i32", [0x2e], 1),
  load16U: load("i32", [0x2f], 1),
  eqz: i1(0x45),
  eq: i(0x46),
  ne: i(0x47),
  ltS: i(0x48),
  ltU: i(0x49),
  gtS: i(0x4a),
  gtU: i(0x4b),
  leS: i(0x4c),
  leU: i(0x4d),
  geS: i(0x4e),
  geU: i(0x4f),
  clz: i1(0x67),
  ctz: i1(0x68),
  popcnt: i1(0x69),
  add: i(0x6a),
  sub: i(0x6b),
  mul: i(0x6c),
  divS: i(0x6d),
  divU: i(0x6e),
  remS: i(0x6f),
  remU: i(0x70),
  and: i(0x71),
  or: i(0x72),
  xor: i(0x73),
  shl: i(0x74),
  shrS: i(0x75),
  shrU: i(0x76),
  rotl: i(0x77),
  rotr: i(0x78),
  wrapI64: plain("i32", 0xa7, "i64"),
  /** Traps when the value does not fit; `truncSat…` does not. */
  truncF32S: plain("i32", 0xa8, "f32"),
  truncF64S: plain("i32", 0xaa, "f64"),
  truncSatF32S: saturating(0x00, "f32"),
  truncSatF32U: saturating(0x01, "f32"),
  truncSatF64S: saturating(0x02, "f64"),
  truncSatF64U: saturating(0x03, "f64"),
  reinterpretF32: plain("i32", 0xbc, "f32"),
  /** The smaller of two, signed. Operands are read twice, so they must be locals or literals. */
  minS: (a: I32, b: I32) => select(i32.ltS(a, b), toExpression("i32", a, "i32.minS"), toExpression("i32", b, "i32.minS")),
  /** The greater of two, signed. Operands are read twice, so they must be locals or literals. */
  maxS: (a: I32, b: I32) => select(i32.gtS(a, b), toExpression("i32", a, "i32.maxS"), toExpression("i32", b, "i32.maxS")),
};

export const i64 = {
  const: (value: bigint): Expression<"i64"> => new Expression("i64", [0x42, ...signedLeb128Big(value)], { reusable: true }),
  load: load("i64", [0x29], 2),
  eqz: plain("i32", 0x50, "i64"),
  eq: plain("i32", 0x51, "i64", "i64"),
  ltS: plain("i32", 0x53, "i64", "i64"),
  ltU: plain("i32", 0x54, "i64", "i64"),
  add: l(0x7c),
  sub: l(0x7d),
  mul: l(0x7e),
  and: l(0x83),
  or: l(0x84),
  xor: l(0x85),
  shl: l(0x86),
  shrS: l(0x87),
  shrU: l(0x88),
  extendI32S: plain("i64", 0xac, "i32"),
  extendI32U: plain("i64", 0xad, "i32"),
  reinterpretF64: plain("i64", 0xbd, "f64"),
};

export const f32 = {
  const: (value: number): Expression<"f32"> => new Expression("f32", [0x43, ...bytesOf("f32", [value])], { reusable: true }),
  load: load("f32", [0x2a], 2),
  eq: fCompare(0x5b),
  ne: fCompare(0x5c),
  lt: fCompare(0x5d),
  gt: fCompare(0x5e),
  le: fCompare(0x5f),
  ge: fCompare(0x60),
  abs: f1(0x8b),
  neg: f1(0x8c),
  ceil: f1(0x8d),
  floor: f1(0x8e),
  trunc: f1(0x8f),
  nearest: f1(0x90),
  sqrt: f1(0x91),
  add: f(0x92),
  sub: f(0x93),
  mul: f(0x94),
  div: f(0x95),
  min: f(0x96),
  max: f(0x97),
  copysign: f(0x98),
  convertI32S: plain("f32", 0xb2, "i32"),
  convertI32U: plain("f32", 0xb3, "i32"),
  demoteF64: plain("f32", 0xb6, "f64"),
  reinterpretI32: plain("f32", 0xbe, "i32"),
};

export const f64 = {
  const: (value: number): Expression<"f64"> => new Expression("f64", [0x44, ...bytesOf("f64", [value])], { reusable: true }),
  load: load("f64", [0x2b], 2),
  eq: dCompare(0x61),
  ne: dCompare(0x62),
  lt: dCompare(0x63),
  gt: dCompare(0x64),
  le: dCompare(0x65),
  ge: dCompare(0x66),
  abs: d1(0x99),
  neg: d1(0x9a),
  ceil: d1(0x9b),
  floor: d1(0x9c),
  trunc: d1(0x9d),
  nearest: d1(0x9e),
  sqrt: d1(0x9f),
  add: d(0xa0),
  sub: d(0xa1),
  mul: d(0xa2),
  div: d(0xa3),
  min: d(0xa4),
  max: d(0xa5),
  copysign: d(0xa6),
  convertI32S: plain("f64", 0xb7, "i32"),
  convertI32U: plain("f64", 0xb8, "i32"),
  promoteF32: plain("f64", 0xbb, "f32"),
  reinterpretI64: plain("f64", 0xbf, "i64"),
};

/** Lanes `indices` of the concatenation of `a` and `b`, each `16 / indices.length` bytes wide. */
function shuffle(a: V128, b: V128, indices: readonly number[]): Expression<"v128"> {
  const width = 16 / indices.length;
  const bytes = indices.flatMap((index) => Array.from({ length: width }, (_, byte) => laneIndex(index, 2 * indices.length) * width + byte));
  return build("v128", [0xfd, 0x0d], ["v128", "v128"], [a, b], bytes);
}

export const v128 = {
  load: load("v128", [0xfd, 0x00], 2),
  load8Splat: load("v128", [0xfd, 0x07], 0),
  load16Splat: load("v128", [0xfd, 0x08], 1),
  load32Splat: load("v128", [0xfd, 0x09], 2),
  load64Splat: load("v128", [0xfd, 0x0a], 2),
  /** One 32-bit word in lane 0, zeros above. */
  load32Zero: load("v128", [0xfd, 0x5c], 2),
  load64Zero: load("v128", [0xfd, 0x5d], 2),
  /** Four half words become four words. */
  load16x4U: load("v128", [0xfd, 0x04], 1),
  load16x4S: load("v128", [0xfd, 0x03], 1),
  load32Lane: loadLane(0x56, 4),
  load64Lane: loadLane(0x57, 2),
  not: v1(0x4d),
  and: v(0x4e),
  /** `a & ~b` */
  andnot: v(0x4f),
  or: v(0x50),
  xor: v(0x51),
  /** Bits of `a` where `mask` is one, of `b` elsewhere. */
  bitselect: v3(0x52),
  anyTrue: simd("i32", 0x53, "v128"),
};

export const i8x16 = {
  /** Sixteen byte indices into `a` then `b`. */
  shuffle: (a: V128, b: V128, bytes: readonly number[]) => shuffle(a, b, bytes),
  swizzle: v(0x0e),
  splat: simd("v128", 0x0f, "i32"),
  eq: v(0x23),
  bitmask: simd("i32", 0x64, "v128"),
  narrowI16x8U: v(0x66),
};

export const i16x8 = {
  extendLowI8x16S: v1(0x87),
  extendHighI8x16S: v1(0x88),
  extendLowI8x16U: v1(0x89),
  extendHighI8x16U: v1(0x8a),
  narrowI32x4S: v(0x85),
  narrowI32x4U: v(0x86),
};

export const i32x4 = {
  /** One literal in all lanes, or four. Keep it in a local outside the loop. */
  const: vectorConstant("i32"),
  splat: simd("v128", 0x11, "i32"),
  extractLane: extractLane("i32", 0x1b, 4),
  replaceLane: replaceLane("i32", 0x1c, 4),
  eq: v(0x37),
  ne: v(0x38),
  ltS: v(0x39),
  ltU: v(0x3a),
  gtS: v(0x3b),
  gtU: v(0x3c),
  leS: v(0x3d),
  leU: v(0x3e),
  geS: v(0x3f),
  geU: v(0x40),
  abs: v1(0xa0),
  neg: v1(0xa1),
  allTrue: simd("i32", 0xa3, "v128"),
  bitmask: simd("i32", 0xa4, "v128"),
  extendLowI16x8S: v1(0xa7),
  extendHighI16x8S: v1(0xa8),
  extendLowI16x8U: v1(0xa9),
  extendHighI16x8U: v1(0xaa),
  shl: vShift(0xab),
  shrS: vShift(0xac),
  shrU: vShift(0xad),
  add: v(0xae),
  sub: v(0xb1),
  mul: v(0xb5),
  minS: v(0xb6),
  minU: v(0xb7),
  maxS: v(0xb8),
  maxU: v(0xb9),
  truncSatF32x4S: v1(0xf8),
  truncSatF32x4U: v1(0xf9),
  /** Two doubles in lanes 0 and 1, zeros above. */
  truncSatF64x2SZero: v1(0xfc),
  relaxedTruncF32x4S: v1(0x101),
  relaxedTruncF32x4U: v1(0x102),
};

export const i64x2 = {
  splat: simd("v128", 0x12, "i64"),
  shl: vShift(0xcb),
  shrS: vShift(0xcc),
  shrU: vShift(0xcd),
  add: v(0xce),
  sub: v(0xd1),
  mul: v(0xd5),
  /** Full 64-bit products of the two low words of each operand. */
  extmulLowI32x4U: v(0xde),
  extmulHighI32x4U: v(0xdf),
};

export const f32x4 = {
  /** One literal in all lanes, or four. Keep it in a local outside the loop. */
  const: vectorConstant("f32"),
  splat: simd("v128", 0x13, "f32"),
  extractLane: extractLane("f32", 0x1f, 4),
  replaceLane: replaceLane("f32", 0x20, 4),
  /** Four lane indices, 0 to 3 from `a`, 4 to 7 from `b`. */
  shuffle: (a: V128, b: V128, lanes: readonly [number, number, number, number]) => shuffle(a, b, lanes),
  eq: v(0x41),
  ne: v(0x42),
  lt: v(0x43),
  gt: v(0x44),
  le: v(0x45),
  ge: v(0x46),
  ceil: v1(0x67),
  floor: v1(0x68),
  trunc: v1(0x69),
  nearest: v1(0x6a),
  abs: v1(0xe0),
  neg: v1(0xe1),
  sqrt: v1(0xe3),
  add: v(0xe4),
  sub: v(0xe5),
  mul: v(0xe6),
  div: v(0xe7),
  min: v(0xe8),
  max: v(0xe9),
  /** `b < a ? b : a`: keeps a NaN of `a`. */
  pmin: v(0xea),
  /** `a < b ? b : a`: keeps a NaN of `a`. */
  pmax: v(0xeb),
  convertI32x4S: v1(0xfa),
  convertI32x4U: v1(0xfb),
  demoteF64x2Zero: v1(0x5e),
  /** `a · b + c`, fused or not as the engine likes. Prefer `f.madd`, which is right in every build. */
  relaxedMadd: v3(0x105),
  /** `c − a · b` */
  relaxedNmadd: v3(0x106),
  relaxedMin: v(0x10d),
  relaxedMax: v(0x10e),
};

export const f64x2 = {
  /** One literal in both lanes, or two. Keep it in a local outside the loop. */
  const: vectorConstant("f64"),
  splat: simd("v128", 0x14, "f64"),
  extractLane: extractLane("f64", 0x21, 2),
  replaceLane: replaceLane("f64", 0x22, 2),
  shuffle: (a: V128, b: V128, lanes: readonly [number, number]) => shuffle(a, b, lanes),
  eq: v(0x47),
  ne: v(0x48),
  lt: v(0x49),
  gt: v(0x4a),
  le: v(0x4b),
  ge: v(0x4c),
  ceil: v1(0x74),
  floor: v1(0x75),
  trunc: v1(0x7a),
  nearest: v1(0x94),
  abs: v1(0xec),
  neg: v1(0xed),
  sqrt: v1(0xef),
  add: v(0xf0),
  sub: v(0xf1),
  mul: v(0xf2),
  div: v(0xf3),
  min: v(0xf4),
  max: v(0xf5),
  pmin: v(0xf6),
  pmax: v(0xf7),
  convertLowI32x4S: v1(0xfe),
  convertLowI32x4U: v1(0xff),
  promoteLowF32x4: v1(0x5f),
  relaxedMadd: v3(0x107),
  relaxedNmadd: v3(0x108),
};
