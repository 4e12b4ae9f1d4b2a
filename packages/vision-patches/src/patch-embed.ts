import { linear, reshape, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { Module, Parameter, torchUniform } from "@heed/nn";
import { pairOf } from "./internal/pair.ts";
import { patchify } from "./patchify.ts";

/** The projection of `PatchEmbed`, with timm's names: a convolution whose kernel and stride are the patch. */
class PatchProjection extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(channels: number, embedDim: number, [h, w]: readonly [number, number], key: RandomKey, bias: boolean) {
    super();
    this.weight = new Parameter(torchUniform(key.split("weight"), [embedDim, channels, h, w], channels * h * w));
    this.bias = bias ? new Parameter(zeros([embedDim])) : null;
  }
}

export interface PatchEmbedOptions {
  readonly key: RandomKey;
  readonly patchSize: number | readonly [number, number];
  readonly channels?: number;
  readonly embedDim: number;
  /** Default true. */
  readonly bias?: boolean;
}

/**
 * Each patch as one vector: `[B, C, H, W]` → `[B, P, embedDim]`, a convolution with kernel = stride = patch, computed as
 * patches times matrix. Parameters `proj.weight` `[embedDim, C, h, w]`, `proj.bias`.
 *
 * Letters: B batch, C channels, H and W height and width of an image, h and w of a patch, P patches.
 * @throws {ShapeError} when the image is no multiple of the patch. Time O(B P C h w embedDim).
 * @see Dosovitskiy et al. 2021 (arXiv:2010.11929)
 */
export class PatchEmbed extends Module {
  readonly proj: PatchProjection;
  readonly patchSize: readonly [number, number];

  constructor({ key, patchSize, channels = 3, embedDim, bias = true }: PatchEmbedOptions) {
    super();
    this.patchSize = pairOf("PatchEmbed", "patchSize", patchSize);
    this.proj = new PatchProjection(channels, embedDim, this.patchSize, key.split("proj"), bias);
  }

  forward(images: Tensor): Tensor {
    const { weight, bias } = this.proj;
    const [embedDim, ...rest] = weight.shape;
    return linear(
      patchify(images, { patchSize: this.patchSize }),
      reshape(weight, [embedDim, rest[0] * rest[1] * rest[2]]),
      bias ?? undefined,
    );
  }
}
