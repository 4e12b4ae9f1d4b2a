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

/** Arithmetic of two elements, with broadcasting. Without a suffix on reals; `Int` on int32. */
export interface BinaryKernels {
  add: Binary;
  sub: Binary;
  mul: Binary;
  div: Binary;
  /** NaN where either is. */
  maximum: Binary;
  /** NaN where either is. */
  minimum: Binary;
  /** Modulo 2^32, as are the next two. */
  addInt: Binary;
  subInt: Binary;
  mulInt: Binary;
  maximumInt: Binary;
  minimumInt: Binary;
  /** `y[i] += alpha · x[i]` */
  axpy(x: number, y: number, n: number, alpha: number): void;
}

export const binary: Family<BinaryKernels> = /* @__PURE__ */ defineFamily("binary", wasm, reference);
