import { conv2d, ShapeError, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { kaimingNormalFanOut, Module, Parameter, torchUniform } from "@heed/nn";

export interface Conv2dOptions {
  readonly key: RandomKey;
  /** A side, or [height, width]. */
  readonly kernelSize: number | readonly [number, number];
  /** Default 1. */
  readonly stride?: number | readonly [number, number];
  /** Zeros around the image: a number, [vertical, horizontal], or "same" (stride 1, odd kernel). Default 0. */
  readonly padding?: number | readonly [number, number] | "same";
  readonly dilation?: number | readonly [number, number];
  /** Channels are split into that many independent groups. Default 1. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Initial weight: PyTorch's default, or `kaiming` (normal, fan out), as ResNets start. */
  readonly init?: "torch" | "kaiming";
}

/**
 * Cross-correlation with a learned kernel: `[B, C, H, W]` → `[B, O, H′, W′]`.
 * Parameters `weight` `[O, C / groups, kh, kw]`, `bias` `[O]`.
 *
 * Letters: B batch, C and O channels in and out, H and W height and width, kh and kw those of the kernel.
 * @throws {ShapeError} when groups do not divide channels, for another kernel than whole numbers from 1 on, and as `conv2d`.
 *
 * Time O(B · O · H′ · W′ · C · kh · kw / groups).
 * @see PyTorch's `torch.nn.Conv2d`
 */
export class Conv2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly #options: Pick<Conv2dOptions, "stride" | "padding" | "dilation" | "groups">;

  constructor(
    inChannels: number,
    outChannels: number,
    { key, kernelSize, bias = true, init = "torch", groups = 1, ...options }: Conv2dOptions,
  ) {
    super();
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw new ShapeError("Conv2d", "channels must be multiples of groups", { inChannels, outChannels, groups });
    const [kh, kw] = typeof kernelSize === "number" ? [kernelSize, kernelSize] : kernelSize;
    if (![kh, kw].every((n) => Number.isInteger(n) && n >= 1))
      throw new ShapeError("Conv2d", "kernelSize must be a whole number or a pair, from 1 on", { kernelSize });
    const shape = [outChannels, inChannels / groups, kh, kw];
    const fanIn = shape[1] * kh * kw;
    this.weight = new Parameter(
      init === "kaiming" ? kaimingNormalFanOut(key.split("weight"), shape) : torchUniform(key.split("weight"), shape, fanIn),
    );
    this.bias = !bias
      ? null
      : new Parameter(init === "kaiming" ? zeros([outChannels]) : torchUniform(key.split("bias"), [outChannels], fanIn));
    this.#options = { ...options, groups };
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { ...this.#options, ...(this.bias === null ? {} : { bias: this.bias }) });
  }
}
