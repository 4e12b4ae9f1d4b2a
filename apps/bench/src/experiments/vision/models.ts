/**
 * The three models, of matched parameter counts: self-attention, a recurrence and a convolution over the same pictures.
 * Attention and the recurrence see patches of 16 × 16 pixels as vectors; the convolution sees the pixels of the same pictures.
 */
import { ResNet } from "@heed/cnn-baseline";
import { Dropout, LayerNorm, Linear, Module } from "@heed/nn";
import { LSTM } from "@heed/rnn-baseline";
import { mean, type RandomKey, type Tensor } from "@heed/tensor";
import { PatchEmbed, VisionTransformer } from "@heed/vision-patches";

export const patchSize = 16;

export interface ModelShape {
  readonly imageSize: number;
  readonly numClasses: number;
  /** Width of the attention model; the others are sized to its parameter count. */
  readonly embedDim: number;
  readonly depth: number;
  readonly numHeads: number;
  readonly dropoutP: number;
  /** Of the attention model; `timm` if absent. */
  readonly start?: Start;
}

/** How the weights of a vision transformer begin. */
export type Start = keyof typeof starts;
const starts = {
  /** As in the paper's programs: narrow, positions hardly told apart. For photographs. */
  timm: {},
  /** Wide enough to tell places apart from the first step on: for pictures whose class is a matter of what stands where. */
  places: { init: "fan-in", positionDeviation: 0.7 },
} as const;

export type ModelName = "attention" | "rnn" | "cnn";
export const modelNames: readonly ModelName[] = ["attention", "rnn", "cnn"];

/** A model that sorts pictures `[B, 3, H, W]` into classes: logits `[B, numClasses]`. */
export interface Classifier extends Module {
  forward(images: Tensor): Tensor;
}

/** What a model of that shape will have, by formula; buffers (statistics of batch norm) are no parameters. */
export interface Sizes {
  /** The one number that matches its parameters to the attention model's: embedDim, hidden units, channels of the first stage. */
  readonly width: number;
  readonly parameters: number;
  /** Of the matrix products of one forward pass of one picture, a multiply-add counted as two. */
  readonly flops: number;
}

export function sizesOf(name: ModelName, shape: ModelShape): Sizes {
  const parameters = attentionParameters(shape);
  if (name === "attention") return { width: shape.embedDim, parameters, flops: attentionFlops(shape) };
  const [count, work] = name === "rnn" ? [recurrentParameters, recurrentFlops] : [convolutionParameters, convolutionFlops];
  const width = closest(parameters, (size) => count(shape, size));
  return { width, parameters: count(shape, width), flops: work(shape, width) };
}

/** Builds a model from a key. The same key and shape give the same bits. */
export function buildModel(name: ModelName, shape: ModelShape, key: RandomKey): Classifier {
  const { width } = sizesOf(name, shape);
  if (name === "rnn") return new PatchRecurrence(shape, width, key);
  if (name === "cnn") return new PictureResNet(shape, width, key);
  const { imageSize, numClasses, embedDim, depth, numHeads, dropoutP, start = "timm" } = shape;
  const sizes = { imageSize, patchSize, numClasses, embedDim, depth, numHeads, mlpRatio };
  return new VisionTransformer({ key, ...sizes, dropoutP, ...starts[start] });
}

/** Hidden width of a transformer block over embedDim. */
const mlpRatio = 2;

function attentionParameters({ imageSize, numClasses, embedDim: E, depth }: ModelShape): number {
  const patches = (imageSize / patchSize) ** 2;
  const block = 4 * E * E + 4 * E + 2 * mlpRatio * E * E + (mlpRatio + 1) * E + 4 * E;
  return (3 * patchSize ** 2 + 1) * E + E + (patches + 1) * E + depth * block + 2 * E + (E + 1) * numClasses;
}

function attentionFlops({ imageSize, numClasses, embedDim: E, depth }: ModelShape): number {
  const patches = (imageSize / patchSize) ** 2;
  const L = patches + 1;
  return 2 * (patches * 3 * patchSize ** 2 * E + depth * (L * (4 + 2 * mlpRatio) * E * E + 2 * L * L * E) + E * numClasses);
}

/**
 * A patch embedding, then a bidirectional LSTM over the patches in reading order, then the mean of its outputs. Reads left
 * to right, top to bottom, and back.
 */
class PatchRecurrence extends Module implements Classifier {
  readonly patch_embed: PatchEmbed;
  readonly norm: LayerNorm;
  readonly lstm: LSTM;
  readonly drop: Dropout;
  readonly head: Linear;

  constructor({ embedDim, numClasses, dropoutP }: ModelShape, hidden: number, key: RandomKey) {
    super();
    this.patch_embed = new PatchEmbed({ key: key.split("patch_embed"), patchSize, embedDim });
    this.norm = new LayerNorm(embedDim);
    this.lstm = new LSTM(embedDim, hidden, { key: key.split("lstm"), bidirectional: true });
    this.drop = new Dropout(dropoutP);
    this.head = new Linear(2 * hidden, numClasses, { key: key.split("head") });
  }

  forward(images: Tensor): Tensor {
    const { output } = this.lstm.forward(this.norm.forward(this.patch_embed.forward(images)));
    return this.head.forward(this.drop.forward(mean(output, 1)));
  }
}

function recurrentParameters({ embedDim: E, numClasses }: ModelShape, hidden: number): number {
  return (3 * patchSize ** 2 + 1) * E + 2 * E + 2 * (4 * hidden * (E + hidden) + 8 * hidden) + (2 * hidden + 1) * numClasses;
}

function recurrentFlops({ imageSize, embedDim: E, numClasses }: ModelShape, hidden: number): number {
  const patches = (imageSize / patchSize) ** 2;
  // The first step of each direction has no state to multiply.
  const recurrence = 2 * 4 * hidden * (patches * E + (patches - 1) * hidden);
  return 2 * (patches * 3 * patchSize ** 2 * E + recurrence + 2 * hidden * numClasses);
}

/** Channels of the stages over those of the first. */
const stages = [1, 2, 4, 8] as const;

/** A ResNet that looks at halves and quarters of the picture first: large pictures shrink to 32 × 32 before the first block. */
class PictureResNet extends ResNet {
  constructor({ imageSize, numClasses }: ModelShape, width: number, key: RandomKey) {
    super({ key, numClasses, widths: stages.map((stage) => stage * width), stem: { kernelSize: 3, stride: 2, pool: imageSize >= 128 } });
  }
}

function convolutionParameters({ numClasses }: ModelShape, w: number): number {
  const norm = (channels: number) => 2 * channels;
  const blocks = stages.reduce<number>((sum, stage, i) => {
    const [from, to] = [i === 0 ? w : stages[i - 1]! * w, stage * w];
    const shortcut = from === to ? 0 : from * to + norm(to);
    return sum + 9 * from * to + 9 * to * to + 2 * norm(to) + shortcut;
  }, 0);
  return 27 * w + norm(w) + blocks + (8 * w + 1) * numClasses;
}

function convolutionFlops({ imageSize, numClasses }: ModelShape, w: number): number {
  const half = Math.ceil(imageSize / 2);
  const start = imageSize >= 128 ? Math.floor(half / 2) : half;
  const blocks = stages.reduce<number>((sum, stage, i) => {
    const [from, to] = [i === 0 ? w : stages[i - 1]! * w, stage * w];
    const side = Math.ceil(start / 2 ** i);
    return sum + side * side * (9 * from * to + 9 * to * to + (from === to ? 0 : from * to));
  }, 0);
  return 2 * (half * half * 27 * w + blocks + 8 * w * numClasses);
}

/** The whole number from 4 on whose parameter count comes closest. */
function closest(target: number, count: (size: number) => number): number {
  let size = 4;
  while (Math.abs(count(size + 1) - target) <= Math.abs(count(size) - target)) size++;
  return size;
}
