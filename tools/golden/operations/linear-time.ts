import { attention } from "@heed/attention";
import { eluPlusOne, linearAttention, linformer, performer } from "@heed/attention/linear-time";
import { and, causal, padding } from "@heed/masks";
import * as T from "@heed/tensor";
import type { Operation, Operations } from "../operation.ts";

const maskOf = (isCausal: boolean, lengths?: T.Tensor) => ({
  mask: and(...(isCausal ? [causal()] : []), ...(lengths === undefined ? [] : [padding(lengths.toTypedArray())])),
});

const linear: Operation<{ causal: boolean; feature: "elu1" | "relu"; eps: number }> = (
  { inputs: { q, k, v, lengths } },
  { causal: isCausal, feature, eps },
) => {
  const options = { featureMap: feature === "relu" ? T.relu : eluPlusOne, eps, ...maskOf(isCausal, lengths) };
  const { output, state } = linearAttention(q!, k!, v!, { ...options, returns: ["state"] });
  return { y: output, ...state };
};

const favor: Operation<{ causal: boolean; feature: "softmax" | "relu"; eps: number }> = (
  { inputs: { q, k, v, w } },
  { causal: isCausal, feature, eps },
) => ({
  y: performer(q!, k!, v!, { directions: w!, kernel: feature, eps, ...maskOf(isCausal) }),
  exact: attention(q!, k!, v!, maskOf(isCausal)),
});

const lowRank: Operation<{ scale: number | null }> = ({ inputs: { q, k, v }, params: { e, f } }, { scale }) => {
  const projections = { keyProjection: e!, ...(f === undefined ? {} : { valueProjection: f }) };
  const { output, weights } = linformer(q!, k!, v!, { ...projections, ...(scale === null ? {} : { scale }), returns: ["weights"] });
  return { y: output, weights };
};

/** Linear-time operations of the folder `attention`. */
export const linearTimeOperations = { linear_attention: linear, performer: favor, linformer: lowRank } as unknown as Operations;
