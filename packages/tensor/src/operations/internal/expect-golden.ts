import { tensor } from "../../core/construct.ts";
import { isReal } from "../../core/dtype.ts";
import type { Tensor } from "../../core/tensor.ts";
import { expectClose } from "../../testing/expect-close.ts";
import type { GoldenCase } from "../../testing/load-golden.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/**
 * Computes a golden case, and holds all results and gradients against it: of the stored precision, and in float64 where
 * those were stored too.
 */
export function expectGolden(stored: GoldenCase, compute: (inputs: Tensors, params: Tensors) => Tensors): void {
  run(stored, compute, "", (x) => x.toTypedArray());
  if (Object.keys(stored.outputs64).length > 0) run(stored, compute, "64", (x) => (isReal(x.dtype) ? Float64Array.from(x.toTypedArray()) : x.toTypedArray()));
}

function run(
  { inputs, params, outputs, outputs64, cotangents, gradients, gradients64, toleranceOf }: GoldenCase,
  compute: (inputs: Tensors, params: Tensors) => Tensors, bits: "" | "64", data: (x: Tensor) => ReturnType<Tensor["toTypedArray"]>,
): void {
  const like = (x: Tensor, requiresGrad: boolean) => tensor(data(x), { shape: x.shape, dtype: isReal(x.dtype) ? undefined : x.dtype, requiresGrad: requiresGrad && isReal(x.dtype) });
  const leaves = (tensors: Tensors) => Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, like(x, true)]));
  const [given, parameters] = [leaves(inputs), leaves(params)];
  const found = compute(given, parameters);
  for (const [name, expected] of Object.entries(bits === "" ? outputs : outputs64)) expectClose(found[name], expected, toleranceOf(`output${bits}.${name}`));

  for (const [name, cotangent] of Object.entries(cotangents)) found[name].backward(like(cotangent, false));
  for (const [name, gradient] of Object.entries(bits === "" ? gradients : gradients64)) {
    const leaf = name.startsWith("param.") ? parameters[name.slice(6)] : given[name];
    expectClose(leaf.grad ?? tensor(new Float64Array(leaf.size), { shape: leaf.shape }), gradient, toleranceOf(`grad${bits}.${name}`));
  }
}
