import { matmul, scatterAdd, tensor, zeros, type Tensor } from "@heed/tensor";
import type { RealDType } from "@heed/tensor/operation";
import type { TermContext } from "@heed/tensor/terms";
import { relativePlaces } from "./forms.ts";

/** What relative values add to the output: per row, the weights of each clipped distance summed, times the table. `[B, H, L, E]` */
export function relativeValues(weights: Tensor, table: Tensor, context: TermContext): Tensor {
  const { B, H, L, S } = context;
  const distances = table.shape[1];
  const own = relativePlaces(context, (distances - 1) / 2);
  const places = new Int32Array(B * H * L * S);
  for (let b = 0; b < B; b++) {
    const ofSample = own.length === L * S ? own : own.subarray(b * L * S, (b + 1) * L * S);
    for (let h = 0; h < H; h++) places.set(ofSample, (b * H + h) * L * S);
  }
  const buckets = scatterAdd(
    zeros([B, H, L, distances], { dtype: weights.dtype as RealDType }),
    tensor(places, { shape: [B, H, L, S] }),
    weights,
    -1,
  );
  return matmul(buckets, table);
}
