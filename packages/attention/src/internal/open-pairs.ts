import { any, DTypeError, equal, logicalAnd, logicalNot, noGrad, Tensor, where } from "@heed/tensor";
import type { Bias, TermContext } from "@heed/tensor/terms";
import type { Call } from "./call.ts";
import { checkedMask, requireFit } from "./fit.ts";

/**
 * Which pairs of query and key may meet, broadcastable to `[B, H, L, S]`, or `undefined` for all: those that the mask leaves open, and to which
 * no bias of −∞ is added. And the biases, with 0 for −∞, so that no sum is ∞ − ∞.
 */
export function openPairs(call: Call): { open: Tensor | undefined; biases: Tensor[] } {
  const { context, mask } = call;
  let open = mask === undefined || mask instanceof Tensor ? mask : checkedMask(call, mask.dense(context), mask.name);
  if (call.valid !== undefined) open = open === undefined ? call.valid : logicalAnd(open, call.valid);
  const biases = call.biases.map((given) => {
    const bias = given instanceof Tensor ? given : checkedBias(call, given, context);
    const closed = noGrad(() => equal(bias.detach(), -Infinity));
    if (any(closed).item() === 0) return bias;
    const rest = noGrad(() => logicalNot(closed));
    open = open === undefined ? rest : logicalAnd(open, rest);
    return where(closed, 0, bias);
  });
  return { open, biases };
}

function checkedBias({ where: name, query }: Call, bias: Bias, context: TermContext): Tensor {
  const table = bias.dense(context);
  if (table.dtype !== query.dtype)
    throw new DTypeError(name, `the bias "${bias.name}" must have the dtype of query`, { bias: table.dtype, query: query.dtype });
  return requireFit(name, `the bias "${bias.name}"`, table, context);
}
