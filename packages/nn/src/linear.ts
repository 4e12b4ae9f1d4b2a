import { linear, zeros, type LinearOptions as LinearCallOptions, type RandomKey, type Tensor } from "@heed/tensor";
import { requireCount } from "./internal/require.ts";
import { torchUniform } from "./initialise.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

export interface LinearOptions {
  /** Where the initial values come from. */
  readonly key: RandomKey;
  /** Default true. */
  readonly bias?: boolean;
  /** Default: PyTorch's, uniform within ±1/√inFeatures, bias too. `"zeros"` starts the bias at 0. */
  readonly biasInit?: "uniform" | "zeros";
  /** Initial weight of a shape; default PyTorch's. */
  readonly init?: (key: RandomKey, shape: readonly number[]) => Tensor;
}

/**
 * `y = x · weightᵀ + bias` over the last axis: `[…, inFeatures]` → `[…, outFeatures]`.
 * Parameters `weight` `[outFeatures, inFeatures]`, `bias` `[outFeatures]`.
 * @throws {ShapeError} unless the sizes are whole numbers from 1 on; `forward`, when x does not end in inFeatures.
 *
 * Time O(size of x · outFeatures).
 * @see PyTorch's `torch.nn.Linear`
 */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, { key, bias = true, biasInit = "uniform", init }: LinearOptions) {
    super();
    requireCount("Linear", { inFeatures, outFeatures });
    const shape = [outFeatures, inFeatures];
    const weightKey = key.split("weight");
    this.weight = new Parameter(init === undefined ? torchUniform(weightKey, shape, inFeatures) : init(weightKey, shape));
    this.bias = !bias
      ? null
      : new Parameter(biasInit === "zeros" ? zeros([outFeatures]) : torchUniform(key.split("bias"), [outFeatures], inFeatures));
  }

  /** @param options.activation `gelu` or `geluTanh`, in the same pass */
  forward(x: Tensor, options: LinearCallOptions = {}): Tensor {
    return linear(x, this.weight, this.bias ?? undefined, options);
  }
}
