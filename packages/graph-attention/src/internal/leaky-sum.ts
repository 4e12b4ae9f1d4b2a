import { leakyRelu, matmul, unsqueeze, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";

/** ⟨vector, leakyRelu(query + key)⟩, the score of GAT and GATv2, over all pairs: query and key `[H, N, F]`, vector `[H, F]`. */
export function leakySum(vector: Tensor, negativeSlope: number): Score {
  return {
    name: "leakySum",
    dense(query, key) {
      const pairs = leakyRelu(unsqueeze(query, -2).add(unsqueeze(key, -3)), { slope: negativeSlope });
      return matmul(pairs, unsqueeze(unsqueeze(vector, 1), -1)).squeeze(-1);
    },
    lower: (query, key) => ({ form: "additive", query, key, vector, activation: "leakyRelu", negativeSlope }),
  };
}
