import {
  add,
  broadcastTo,
  concat,
  dropout,
  logSumExp,
  matmul,
  mul,
  reshape,
  ShapeError,
  slice,
  softmax,
  tanh,
  Tensor,
  unsqueeze,
  where,
} from "@heed/tensor";
import { sameShape } from "@heed/tensor/operation";
import type { ScoreMod } from "@heed/tensor/terms";
import type { Return } from "../options.ts";
import { relativeKeys, scaledBy } from "./forms.ts";
import { normalise } from "./normalise.ts";
import { openPairs } from "./open-pairs.ts";
import type { Packing } from "./packing.ts";
import { repacked, unpacked, validPairs } from "./unpack.ts";
import { hideRows } from "./poison.ts";
import { fitsPairs, type Call } from "./call.ts";
import { repeatHeads } from "./repeat-heads.ts";
import { relativeValues } from "./value-table.ts";

/** The dense definition: the whole `[B, H, L, S]`, in tensor operations. What every kernel must agree with. */
export function dense(call: Call, returns: ReadonlySet<Return>): { output: Tensor } & Partial<Record<Return, Tensor>> {
  if (call.packing !== undefined) return densePacked(call, call.packing, returns);
  const { context, group, softcap } = call;
  const { B, H, L, S } = context;
  const { relative, others } = splitBiases(call);
  const { open, biases } = openPairs({ ...call, biases: others });
  const hidden = open === undefined ? undefined : hideRows(call, open, returns.has("scores:raw") || returns.has("scores:softcapped"));
  const { query, key, value } = hidden ?? call;

  const extra: Partial<Record<Return, Tensor>> = {};
  let scores = scoresOf(call, query, repeatHeads(key, group), relative);
  if (hidden?.bad !== undefined) scores = where(hidden.bad, NaN, scores);
  if (returns.has("scores:raw")) extra["scores:raw"] = scores;
  if (softcap !== undefined) scores = mul(tanh(mul(scores, 1 / softcap)), softcap);
  if (returns.has("scores:softcapped")) extra["scores:softcapped"] = scores;
  for (const bias of biases) scores = add(scores, bias);
  if (call.scoreMod !== undefined) scores = modified(call, call.scoreMod, scores);
  if (open !== undefined) scores = where(open, scores, -Infinity);
  if (returns.has("scores:masked")) extra["scores:masked"] = scores;

  let weights = call.sink === undefined ? normalise(scores, call.normaliser) : besideSink(scores, call.sink);
  // Their gradient reads the values, which may be huge where the pair is closed: 0 · ∞ must not come of it.
  if (open !== undefined) weights = where(open, weights, 0);
  if (returns.has("weights")) extra.weights = weights;
  if (returns.has("lse")) extra.lse = logSumExp(scores, -1);
  const dropped = call.dropout === undefined ? weights : dropout(weights, call.dropout);
  const product = group === 1 ? matmul(dropped, value) : matmul(reshape(dropped, [B, H / group, group, L, S]), unsqueeze(value, 2));
  const output = reshape(product, [B, H, L, product.shape.at(-1)!]);
  return { ...extra, output: call.valueTable === undefined ? output : add(output, relativeValues(dropped, call.valueTable, context)) };
}

/** Packed sequences, padded to the longest; pairs with padding are closed. */
function densePacked(call: Call, packing: Packing, returns: ReadonlySet<Return>): ReturnType<typeof dense> {
  const [query, key, value] = [
    unpacked(call.query, packing.query, packing.L),
    unpacked(call.key, packing.key, packing.S),
    unpacked(call.value, packing.key, packing.S),
  ];
  const { output, lse, ...rest } = dense({ ...call, query, key, value, packing: undefined, valid: validPairs(packing) }, returns);
  const rows = (x: Tensor) => repacked(x, packing.query);
  return { ...rest, ...(lse === undefined ? {} : { lse: rows(lse) }), output: rows(output) };
}

function modified({ context, where: name }: Call, scoreMod: ScoreMod, scores: Tensor): Tensor {
  const result = scoreMod.dense(scores, context);
  if (sameShape(result.shape, scores.shape) && result.dtype === scores.dtype) return result;
  const got = { scores: scores.shape, "scoreMod's result": result.shape, dtype: result.dtype };
  throw new ShapeError(name, `the scoreMod "${scoreMod.name}" must keep the shape and dtype of the scores`, got);
}

/** Softmax in which a logit per head takes part, and is left out of the weights. */
function besideSink(scores: Tensor, sink: Tensor): Tensor {
  const [B, H, L, S] = scores.shape;
  const column = broadcastTo(reshape(sink, [1, H, 1, 1]), [B, H, L, 1]);
  return slice(softmax(concat([scores, column], -1), -1), -1, 0, S);
}

/** Biases that the query takes part in belong inside the score's scale; the others are added later. */
function splitBiases({ biases, context }: Call): { relative: Tensor[]; others: Call["biases"] } {
  const relative: Tensor[] = [];
  const others = biases.filter((bias) => {
    const form = bias instanceof Tensor || typeof bias.lower !== "function" ? undefined : bias.lower(context);
    if (form?.form === "queryRelative") relative.push(form.table);
    return form?.form !== "queryRelative";
  });
  return { relative, others };
}

function scoresOf({ score, where: name, context }: Call, query: Tensor, key: Tensor, relative: readonly Tensor[]): Tensor {
  const { B, H, L, S } = context;
  let scores = score.dense(query, key);
  if (scores.rank < 2 || scores.shape.at(-2) !== L || scores.shape.at(-1) !== S || !fitsPairs(scores, [B, H, L, S])) {
    throw new ShapeError(name, `the score "${score.name}" must give [B, H, L, S]`, { scores: scores.shape, "[B, H, L, S]": [B, H, L, S] });
  }
  if (relative.length > 0) {
    const form = score.lower(query, key);
    const scale = form.form === "additive" ? 1 : form.scale;
    for (const table of relative) scores = add(scores, scaledBy(relativeKeys(form.query, table, context), scale));
  }
  return broadcastTo(scores, [B, H, L, S]);
}
