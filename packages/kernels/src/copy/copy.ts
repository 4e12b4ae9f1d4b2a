import { wasm } from "#wasm/copy";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * Copies the 4-D box of items `x[i0·s0 + i1·s1 + i2·s2 + i3·s3]` to `out[i0·o0 + i1·o1 + i2·o2 + i3·o3]`,
 * `0 ≤ i < n` on every axis. Strides are in items; those of `x` may be 0 (a broadcast) or negative (a flip), those
 * of `out` too as long as no item is written twice. The boxes must not overlap. Items are copied bit for bit.
 */
export type StridedCopy = (
  x: number,
  out: number,
  n0: number,
  n1: number,
  n2: number,
  n3: number,
  s0: number,
  s1: number,
  s2: number,
  s3: number,
  o0: number,
  o1: number,
  o2: number,
  o3: number,
) => void;

/** Layout without arithmetic (and the one addition that undoes a slice). Pointers are in bytes. */
export interface CopyKernels {
  /** A copy of items of one byte: `uint8`, `bool`. */
  copy1: StridedCopy;
  /** A copy of items of two bytes: `float16`, `bfloat16`. */
  copy2: StridedCopy;
  /** A copy of items of four bytes: `float32`, `int32`. */
  copy4: StridedCopy;
  /** A copy of items of eight bytes: `float64`. */
  copy8: StridedCopy;
  /** `out += x` over the same boxes, on reals: the gradient of a slice or of a view. An `out` stride may be 0: then its items add up, in order of the box. */
  addCopy: StridedCopy;
  /** `out[0 … n) = value`, reals. */
  fill(out: number, n: number, value: number): void;
  /** `out[0 … n) = value`, int32. */
  fillInt(out: number, n: number, value: number): void;
  /** `out[0 … n) = value`, bytes. */
  fillBytes(out: number, n: number, value: number): void;
}

export const copy: Family<CopyKernels> = /* @__PURE__ */ defineFamily("copy", wasm, reference);
