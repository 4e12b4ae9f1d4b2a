import { cast, grad, mul, sum, type Tensor } from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import { attention, type AttentionOptions } from "../src/index.ts";
import { dense } from "../src/internal/dense.ts";
import { prepare } from "../src/internal/prepare.ts";

/** A call of attention as a function of the tensors that it differentiates by. */
export type CallOf = (at: Record<string, Tensor>) => [Tensor, Tensor, Tensor, AttentionOptions];

/** Output, and gradients of its product with a random tensor. */
export function everything(tensors: Record<string, Tensor>, run: (at: Record<string, Tensor>) => Tensor): Record<string, Tensor> {
  const output = run(tensors);
  const cotangent = cast(randomTensor(output.shape, 77), output.dtype as "float32");
  const gradients = grad((at: Record<string, Tensor>) => sum(mul(run(at), cotangent)))(tensors);
  return { output, ...gradients };
}

/** What in values and gradients of a call differs from the dense definition in float64, relative to the largest number; "" for nothing. */
export function differencesFromDense(tensors: Record<string, Tensor>, call: CallOf): string {
  const wide = Object.fromEntries(Object.entries(tensors).map(([key, x]) => [key, cast(x, "float64")]));
  const exact = everything(wide, (at) => {
    const [q, k, v, options] = call(at);
    const prepared = prepare("attention", q, k, v, options);
    return prepared.restore(dense(prepared, new Set()).output);
  });
  const found = everything(tensors, (at) => attention(...call(at)));
  const failed = Object.entries(exact).flatMap(([what, x]) => {
    const most = Math.max(1, ...Array.from(x.toTypedArray(), Math.abs));
    try {
      expectClose(cast(found[what], "float64"), x, most * (what === "output" ? 1e-5 : 5e-5));
      return [];
    } catch (error) {
      return [`${what}: ${(error as Error).message.split("\n")[0]}`];
    }
  });
  return failed.join("\n");
}
