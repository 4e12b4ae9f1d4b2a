import type { Build } from "../configure.ts";
import { AssemblerError } from "./assembler-error.ts";
import { Expression, operate, type I32, type Operand, type V128, type ValueType } from "./expression.ts";
import { f32x4, f64x2, i32, memoryArgument, toExpression } from "./instructions.ts";
import { unsignedLeb128 } from "./leb128.ts";

/** Parameter names with their types, in the order of the call. */
export type Parameters = Readonly<Record<string, ValueType>>;

export interface Signature<P extends Parameters = Parameters, R extends ValueType | undefined = ValueType | undefined> {
  readonly params: P;
  readonly result?: R;
}

/** A function of the module under construction, to be called from a later one. */
export interface FunctionHandle<P extends Parameters = Parameters, R extends ValueType | undefined = ValueType | undefined> {
  readonly name: string;
  readonly index: number;
  readonly signature: Signature<P, R>;
}

export type Arguments<P extends Parameters> = { readonly [K in keyof P]: Operand<P[K]> };
export type Locals<P extends Parameters> = { readonly [K in keyof P]: Local<P[K]> };

/** A variable of a function. It is an expression that reads it. */
export class Local<T extends ValueType = ValueType> extends Expression<T> {
  readonly name: string;
  readonly #index: number;
  readonly #builder: FunctionBuilder;

  constructor(builder: FunctionBuilder, type: T, index: number, name: string) {
    super(type, [0x20, ...unsignedLeb128(index)], { owner: builder, reusable: true });
    this.name = name;
    this.#index = index;
    this.#builder = builder;
  }

  /** Statement: assigns. */
  set(value: Operand<T>): void {
    this.#builder.emit([...this.#builder.take(this.type, value, `${this.name}.set`), 0x21, ...unsignedLeb128(this.#index)], this);
  }

  /** Expression: assigns and yields the value. */
  tee(value: Operand<T>): Expression<T> {
    const expression = toExpression(this.type, value, `${this.name}.tee`);
    const assigned = operate(`${this.name}.tee`, this.type, [0x22, ...unsignedLeb128(this.#index)], [[this.type, expression]]);
    return new Expression(this.type, assigned.code, { owner: this.owner, relaxed: assigned.relaxed });
  }
}

type Statement = readonly [bytes: readonly number[], assigns: Local | undefined];

/** A block or loop that is open; `f.branch` leaves the block, or starts the loop again. */
export interface Label {
  readonly level: number;
}

/**
 * Statements of one function. Instruction objects (`i32`, `f32x4`, …) make expressions; the methods here and `local.set` emit
 * them, in the order in which you call. Nothing is reordered or optimised: what you write is what the engine gets (a local that the next statement
 * begins with is set and read by one instruction, which makes modules 4 % smaller).
 */
export class FunctionBuilder<R extends ValueType | undefined = ValueType | undefined> {
  readonly name: string;
  readonly build: Build;
  readonly #result: R | undefined;
  readonly #code: number[] = [];
  readonly #localTypes: ValueType[] = [];
  readonly #parameterCount: number;
  readonly #open: Label[] = [];
  /** The local that the last statement assigned. */
  #assigned: Local | undefined;
  /** The statements of one body of `sideBySide`, while it is written. */
  #aside: Statement[] | undefined;

  /** @internal Use `ModuleBuilder.func`. */
  constructor(name: string, build: Build, parameterCount: number, result: R | undefined) {
    this.name = name;
    this.build = build;
    this.#parameterCount = parameterCount;
    this.#result = result;
  }

  /** @internal Raw bytes, of a statement that ends in the assignment of a local or of none; kernels use the methods below. */
  emit(bytes: readonly number[], assigns?: Local): void {
    if (this.#aside !== undefined) {
      this.#aside.push([bytes, assigns]);
      return;
    }
    const read = this.#assigned?.code ?? [];
    const isRead = read.length > 0 && read.every((byte, index) => bytes[index] === byte);
    if (isRead) this.#code[this.#code.length - read.length] = 0x22;
    for (const byte of isRead ? bytes.slice(read.length) : bytes) this.#code.push(byte);
    this.#assigned = assigns;
  }

  /** @internal The code of an operand, checked to belong to this function and build. */
  take<T extends ValueType>(type: T, operand: Operand<T>, what: string): readonly number[] {
    const where = `${this.name}: ${what}`;
    const expression = toExpression(type, operand, where);
    if (expression.owner !== undefined && expression.owner !== this) {
      throw new AssemblerError(where, `reads a local of function "${expression.owner.name}"`, "Pass the value as an argument of the call.");
    }
    if (expression.relaxed && this.build === "simd") {
      throw new AssemblerError(where, 'the "simd" build holds no relaxed instruction', "Use f.madd and f.nmadd, or ask f.build.");
    }
    return expression.consume(type, where);
  }

  // ——— Locals ———

  /** A local of value zero. */
  local<T extends ValueType>(type: T, name?: string): Local<T> {
    const index = this.#parameterCount + this.#localTypes.length;
    this.#localTypes.push(type);
    return new Local<T>(this as FunctionBuilder, type, index, name ?? `local ${index}`);
  }

  /** `count` locals of one type, for register blocks. */
  locals<T extends ValueType>(type: T, count: number, name?: string): Local<T>[] {
    return Array.from({ length: count }, (_, index) => this.local(type, name && `${name}[${index}]`));
  }

  /** A new local that holds `value`. */
  let<T extends ValueType>(value: Expression<T>, name?: string): Local<T> {
    const local = this.local(value.type, name);
    local.set(value as never);
    return local;
  }

  /** `local += amount`, for pointers and counters. */
  increment(local: Local<"i32">, amount: I32): void {
    local.set(i32.add(local, amount));
  }

  /**
   * What `body` computes for each index, statement by statement side by side: the first statement of every body, then the second of every one. For long chains of
   * operations, each of which waits for the one before, in loops that are bound by that: processors look ahead by few of them. Bodies must be alike, free of
   * control flow, and must not read what another one sets.
   */
  sideBySide<T extends ValueType>(count: number, body: (index: number) => Expression<T>): Local<T>[] {
    const where = `${this.name}: sideBySide`;
    if (this.#aside !== undefined) throw new AssemblerError(where, "it is inside another one", "Give the outer one more bodies instead.");
    const bodies: Statement[][] = [];
    const results: Local<T>[] = [];
    try {
      for (let index = 0; index < count; index++) {
        bodies.push((this.#aside = []));
        results.push(this.let(body(index)));
      }
    } finally {
      this.#aside = undefined;
    }
    if (bodies.some(({ length }) => length !== bodies[0]!.length)) {
      throw new AssemblerError(where, "the bodies have different numbers of statements", "Make what differs an operand.");
    }
    for (const index of bodies[0]?.keys() ?? []) for (const statements of bodies) this.emit(...statements[index]!);
    return results;
  }

  // ——— Arithmetic that depends on the build ———

  /** `a · b + c` in f32x4: one relaxed instruction, or in the plain build a multiplication and an addition. */
  madd(a: V128, b: V128, c: V128): Expression<"v128"> {
    if (this.build !== "simd") return f32x4.relaxedMadd(a, b, c);
    return f32x4.add(f32x4.mul(a, b), c);
  }

  /** `c − a · b` in f32x4. */
  nmadd(a: V128, b: V128, c: V128): Expression<"v128"> {
    if (this.build !== "simd") return f32x4.relaxedNmadd(a, b, c);
    const product = this.let(f32x4.mul(a, b)); // The operands run in the order written: a, b, then c.
    return f32x4.sub(c, product);
  }

  /** `a · b + c` in f64x2. */
  maddF64(a: V128, b: V128, c: V128): Expression<"v128"> {
    if (this.build !== "simd") return f64x2.relaxedMadd(a, b, c);
    return f64x2.add(f64x2.mul(a, b), c);
  }

  // ——— Memory ———

  /** Stores a value by its type: 4 bytes of an i32 or f32, 8 of an i64 or f64, 16 of a v128. */
  store(pointer: I32, value: Expression, offset = 0): void {
    const [opcode, align] = STORES[value.type];
    this.#store(opcode, "store", pointer, value, memoryArgument(offset, align));
  }

  /** Stores the low byte of an i32. */
  store8(pointer: I32, value: I32, offset = 0): void {
    this.#store([0x3a], "store8", pointer, toExpression("i32", value, this.name), memoryArgument(offset, 0));
  }

  /** Stores the low half word of an i32. */
  store16(pointer: I32, value: I32, offset = 0): void {
    this.#store([0x3b], "store16", pointer, toExpression("i32", value, this.name), memoryArgument(offset, 1));
  }

  /** Stores one 32-bit lane of a vector. */
  store32Lane(pointer: I32, vector: V128, lane: 0 | 1 | 2 | 3, offset = 0): void {
    this.#store([0xfd, 0x5a], "store32Lane", pointer, vector, [...memoryArgument(offset, 2), lane]);
  }

  /** Stores one 64-bit half of a vector. */
  store64Lane(pointer: I32, vector: V128, lane: 0 | 1, offset = 0): void {
    this.#store([0xfd, 0x5b], "store64Lane", pointer, vector, [...memoryArgument(offset, 2), lane]);
  }

  #store(opcode: readonly number[], what: string, pointer: I32, value: Expression, immediates: readonly number[]): void {
    const address = this.take("i32", pointer, what);
    this.emit([...address, ...this.take(value.type, value as never, what), ...opcode, ...immediates]);
  }

  /** Copies bytes; the ranges may overlap. */
  memoryCopy(destination: I32, source: I32, bytes: I32): void {
    this.#three("memoryCopy", destination, source, bytes, [0xfc, 0x0a, 0x00, 0x00]);
  }

  memoryFill(destination: I32, byte: I32, bytes: I32): void {
    this.#three("memoryFill", destination, byte, bytes, [0xfc, 0x0b, 0x00]);
  }

  #three(what: string, a: I32, b: I32, c: I32, opcode: readonly number[]): void {
    const codes = [a, b, c].flatMap((operand) => [...this.take("i32", operand, what)]);
    this.emit([...codes, ...opcode]);
  }

  // ——— Control flow ———

  /** Runs `body` in a block; `f.branch(label)` inside it jumps behind the end. */
  block(body: (exit: Label) => void): void {
    this.#nest([0x02, 0x40], body);
  }

  /** Runs `body` in a loop; `f.branchIf(again, condition)` inside it starts the next turn, falling off the end leaves. */
  loop(body: (again: Label) => void): void {
    this.#nest([0x03, 0x40], body);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.#nest([...this.take("i32", condition, "if"), 0x04, 0x40], () => {
      then();
      if (otherwise === undefined) return;
      this.emit([0x05]);
      otherwise();
    });
  }

  #nest(opening: readonly number[], body: (label: Label) => void): void {
    this.#refuseAside();
    const label = { level: this.#open.length };
    this.emit(opening);
    this.#open.push(label);
    body(label);
    this.#open.pop();
    this.emit([0x0b]);
  }

  /** Bodies of `sideBySide` have no control flow. */
  #refuseAside(): void {
    if (this.#aside === undefined) return;
    throw new AssemblerError(`${this.name}: sideBySide`, "a body has control flow", "Use select or v128.bitselect.");
  }

  branch(label: Label): void {
    this.emit([0x0c, ...this.#distance(label)]);
  }

  branchIf(label: Label, condition: I32): void {
    this.emit([...this.take("i32", condition, "branchIf"), 0x0d, ...this.#distance(label)]);
  }

  #distance(label: Label): number[] {
    this.#refuseAside();
    if (this.#open[label.level] !== label) {
      throw new AssemblerError(
        `${this.name}: branch`,
        "the label's block is closed already",
        "Branch from inside the block or loop that gave the label.",
      );
    }
    return unsignedLeb128(this.#open.length - 1 - label.level);
  }

  /** Runs `body` at least once, and again while `condition` holds: the loop form that engines compile best. */
  doWhile(condition: I32, body: () => void): void {
    this.loop((again) => {
      body();
      this.branchIf(again, condition);
    });
  }

  /** `for (i = start; i < end; i += step)`, signed, bottom-tested. `body` must not assign to `i`. */
  forRange(start: I32, end: I32, step: I32, body: (i: Local<"i32">) => void): void {
    const i = this.let(toExpression("i32", start, `${this.name}: forRange`), "i");
    const [last, stride] = [this.#fixed(end), this.#fixed(step)];
    this.if(i32.ltS(i, last), () => {
      this.doWhile(i32.ltS(i, last), () => {
        body(i);
        this.increment(i, stride);
      });
    });
  }

  /** A number or a local stays; any other expression is computed once, into a local. */
  #fixed(operand: I32): I32 {
    return operand instanceof Expression && !operand.reusable ? this.let(operand) : operand;
  }

  /**
   * `vector(i)` for i = 0, 4, 8, … while four elements remain, then `scalar(i)` for each of the rest.
   * @param width elements per vector turn; a power of two
   */
  vectorLoop(n: I32, vector: (i: Local<"i32">) => void, scalar: (i: Local<"i32">) => void, width = 4): void {
    const count = this.#fixed(n);
    const end = this.let(i32.and(count, -width), "vectorEnd");
    this.forRange(0, end, width, vector);
    this.forRange(end, count, 1, scalar);
  }

  /** Calls a function of the module, arguments by name. One without a result is a statement, any other an expression. */
  call<P extends Parameters, S extends ValueType | undefined>(
    handle: FunctionHandle<P, S>,
    args: Arguments<P>,
  ): S extends ValueType ? Expression<S> : void {
    const where = `${this.name}: call of "${handle.name}"`;
    for (const name of Object.keys(args)) {
      if (!(name in handle.signature.params)) {
        throw new AssemblerError(
          where,
          `there is no parameter "${name}"`,
          `Its parameters: ${Object.keys(handle.signature.params).join(", ")}.`,
        );
      }
    }
    const operands = Object.entries(handle.signature.params).map(([name, type]) => {
      const operand = args[name];
      if (operand === undefined) throw new AssemblerError(where, `argument "${name}" is missing`, "Give every parameter.");
      return [type, toExpression(type, operand as never, where)] as const;
    });
    const opcode = [0x10, ...unsignedLeb128(handle.index)];
    const result = handle.signature.result;
    const expression = operate(where, result ?? "i32", opcode, operands);
    if (result !== undefined) return expression as never;
    this.emit(this.take("i32", expression as Expression<"i32">, where)); // The type is a stand-in: nothing is left on the stack.
    return undefined as never;
  }

  /** Computes and forgets. */
  drop(value: Expression): void {
    this.emit([...this.take(value.type, value as never, "drop"), 0x1a]);
  }

  return(...value: R extends ValueType ? [Operand<R>] : []): void {
    this.#refuseAside();
    const [operand] = value as [Operand<ValueType>?];
    if ((operand === undefined) !== (this.#result === undefined)) {
      throw new AssemblerError(`${this.name}: return`, `the signature has ${this.#result ?? "no"} result`, "Make the two agree.");
    }
    this.emit(operand === undefined ? [0x0f] : [...this.take(this.#result!, operand as never, "return"), 0x0f]);
  }

  unreachable(): void {
    this.emit([0x00]);
  }

  /** @internal The body as the code section wants it. */
  finish(encodeType: (type: ValueType) => number): number[] {
    const runs: [count: number, type: ValueType][] = [];
    for (const type of this.#localTypes) {
      const last = runs.at(-1);
      if (last?.[1] === type) last[0] += 1;
      else runs.push([1, type]);
    }
    const declared = runs.flatMap(([count, type]) => [...unsignedLeb128(count), encodeType(type)]);
    // With a result, falling off the end must not type-check as "nothing on the stack".
    const ending = this.#result === undefined ? [0x0b] : [0x00, 0x0b];
    return [...unsignedLeb128(runs.length), ...declared, ...this.#code, ...ending];
  }
}

const STORES: Record<ValueType, readonly [opcode: readonly number[], alignLog2: number]> = {
  i32: [[0x36], 2],
  i64: [[0x37], 2],
  f32: [[0x38], 2],
  f64: [[0x39], 2],
  v128: [[0xfd, 0x0b], 2],
};
