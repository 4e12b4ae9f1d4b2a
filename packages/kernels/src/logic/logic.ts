import { wasm } from "#wasm/logic";
import type { Binary } from "../binary/binary.ts";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

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

/** Comparisons, logic and choices, with broadcasting. Without a suffix on reals; `Int` on int32, `Bytes` and `logical` on bytes. */
export interface LogicKernels {
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
}

export const logic: Family<LogicKernels> = /* @__PURE__ */ defineFamily("logic", wasm, reference);
