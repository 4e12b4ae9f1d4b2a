import { AssemblerError } from "./assembler-error.ts";

/** The value types of WebAssembly that kernels use. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** Whose locals an expression reads: the function builder, known here by its name only. */
export interface Owner {
  readonly name: string;
}

interface ExpressionParts {
  readonly owner?: Owner | undefined;
  readonly relaxed?: boolean;
  readonly reusable?: boolean;
}

/**
 * Code that leaves one value of type `T`. It is code, not a value: it runs where a statement consumes it, and it may be consumed
 * once. To use a value twice keep it in a local (`f.let`). Locals and constants may be used as often as you like.
 */
export class Expression<T extends ValueType = ValueType> {
  readonly type: T;
  readonly code: readonly number[];
  readonly owner: Owner | undefined;
  /** Contains an instruction of relaxed SIMD, whose result may differ between engines. */
  readonly relaxed: boolean;
  readonly reusable: boolean;
  #used = false;

  constructor(type: T, code: readonly number[], { owner, relaxed = false, reusable = false }: ExpressionParts = {}) {
    this.type = type;
    this.code = code;
    this.owner = owner;
    this.relaxed = relaxed;
    this.reusable = reusable;
  }

  /** @internal Hands the code over to the one that consumes it. */
  consume(type: ValueType, where: string): readonly number[] {
    if (this.type !== type) {
      throw new AssemblerError(where, `takes ${type}, got ${this.type}`, `Convert it, or use the ${this.type} instruction.`);
    }
    if (this.#used && !this.reusable) {
      throw new AssemblerError(
        where,
        "got an expression that was used already, so its code would run twice",
        "Keep it in a local: const x = f.let(expression).",
      );
    }
    this.#used = true;
    return this.code;
  }
}

export type I32 = Expression<"i32"> | number;
export type I64 = Expression<"i64"> | bigint;
export type F32 = Expression<"f32"> | number;
export type F64 = Expression<"f64"> | number;
/** There is no literal form: a constant in a loop is made again in each turn, so it belongs in a local before the loop. */
export type V128 = Expression<"v128">;

/** What may stand where a value of type `T` is wanted. */
export interface Operands {
  i32: I32;
  i64: I64;
  f32: F32;
  f64: F64;
  v128: V128;
}
export type Operand<T extends ValueType> = Operands[T];

/** An instruction over operands that are expressions already, immediates last. */
export function operate<T extends ValueType>(
  where: string,
  type: T,
  opcode: readonly number[],
  operands: readonly (readonly [ValueType, Expression])[],
  immediates: readonly number[] = [],
  relaxed = false,
): Expression<T> {
  const code: number[] = [];
  let owner: Owner | undefined;
  let anyRelaxed = relaxed;
  for (const [operandType, operand] of operands) {
    code.push(...operand.consume(operandType, where));
    if (owner !== undefined && operand.owner !== undefined && operand.owner !== owner) {
      throw new AssemblerError(
        where,
        `mixes locals of functions "${owner.name}" and "${operand.owner.name}"`,
        "Pass the value as an argument of the call.",
      );
    }
    owner ??= operand.owner;
    anyRelaxed ||= operand.relaxed;
  }
  code.push(...opcode, ...immediates);
  return new Expression(type, code, { owner, relaxed: anyRelaxed });
}
