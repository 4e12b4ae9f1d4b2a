import { wasm } from "#wasm/random";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/** Random numbers, the same in every implementation. */
export interface RandomKernels {
  /**
   * `out[i] = value` where word i of the key's stream is at most `limit`, else 0, for i < n. Words 2 j and 2 j + 1 are
   * `threefry` of the counter (j, 0).
   *
   * @param k0 @param k1 the key, and `limit`: 32 bits each, as int32 or uint32
   */
  mask(k0: number, k1: number, out: number, n: number, limit: number, value: number): void;
}

export const random: Family<RandomKernels> = /* @__PURE__ */ defineFamily("random", wasm, reference);
