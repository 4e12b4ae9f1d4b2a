import { add, broadcastTo, dropout, logSumExp, matmul, mul, reshape, ShapeError, tanh, unsqueeze, where, type Tensor } from "@heed/tensor";
import type { Return } from "../options.ts";
import { normalise } from "./normalise.ts";
import { openPairs } from "./open-pairs.ts";
import { hideRows } from "./poison.ts";
import { fitsPairs, type Call } from "./prepare.ts";
import { repeatHeads } from "./repeat-heads.ts";

/** The dense definition: the whole `[B, H, L, S]`, in tensor operations. What every kernel must agree with. */
export function dense(call: Call, returns: ReadonlySet<Return>): { output: Tensor } & Partial<Record<Return, Tensor>> {
  const { context, group, softcap } = call;
  const { B, H, L, S } = context;
  const { open, biases } = openPairs(call);
  const hidden = open === undefined ? undefined : hideRows(call, open, returns.has("scores:raw") || returns.has("scores:softcapped"));
  const { query, key, value } = hidden ?? call;

  const extra: Partial<Record<Return, Tensor>> = {};
  let scores = scoresOf(call, query, repeatHeads(key, group));
  if (hidden?.bad !== undefined) scores = where(hidden.bad, NaN, scores);
  if (returns.has("scores:raw")) extra["scores:raw"] = scores;
  if (softcap !== undefined) scores = mul(tanh(mul(scores, 1 / softcap)), softcap);
  if (returns.has("scores:softcapped")) extra["scores:softcapped"] = scores;
  for (const bias of biases) scores = add(scores, bias);
  if (open !== undefined) scores = where(open, scores, -Infinity);
  if (returns.has("scores:masked")) extra["scores:masked"] = scores;

  let weights = normalise(scores, call.normaliser);
  // Their gradient reads the values, which may be huge where the pair is closed: 0 · ∞ must not come of it.
  if (open !== undefined) weights = where(open, weights, 0);
  if (returns.has("weights")) extra.weights = weights;
  if (returns.has("lse")) extra.lse = logSumExp(scores, -1);
  const dropped = call.dropout === undefined ? weights : dropout(weights, call.dropout);
  const product = group === 1 ? matmul(dropped, value) : matmul(reshape(dropped, [B, H / group, group, L, S]), unsqueeze(value, 2));
  return { ...extra, output: reshape(product, [B, H, L, product.shape.at(-1)!]) };
}

function scoresOf({ score, where: name, context: { B, H, L, S } }: Call, query: Tensor, key: Tensor): Tensor {
  const scores = score.dense(query, key);
  if (scores.rank < 2 || scores.shape.at(-2) !== L || scores.shape.at(-1) !== S || !fitsPairs(scores, [B, H, L, S])) {
    throw new ShapeError(name, `the score "${score.name}" must give [B, H, L, S]`, { scores: scores.shape, "[B, H, L, S]": [B, H, L, S] });
  }
  return broadcastTo(scores, [B, H, L, S]);
}
