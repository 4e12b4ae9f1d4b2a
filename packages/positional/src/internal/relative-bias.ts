import { indexSelect, reshape, stack, tensor, type Tensor } from "@heed/tensor";
import type { Bias, TermContext, TermParameters } from "@heed/tensor/terms";

/**
 * A bias that depends on the head and on how far the key stands from the query, j − (i + queryOffset), alone.
 * @param table `[H | 1, n]` of n relative positions, in tensor operations
 */
export function relativeBias(
  name: string,
  table: (relative: Int32Array, context: TermContext) => Tensor,
  parameters?: () => TermParameters,
): Bias {
  const lowered = (context: TermContext): Tensor => {
    const { L, S, queryOffset } = context;
    const width = Math.max(L + S - 1, 0);
    const offsets = typeof queryOffset === "number" ? [queryOffset] : Array.from(queryOffset);
    return stack(
      offsets.map((offset) =>
        table(
          Int32Array.from({ length: width }, (_, index) => index - (L - 1) - offset),
          context,
        ),
      ),
      0,
    );
  };
  return {
    name,
    dense(context) {
      const { L, S } = context;
      const all = lowered(context); // [B | 1, H | 1, L + S − 1]
      const at = Int32Array.from({ length: L * S }, (_, pair) => (pair % S) - Math.floor(pair / S) + L - 1);
      return reshape(indexSelect(all, tensor(at), -1), [...all.shape.slice(0, 2), L, S]);
    },
    lower: (context) => ({ form: "relative", table: lowered(context) }),
    ...(parameters === undefined ? {} : { parameters }),
  };
}

/** A column of numbers per head times a row of numbers, `[H, n]`. */
export function outer(slopes: readonly number[], distances: readonly number[], dtype: "float32" | "float64"): Tensor {
  return tensor(Float64Array.from(slopes.flatMap((slope) => distances.map((distance) => slope * distance))), {
    shape: [slopes.length, distances.length],
    dtype,
  });
}
