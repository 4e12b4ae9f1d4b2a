import { maxPool2d, mean, relu, type RandomKey, type Tensor } from "@heed/tensor";
import { BatchNorm2d, Linear, Module } from "@heed/nn";
import { BasicBlock } from "./basic-block.ts";
import { Conv2d } from "./conv2d.ts";

export interface ResNetOptions {
  readonly key: RandomKey;
  readonly channels?: number;
  readonly numClasses: number;
  /** Channels of each stage; every stage after the first halves the image. */
  readonly widths: readonly number[];
  /** Basic blocks per stage. Default 1. */
  readonly blocksPerStage?: number;
  /** The first layer: kernel and stride of the convolution, and whether a 2 × 2 max pooling follows. Default 3, 1, false. */
  readonly stem?: { readonly kernelSize?: number; readonly stride?: number; readonly pool?: boolean };
}

/**
 * A small residual network: a convolution, stages of basic blocks, the mean over the image, a linear head.
 * `[B, C, H, W]` → logits `[B, numClasses]`. Parameters with torchvision's names: conv1, bn1, layer1.0.conv1 …, fc.
 * @see He et al. 2016 (arXiv:1512.03385)
 */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly fc: Linear;
  readonly #stages: readonly (readonly BasicBlock[])[];
  readonly #pool: boolean;

  constructor({
    key,
    channels = 3,
    numClasses,
    widths,
    blocksPerStage = 1,
    stem: { kernelSize = 3, stride = 1, pool = false } = {},
  }: ResNetOptions) {
    super();
    this.conv1 = new Conv2d(channels, widths[0], {
      key: key.split("conv1"),
      kernelSize,
      stride,
      padding: kernelSize >> 1,
      bias: false,
      init: "kaiming",
    });
    this.bn1 = new BatchNorm2d(widths[0]);
    this.#stages = widths.map((width, stage) =>
      Array.from(
        { length: blocksPerStage },
        (_, i) =>
          new BasicBlock(i > 0 ? width : widths[Math.max(0, stage - 1)], width, {
            key: key.split(`layer${stage + 1}`).split(i),
            stride: stage > 0 && i === 0 ? 2 : 1,
          }),
      ),
    );
    // torchvision's names: layer1, layer2 …
    this.#stages.forEach((blocks, stage) => Object.assign(this, { [`layer${stage + 1}`]: blocks }));
    this.fc = new Linear(widths.at(-1)!, numClasses, { key: key.split("fc") });
    this.#pool = pool;
  }

  forward(images: Tensor): Tensor {
    const first = relu(this.bn1.forward(this.conv1.forward(images)));
    const start = this.#pool ? maxPool2d(first, { kernelSize: 2 }) : first;
    const y = this.#stages.flat().reduce((x, block) => block.forward(x), start);
    return this.fc.forward(mean(y, [2, 3]));
  }
}
