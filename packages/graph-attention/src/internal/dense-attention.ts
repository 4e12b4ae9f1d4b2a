import { attention } from "@heed/attention";
import { dropoutKey, type Dropout } from "@heed/nn";
import { permute, type Tensor } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import type { Graph } from "../graph.ts";

/**
 * Attention over the edges of a nearly complete graph, as dense attention under a mask: query `[N, H, D]`, key `[N, H, D]`, value `[N, H, E]` → `[N, H, E]`.
 * Only for graphs that `explainGraph` calls dense.
 */
export function denseAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  graph: Graph,
  score: Score | undefined,
  dropout: Dropout,
): Tensor {
  const heads = (x: Tensor) => permute(x, [1, 0, 2]);
  const random = dropout.p === 0 ? undefined : dropoutKey(dropout.path);
  const dropping = random === undefined ? {} : { dropoutP: dropout.p, dropoutKey: random };
  const output = attention(heads(query), heads(key), heads(value), {
    ...(score === undefined ? {} : { score }),
    ...(graph.denseMask ? { mask: graph.denseMask } : {}),
    ...dropping,
  });
  return heads(output);
}
