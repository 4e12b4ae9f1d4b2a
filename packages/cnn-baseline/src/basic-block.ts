import { relu, type RandomKey, type Tensor } from "@heed/tensor";
import { BatchNorm2d, Module } from "@heed/nn";
import { Conv2d } from "./conv2d.ts";

/**
 * `relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))`: two 3 × 3 convolutions without bias, the first with the stride; the
 * shortcut is `downsample.0` (1 × 1 convolution) and `downsample.1` (batch norm) where stride or width change, else x.
 *
 * `[B, C, H, W]` → `[B, O, H′, W′]`, H′ = ⌈H / stride⌉, W′ likewise. Letters: B batch, C and O channels in and out, H and W height and width.
 * @throws {ShapeError} when x has another number of channels. Time O(B H′ W′ (C + O) O).
 * @see He et al. 2016 (arXiv:1512.03385), fig. 2
 */
export class BasicBlock extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: readonly [Conv2d, BatchNorm2d] | null;

  constructor(inChannels: number, outChannels: number, { key, stride = 1 }: { readonly key: RandomKey; readonly stride?: number }) {
    super();
    const conv = (name: string, from: number, kernelSize: number, step: number) =>
      new Conv2d(from, outChannels, {
        key: key.split(name),
        kernelSize,
        stride: step,
        padding: kernelSize >> 1,
        bias: false,
        init: "kaiming",
      });
    this.conv1 = conv("conv1", inChannels, 3, stride);
    this.bn1 = new BatchNorm2d(outChannels);
    this.conv2 = conv("conv2", outChannels, 3, 1);
    this.bn2 = new BatchNorm2d(outChannels);
    this.downsample =
      stride === 1 && inChannels === outChannels ? null : [conv("downsample.0", inChannels, 1, stride), new BatchNorm2d(outChannels)];
  }

  forward(x: Tensor): Tensor {
    const y = this.bn2.forward(this.conv2.forward(relu(this.bn1.forward(this.conv1.forward(x)))));
    return relu(y.add(this.downsample === null ? x : this.downsample[1].forward(this.downsample[0].forward(x))));
  }
}
