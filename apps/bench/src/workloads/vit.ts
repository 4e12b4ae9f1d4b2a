/**
 * Whole models as work to be timed: the same shapes as the rivals' (`../shared/peers.md`, W4 and W5). `bench peers`, `bench kernels` and
 * the two scripts beside this file measure these.
 */
import { Adam, predict, trainStep } from "@heed/nn";
import { crossEntropy, normal, randomIntegers, randomKey, resident } from "@heed/tensor";
import { VisionTransformer } from "@heed/vision-patches";

/** Something to run again and again. Everything that lasts is in linear memory until `release`. */
export interface Workload {
  readonly name: string;
  /** Floating-point operations of one run: those of the matrix products, a multiply-add counted as two. */
  readonly flops: number;
  run(): number;
  release(): void;
}

interface Shape {
  readonly imageSize: number;
  readonly patchSize: number;
  readonly numClasses: number;
  readonly embedDim: number;
  readonly depth: number;
  readonly numHeads: number;
}

/** Of one forward pass of one image, class token counted. */
export function vitFlops({ imageSize, patchSize, numClasses, embedDim: E, depth }: Shape): number {
  const patches = (imageSize / patchSize) ** 2;
  const L = patches + 1;
  return 2 * (patches * 3 * patchSize ** 2 * E + depth * (12 * L * E * E + 2 * L * L * E) + E * numClasses);
}

/** ViT-Tiny on 224 × 224 pixels, forward, without recording. `run` gives the first logit. */
export function vitTinyForward({ batch = 1 } = {}): Workload {
  const shape = { imageSize: 224, patchSize: 16, numClasses: 1000, embedDim: 192, depth: 12, numHeads: 3 };
  const key = randomKey(1);
  const model = new VisionTransformer({ ...shape, key: key.split("model") });
  const images = normal(key.split("images"), [batch, 3, 224, 224]);
  const owner = resident([model]);
  return {
    name: "vit-tiny-forward",
    flops: batch * vitFlops(shape),
    run: () => predict(model, images).toTypedArray()[0]!,
    release: () => owner.release(),
  };
}

/**
 * One training step, forward, backward and Adam, of a small ViT: 64 × 64 pixels in patches of 16 (17 tokens), width 128, depth 4, 4
 * heads, 10 classes, batch 64. The work is three forward passes (of which `bench peers` counts as well), less what only the class token needs
 * backward: behind the last attention the gradient of the other tokens is 0. `run` gives the loss.
 */
export function vitTrainingStep({ patchSize = 16, batch = 64 } = {}): Workload {
  const shape = { imageSize: 64, patchSize, numClasses: 10, embedDim: 128, depth: 4, numHeads: 4 };
  const key = randomKey(2);
  const model = new VisionTransformer({ ...shape, key: key.split("model") });
  const images = normal(key.split("images"), [batch, 3, 64, 64]);
  const labels = randomIntegers(key.split("labels"), [batch], 0, 10);
  const optimiser = new Adam(model.parameters(), { lr: 1e-3 });
  const owner = resident([model, optimiser, images]);
  return {
    name: "vit-training-step",
    flops: batch * (3 * vitFlops(shape) - 2 * 2 * (shape.imageSize / patchSize) ** 2 * 9 * shape.embedDim ** 2),
    run: () => trainStep(images, { optimiser, key, loss: (x) => crossEntropy(model.forward(x), labels) }).loss,
    release: () => owner.release(),
  };
}
