import { attention } from "@heed/attention";
import { scoreMod } from "@heed/attention/expressions";
import { scaledDot } from "@heed/scoring";
import { matmul, reshape, type Tensor } from "@heed/tensor";
import { inputOf, type Operator } from "../operator.ts";
import type { Attribute, Graph, Vector } from "../vector.ts";
import { expressionOf, onTensors } from "./graph.ts";

export const flexAttentionOperator: Operator = {
  mapping: [
    "attention(query, key, value, { scoreMod }): the graph score_mod, read node by node into one expression of (score, i, j).",
    "prob_mod has no place in the algebra, whose normalisers are a closed set: its cases take the weights that attention returns,",
    "  apply the graph to them in tensor operations, and multiply with the values; that is the dense way, an array of L × S.",
  ],
  run(vector) {
    const [query, key, value] = [inputOf(vector, 0), inputOf(vector, 1), inputOf(vector, 2)];
    const { scale } = vector.attributes;
    const [scoreGraph, probGraph] = [graphOf(vector, "score_mod"), graphOf(vector, "prob_mod")];
    const options = {
      ...(typeof scale === "number" ? { score: scaledDot({ scale }) } : {}),
      ...(scoreGraph === undefined ? {} : { scoreMod: scoreMod((variables) => expressionOf(scoreGraph, variables)) }),
    };
    if (probGraph === undefined) return [attention(query, key, value, options)];
    const { weights } = attention(query, key, value, { ...options, returns: ["weights"] });
    return [grouped(onTensors(probGraph, weights), value)];
  },
};

function graphOf({ attributes }: Vector, name: string): Graph | undefined {
  const value = attributes[name] as Exclude<Attribute, number | string | boolean | readonly Attribute[]> | undefined;
  return value?.graph;
}

/** `[B, H, L, S]` × `[B, G, S, E]`, neighbouring heads sharing values. */
function grouped(weights: Tensor, value: Tensor): Tensor {
  const [B, H, L, S] = weights.shape as [number, number, number, number];
  const [, G, , E] = value.shape as [number, number, number, number];
  return reshape(matmul(reshape(weights, [B, G, (H / G) * L, S]), value), [B, H, L, E]);
}
