import { HeedError, maxPool2d, mean, relu, type RandomKey, type Tensor } from "@heed/tensor";
import { BatchNorm2d, Linear, Module } from "@heed/nn";
import { BasicBlock } from "./basic-block.ts";
import { Conv2d } from "./conv2d.ts";

export interface ResNetOptions {
  readonly key: RandomKey;
  /** Of the pictures. Default 3. */
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
 * `[B, C, H, W]` → logits `[B, numClasses]`, for pictures of any size.
 *
 * Letters: B batch, C channels, H and W height and width. Time O(Σ pixels · width² · blocksPerStage) a picture, over the stages; each has a quarter
 * of the pixels of the one before.
 *
 * Parameters with torchvision's names: `conv1`, `bn1`, `layer1.0.conv1` …, `layer2.0.downsample.0` …, `fc`; its counters
 * `num_batches_tracked` are not kept. Convolutions start normal with deviation √(2 / fanOut).
 * @throws {HeedError} for no widths, or ones that are no whole numbers from 1 on.
 * @see He et al. 2016 (arXiv:1512.03385)
 * @example
 * const net = new ResNet({ key, numClasses: 10, widths: [18, 36, 72, 144], stem: { stride: 2, pool: true } });
 */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  // Named here only so that they stand before fc, as in torchvision; layer5 and on follow it.
  readonly layer1: readonly BasicBlock[] = [];
  readonly layer2: readonly BasicBlock[] = [];
  readonly layer3: readonly BasicBlock[] = [];
  readonly layer4: readonly BasicBlock[] = [];
  readonly fc: Linear;
  readonly #stages: readonly (readonly BasicBlock[])[];
  readonly #pool: boolean;

  constructor(options: ResNetOptions) {
    super();
    const { key, channels = 3, numClasses, widths, blocksPerStage = 1, stem = {} } = options;
    const { kernelSize = 3, stride = 1, pool = false } = stem;
    if (widths.length === 0 || !widths.every((width) => Number.isInteger(width) && width >= 1)) {
      throw new HeedError("ResNet", "widths must be whole numbers from 1 on, at least one", { widths });
    }
    if (!Number.isInteger(blocksPerStage) || blocksPerStage < 1) {
      throw new HeedError("ResNet", "blocksPerStage must be a whole number, at least 1", { blocksPerStage });
    }
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
      Array.from({ length: blocksPerStage }, (_, i) => {
        const from = i > 0 ? width : widths[Math.max(0, stage - 1)];
        return new BasicBlock(from, width, { key: key.split(`layer${stage + 1}`).split(i), stride: stage > 0 && i === 0 ? 2 : 1 });
      }),
    );
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
