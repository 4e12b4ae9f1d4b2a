import { wasm } from "#wasm/binary";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * `out[i, j] = f(a[i · aOuter + j · aInner], b[i · bOuter + j · bInner])`, 0 ≤ i < outer, 0 ≤ j < inner; `out` is contiguous.
 * Pointers are in bytes, strides in elements: inner ones 0 or 1, outer ones any (0 repeats a row). `out` may be `a` or `b` where
 * that has the strides of `out`.
 */
export type Binary = (
  a: number,
  aOuter: number,
  aInner: number,
  b: number,
  bOuter: number,
  bInner: number,
  out: number,
  outer: number,
  inner: number,
) => void;

/** `out[i, j] = cond[…] ≠ 0 ? a[…] : b[…]`, strides as in `Binary`; `cond` holds bytes. The one not chosen may be anything. */
export type Where = (
  cond: number,
  cOuter: number,
  cInner: number,
  a: number,
  aOuter: number,
  aInner: number,
  b: number,
  bOuter: number,
  bInner: number,
  out: number,
  outer: number,
  inner: number,
) => void;

/** Functions of two elements, with broadcasting. Without a suffix on reals; `Int` on int32, `Bytes` and `logical` on bytes. */
export interface BinaryKernels {
  add: Binary;
  sub: Binary;
  mul: Binary;
  div: Binary;
  /** NaN where either is. */
  maximum: Binary;
  /** NaN where either is. */
  minimum: Binary;
  /** Odd cases as in IEEE 754: x⁰ = 1^y = 1; a negative base wants an integer exponent, else NaN. */
  pow: Binary;
  /** Modulo 2^32, as are the next two. */
  addInt: Binary;
  subInt: Binary;
  mulInt: Binary;
  maximumInt: Binary;
  minimumInt: Binary;
  /** Comparisons write bytes, 1 for true. NaN compares as unequal to all. */
  greater: Binary;
  greaterEqual: Binary;
  less: Binary;
  lessEqual: Binary;
  equal: Binary;
  notEqual: Binary;
  greaterInt: Binary;
  greaterEqualInt: Binary;
  lessInt: Binary;
  lessEqualInt: Binary;
  equalInt: Binary;
  notEqualInt: Binary;
  /** Any byte but 0 is true; the result is 0 or 1. */
  logicalAnd: Binary;
  logicalOr: Binary;
  logicalXor: Binary;
  where: Where;
  whereInt: Where;
  whereBytes: Where;
  /** `out[i] = x[i] = 0 ? 1 : 0`, bytes. */
  logicalNot(x: number, out: number, n: number): void;
  /** `y[i] += alpha · x[i]` */
  axpy(x: number, y: number, n: number, alpha: number): void;
}

export const binary: Family<BinaryKernels> = /* @__PURE__ */ defineFamily("binary", wasm, reference);
