import { matmul, scatterAdd, tensor, zeros, type Tensor } from "@heed/tensor";
import type { TermContext } from "@heed/tensor/terms";

/** What relative values add to the output: per row, the weights of each clipped distance summed, times the table. `[B, H, L, E]` */
export function relativeValues(weights: Tensor, table: Tensor, { B, H, L, S, queryOffset }: TermContext): Tensor {
  const distances = table.shape[1];
  const most = (distances - 1) / 2;
  const places = new Int32Array(B * H * L * S);
  for (let b = 0, at = 0; b < B; b++) {
    const offset = typeof queryOffset === "number" ? queryOffset : queryOffset[b];
    for (let h = 0; h < H; h++)
      for (let i = 0; i < L; i++) for (let j = 0; j < S; j++, at++) places[at] = Math.max(-most, Math.min(most, j - i - offset)) + most;
  }
  const buckets = scatterAdd(zeros([B, H, L, distances], { dtype: weights.dtype }), tensor(places, { shape: [B, H, L, S] }), weights, -1);
  return matmul(buckets, table);
}
