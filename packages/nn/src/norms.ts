import { addLayerNorm, batchNorm, layerNorm, noGrad, ones, rmsNorm, zeros, type LayerNormOptions, type Tensor } from "@heed/tensor";
import { copyInto } from "@heed/tensor/operation";
import { requireCount } from "./internal/require.ts";
import { Module } from "./module.ts";
import { Buffer, Parameter } from "./parameter.ts";
import { isTraining } from "./training.ts";

/**
 * Over the last axis (or the last axes): `(x − mean) / √(variance + eps) · weight + bias`, biased variance. Parameters `weight`, `bias` of the
 * normalised shape. A row of equal numbers becomes `bias`.
 * @throws {ShapeError} when x does not end in the normalised shape.
 *
 * Time O(size of x).
 * @see Ba, Kiros, Hinton 2016 (arXiv:1607.06450)
 */
export class LayerNorm extends Module {
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;
  readonly eps: number;
  readonly axes: number;

  /** @param options.eps default 1e-5; `affine: false` leaves weight and bias out, `bias: false` only the bias */
  constructor(normalizedShape: number | readonly number[], { eps = 1e-5, affine = true, bias = true } = {}) {
    super();
    const shape = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
    requireCount("LayerNorm", Object.fromEntries(shape.map((n, i) => [`length ${i}`, n])));
    this.eps = eps;
    this.axes = shape.length;
    this.weight = affine ? new Parameter(ones(shape)) : null;
    this.bias = affine && bias ? new Parameter(zeros(shape)) : null;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.#options);
  }

  /** `sum = x + residual`, and its norm as `output`, in one pass. */
  addForward(x: Tensor, residual: Tensor): { sum: Tensor; output: Tensor } {
    return addLayerNorm(x, residual, this.#options);
  }

  get #options(): LayerNormOptions {
    return { weight: this.weight ?? undefined, bias: this.bias ?? undefined, eps: this.eps, axes: this.axes };
  }
}

/**
 * Over the last axis: `x / √(mean(x²) + eps) · weight`. Parameter `weight` `[width]`.
 * @throws {ShapeError} when x does not end in the width.
 *
 * Time O(size of x).
 * @see Zhang, Sennrich 2019 (arXiv:1910.07467)
 */
export class RMSNorm extends Module {
  readonly weight: Parameter;
  readonly eps: number;

  /** @param options.eps default 1e-6 */
  constructor(width: number, { eps = 1e-6 } = {}) {
    super();
    requireCount("RMSNorm", { width });
    this.eps = eps;
    this.weight = new Parameter(ones([width]));
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, { weight: this.weight, eps: this.eps });
  }
}

/**
 * Per channel of `[B, C, …]`: `(x − mean) / √(variance + eps) · weight + bias`. In `training` by the batch's own mean and biased variance, while
 * `running_mean` and `running_var` (unbiased) follow: running ← (1 − momentum) · running + momentum · batch's. In evaluation by the running ones.
 *
 * Parameters `weight`, `bias`, buffers `running_mean`, `running_var`, all `[C]`. PyTorch's counter `num_batches_tracked` is not kept: leave it
 * out when loading. With one value per channel the batch's variance is 0, and so is the output but for the bias.
 *
 * Letters: B batch, C channels. Time O(size of x).
 * @throws {ShapeError} when x is not `[B, C, …]` with C = numFeatures.
 * @see Ioffe, Szegedy 2015 (arXiv:1502.03167)
 */
export class BatchNorm2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly running_mean: Buffer;
  readonly running_var: Buffer;
  readonly eps: number;
  readonly momentum: number;

  constructor(numFeatures: number, { eps = 1e-5, momentum = 0.1 } = {}) {
    super();
    requireCount("BatchNorm2d", { numFeatures });
    this.eps = eps;
    this.momentum = momentum;
    this.weight = new Parameter(ones([numFeatures]));
    this.bias = new Parameter(zeros([numFeatures]));
    this.running_mean = new Buffer(zeros([numFeatures]));
    this.running_var = new Buffer(ones([numFeatures]));
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, eps, momentum } = this;
    if (!isTraining()) return batchNorm(x, { weight, bias, eps, mean: this.running_mean, variance: this.running_var }).output;
    const { output, mean, variance } = batchNorm(x, { weight, bias, eps });
    const count = x.size / x.shape[1];
    noGrad(() => {
      const follow = (running: Buffer, seen: Tensor, factor: number) =>
        copyInto(running, running.mul(1 - momentum).add(seen.mul(momentum * factor)));
      follow(this.running_mean, mean.detach(), 1);
      follow(this.running_var, variance.detach(), count > 1 ? count / (count - 1) : 1);
    });
    return output;
  }
}
