import { conv2d, reshape, transpose, type RandomKey, type Tensor } from "@heed/tensor";
import { Module, Parameter, torchUniform } from "@heed/nn";

/** Each channel along time with a filter of its own, `[B, L, C]` → the same, zeros beyond both ends. Parameters as in a `torch.nn.Conv1d` of C groups. */
export class DepthwiseConv extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(channels: number, kernelSize: number, key: RandomKey) {
    super();
    this.weight = new Parameter(torchUniform(key.split("weight"), [channels, 1, kernelSize], kernelSize));
    this.bias = new Parameter(torchUniform(key.split("bias"), [channels], kernelSize));
  }

  forward(x: Tensor): Tensor {
    const [B, L, C] = x.shape;
    const image = reshape(transpose(x, 1, 2), [B, C, 1, L]);
    const kernel = reshape(this.weight, [C, 1, 1, this.weight.shape[2]]);
    return transpose(reshape(conv2d(image, kernel, { bias: this.bias, padding: "same", groups: C }), [B, C, L]), 1, 2);
  }
}
