import { randomKey, type Tensor } from "@heed/tensor";
import { randomTensor } from "@heed/tensor/testing";
import { expectModuleGradient } from "@heed/nn/testing";
import { training } from "@heed/nn";
import { describe, expect, it } from "vitest";
import { BasicBlock, Conv2d, ResNet } from "./index.ts";

const key = randomKey(2);

describe("ResNet", () => {
  it("has torchvision's parameter names, in its order", () => {
    const model = new ResNet({ key, numClasses: 5, widths: [2, 4], blocksPerStage: 2 });
    const norm = (name: string) => [`${name}.weight`, `${name}.bias`];
    const block = (name: string) => [`${name}.conv1.weight`, ...norm(`${name}.bn1`), `${name}.conv2.weight`, ...norm(`${name}.bn2`)];
    expect([...model.namedParameters().keys()]).toEqual([
      "conv1.weight",
      ...norm("bn1"),
      ...block("layer1.0"),
      ...block("layer1.1"),
      ...block("layer2.0"),
      "layer2.0.downsample.0.weight",
      ...norm("layer2.0.downsample.1"),
      ...block("layer2.1"),
      "fc.weight",
      "fc.bias",
    ]);
    expect([...model.namedBuffers().keys()].slice(0, 2)).toEqual(["bn1.running_mean", "bn1.running_var"]);
  });

  it("takes pictures of any size that its strides leave something of", () => {
    const model = new ResNet({ key, channels: 1, numClasses: 5, widths: [2, 3, 4], stem: { kernelSize: 3, stride: 2, pool: true } });
    for (const [H, W] of [
      [16, 16],
      [17, 23],
      [4, 4],
    ])
      expect(model.forward(randomTensor([2, 1, H, W], 1)).shape).toEqual([2, 5]);
  });

  it.each(["evaluating", "training"])(
    "has the gradient of its central differences, in every parameter, %s",
    (mode) => {
      const model = new ResNet({ key, channels: 1, numClasses: 2, widths: [1, 2] });
      // relu has a kink at 0, where a convolution of nothing but closed gates would stand with the biases that a model starts with.
      const moved = Object.entries(model.stateDict()).map(([name, x], i) => [
        name,
        name.endsWith("bias") ? randomTensor(x.shape, i, { awayFromZero: 0.2 }) : x,
      ]);
      model.loadStateDict(Object.fromEntries(moved));
      const images = randomTensor([3, 1, 4, 3], 3);
      const forward = (net: ResNet, x: Tensor) => (mode === "training" ? training(key, () => net.forward(x)) : net.forward(x));
      expectModuleGradient(model, forward, [images]);
    },
    30_000,
  );

  it("says what is wrong with its arguments", () => {
    expect(() => new ResNet({ key, numClasses: 5, widths: [] })).toThrow("ResNet: widths must be whole numbers from 1 on, at least one");
    expect(() => new ResNet({ key, numClasses: 5, widths: [2], blocksPerStage: 0 })).toThrow(
      "ResNet: blocksPerStage must be a whole number, at least 1",
    );
    expect(() => new Conv2d(3, 4, { key, kernelSize: 3, groups: 2 })).toThrow(
      "Conv2d: channels must be multiples of groups; got inChannels 3, outChannels 4, groups 2.",
    );
    expect(() => new Conv2d(3, 4, { key, kernelSize: 0 })).toThrow(
      "Conv2d: kernelSize must be a whole number or a pair, from 1 on; got kernelSize 0.",
    );
    expect(() => new ResNet({ key, numClasses: 5, widths: [2] }).forward(randomTensor([3, 8, 8]))).toThrow("conv2d: ");
  });
});

describe("BasicBlock", () => {
  it("adds its input back: with the second norm at zero it is relu", () => {
    const block = new BasicBlock(3, 3, { key });
    block.loadStateDict({ ...block.stateDict(), "bn2.weight": randomTensor([3], 1, { low: 0, high: 0 }) });
    const x = randomTensor([2, 3, 4, 5], 1, { low: 0 });
    expect(block.forward(x).toArray()).toEqual(x.toArray());
  });
});
