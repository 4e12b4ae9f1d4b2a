import {
  add,
  all,
  any,
  broadcastTo,
  dropout,
  equal,
  greater,
  logicalAnd,
  logicalNot,
  logSumExp,
  matmul,
  mul,
  noGrad,
  reshape,
  sum,
  tanh,
  Tensor,
  unsqueeze,
  where,
} from "@heed/tensor";
import type { Return } from "../options.ts";
import { normalise } from "./normalise.ts";
import type { Call } from "./prepare.ts";

/** The dense definition: the whole `[B, H, L, S]`, in tensor operations. What every kernel must agree with. */
export function dense(call: Call, returns: ReadonlySet<Return>): { output: Tensor } & Partial<Record<Return, Tensor>> {
  const { context, softcap, mask, dropout: drop } = call;
  const { B, H, L, S } = context;
  const open = mask === undefined ? undefined : mask instanceof Tensor ? mask : mask.dense(context);
  const closes = open !== undefined || call.biases.length > 0;
  const poison = closes ? findPoison(call) : undefined;
  const { query, key, value } = poison ?? call;

  const extra: Partial<Record<Return, Tensor>> = {};
  let scores = broadcastTo(reshape(call.score.dense(query, key), [Math.max(query.shape[0], key.shape[0]), H, L, S]), [B, H, L, S]);
  if (returns.has("scores:raw")) extra["scores:raw"] = scores;
  if (softcap !== undefined) scores = mul(tanh(mul(scores, 1 / softcap)), softcap);
  if (returns.has("scores:softcapped")) extra["scores:softcapped"] = scores;
  for (const bias of call.biases) scores = add(scores, bias instanceof Tensor ? bias : bias.dense(context));
  if (open !== undefined) scores = where(open, scores, -Infinity);
  if (returns.has("scores:masked")) extra["scores:masked"] = scores;

  const weights = normalise(scores, call.normaliser);
  if (returns.has("weights")) extra.weights = weights;
  if (returns.has("lse")) extra.lse = logSumExp(scores, -1);
  const dropped = drop === undefined ? weights : dropout(weights, drop);
  const [, Hkv, group] = call.query.shape;
  const product = matmul(reshape(dropped, [B, Hkv, group, L, S]), value);
  let output = reshape(product, [B, H, L, product.shape.at(-1)!]);
  if (poison !== undefined) {
    const bad = poison.reaches(noGrad(() => greater(scores.detach(), -Infinity)));
    output = where(unsqueeze(bad, -1), NaN, output);
  }
  return { ...extra, output };
}

/**
 * Rows of query, key or value that hold NaN or ±∞, replaced by zeros: writing −∞ into a score is not enough to hide
 * them, since 0 × NaN is NaN. An open pair with such a row makes its query's output NaN, as it would without a mask.
 */
function findPoison(call: Call): { query: Tensor; key: Tensor; value: Tensor; reaches(open: Tensor): Tensor } | undefined {
  // 0 · x is NaN for NaN and ±∞, else 0.
  const finite = (x: Tensor) => noGrad(() => equal(sum(mul(x.detach(), 0), -1), 0));
  const flags = [call.query, call.key, call.value].map(finite);
  if (flags.every((flag) => all(flag).item() === 1)) return undefined;
  const [query, key, value] = [call.query, call.key, call.value].map((x, i) => where(unsqueeze(flags[i], -1), x, 0));
  const { B, H, L, S } = call.context;
  const [, Hkv, group] = call.query.shape;
  return {
    query,
    key,
    value,
    reaches: (open) =>
      noGrad(() => {
        const spread = (flag: Tensor, axis: -1 | -2) => reshape(broadcastTo(unsqueeze(flag, axis), [B, Hkv, group, L, S]), [B, H, L, S]);
        const badPair = logicalNot(logicalAnd(spread(flags[0], -1), logicalAnd(spread(flags[1], -2), spread(flags[2], -2))));
        return any(logicalAnd(open, badPair), -1);
      }),
  };
}
