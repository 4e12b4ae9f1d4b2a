import { f32x4, f64x2, i32x4 } from "../assembler/index.ts";
import type { Expression, FunctionBuilder, Local } from "../assembler/index.ts";

/**
 * Vector constants of one function, each in a local and made once: engines make a `v128.const` inside a loop again in each
 * turn. Building blocks ask for theirs when they are prepared, which must be before the loop, and use them inside it.
 */
export class Constants {
  readonly f: FunctionBuilder;
  readonly #made = new Map<string, Local<"v128">>();

  constructor(f: FunctionBuilder) {
    this.f = f;
  }

  f32(value: number): Local<"v128"> {
    return this.#once(`f32 ${Object.is(value, -0) ? "-0" : value}`, () => f32x4.splat(value));
  }

  i32(value: number): Local<"v128"> {
    return this.#once(`i32 ${value}`, () => i32x4.splat(value));
  }

  f64(value: number): Local<"v128"> {
    return this.#once(`f64 ${value}`, () => f64x2.splat(value));
  }

  /** Two 64-bit integers, alike. */
  i64(value: bigint): Local<"v128"> {
    const low = Number(BigInt.asIntN(32, value));
    const high = Number(BigInt.asIntN(32, value >> 32n));
    return this.#once(`i64 ${value}`, () => i32x4.const(low, high, low, high));
  }

  #once(key: string, make: () => Expression<"v128">): Local<"v128"> {
    let local = this.#made.get(key);
    if (local === undefined) this.#made.set(key, (local = this.f.let(make(), key)));
    return local;
  }
}
