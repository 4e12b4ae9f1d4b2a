import { math } from "@heed/kernels";
import type { Bias } from "@heed/tensor/terms";
import { outer, relativeBias } from "./internal/relative-bias.ts";
import { requireCounts } from "./internal/require.ts";

export interface AlibiOptions {
  readonly numHeads: number;
  /** −slope · |distance|, for attention that also looks ahead. Default false: slope · (j − position), which grows ahead: use it with `causal()`. */
  readonly symmetric?: boolean;
}

/**
 * Attention with linear biases: score + slope_h · (j − position of the query). Nothing is learned, and any length will do.
 *
 * The slopes of n heads are 2^(−8 i / n), i = 1 … n, where n is a power of two; else those of the power of two below, m, then the first, third,
 * fifth … of those for 2 m.
 *
 * Letters: H heads, j key, L queries, S keys. Densely `[1, H, L, S]`. Queries may stand before the first key (L > S): distances are as they are.
 * @throws {ShapeError} unless numHeads is a whole number from 1 on.
 *
 * Time O(H (L + S)): as an operand it is a row of L + S − 1 numbers per head.
 * @see Press, Smith, Lewis 2022 (arXiv:2108.12409)
 */
export function alibi({ numHeads, symmetric = false }: AlibiOptions): Bias {
  const slopes = alibiSlopes(numHeads);
  return relativeBias("alibi", (relative, { dtype = "float32" }) =>
    outer(
      slopes,
      Array.from(relative, (distance) => (symmetric ? -Math.abs(distance) : distance)),
      dtype,
    ),
  );
}

/**
 * The slope of each head, as `alibi` describes them, a number per head: `[numHeads]`, all above 0, the steepest first where their number is a power
 * of two. Time O(numHeads).
 * @throws {ShapeError} unless numHeads is a whole number from 1 on.
 * @see Press, Smith, Lewis 2022 (arXiv:2108.12409), §3, and their code for other counts than powers of two
 */
export function alibiSlopes(numHeads: number): number[] {
  requireCounts("alibi", { numHeads });
  const below = 2 ** (31 - Math.clz32(numHeads));
  const ofPower = (n: number) => Array.from({ length: n }, (_, i) => math.pow(2, (-8 * (i + 1)) / n));
  const odd = ofPower(2 * below).filter((_, i) => i % 2 === 0);
  return [...ofPower(below), ...odd.slice(0, numHeads - below)];
}
