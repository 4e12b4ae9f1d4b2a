import { mean, normal, ones, randomKey, slice, std, sum, zeros } from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import { expectModuleGradient } from "@heed/nn/testing";
import { predict, training } from "@heed/nn";
import { describe, expect, it } from "vitest";
import { normalizeImage, resizePositions, VisionTransformer, type VisionTransformerOptions } from "./index.ts";

const key = randomKey(1);
const small = {
  key,
  imageSize: [4, 6],
  patchSize: 2,
  channels: 1,
  numClasses: 3,
  embedDim: 4,
  depth: 2,
  numHeads: 2,
  mlpRatio: 1,
} as const;
const images = randomTensor([2, 1, 4, 6], 1);

describe("VisionTransformer", () => {
  it("tells how much each token looked at each: rows sum to 1, one table per block and head", () => {
    const weights = predict({ forward: (x: typeof images) => new VisionTransformer(small).attentionWeights(x) }, images);
    expect(weights.map(({ shape }) => shape)).toEqual([
      [2, 2, 7, 7],
      [2, 2, 7, 7],
    ]);
    // A sum of 7 quotients of one divisor: 7 roundings of numbers that add up to 1.
    for (const table of weights) expectClose(sum(table, -1), ones([2, 2, 7]), 7 * 2 ** -24);
  });

  it("has the gradient of its central differences, in every parameter", () => {
    const model = new VisionTransformer({ ...small, depth: 1 });
    // The head starts at zeros, where nothing below it has a gradient.
    model.loadStateDict({ ...model.stateDict(), "head.weight": normal(key, [3, 4]) });
    expectModuleGradient(model, (vit, x) => vit.forward(x), [[1, 1, 4, 6]]);
  });

  it("starts its blocks with a deviation of 0.02, or as wide as the inputs ask for", () => {
    const wide = { ...small, embedDim: 32, mlpRatio: 4, depth: 1 } as const;
    const deviations = (options: Partial<VisionTransformerOptions>) => {
      const {
        "blocks.0.attn.qkv.weight": qkv,
        "blocks.0.mlp.fc2.weight": fc2,
        pos_embed,
      } = new VisionTransformer({ ...wide, ...options }).stateDict();
      return [qkv, fc2, pos_embed].map((x) => std(x).item());
    };
    // Cut off at two deviations, a normal distribution keeps 0.8796 of its own; of 224 numbers the estimate is off by 5 % as a rule.
    const near = (found: readonly number[], expected: readonly number[]) =>
      found.forEach((deviation, i) => expect(Math.abs(deviation / (0.8796 * expected[i]) - 1)).toBeLessThan(0.15));
    near(deviations({}), [0.02, 0.02, 0.02]);
    near(deviations({ init: "fan-in" }), [1 / Math.sqrt(32), 1 / Math.sqrt(128), 0.02]);
    near(deviations({ positionDeviation: 0.5 }), [0.02, 0.02, 0.5]);
    expect(() => new VisionTransformer({ ...small, init: "xavier" as "timm" })).toThrow(/init is timm or fan-in; got init "xavier"/);
    expect(() => new VisionTransformer({ ...small, positionDeviation: -1 })).toThrow(/positionDeviation must be finite and not negative/);
  });

  it("starts undecided: the head is zeros", () => {
    expect(new VisionTransformer(small).forward(images).toArray()).toEqual(zeros([2, 3]).toArray());
  });

  it("takes fixed positions in place of the learned table", () => {
    const fixed = randomTensor([7, 4], 2);
    const model = new VisionTransformer({ ...small, fixedPositions: fixed });
    const learned = new VisionTransformer(small);
    expect(Object.keys(learned.stateDict()).filter((name) => !(name in model.stateDict()))).toEqual(["pos_embed"]);
    learned.loadStateDict({ ...model.stateDict(), pos_embed: fixed.reshape([1, 7, 4]) });
    expectClose(learned.tokens(images), model.tokens(images));
    expect(() => new VisionTransformer({ ...small, fixedPositions: randomTensor([6, 4]) })).toThrow(
      "fixedPositions must be [(1 +) P, embedDim]; got fixedPositions [6, 4], expected [7, 4].",
    );
  });

  it("pools the patches, not the class token, when it has one that the head does not read", () => {
    const model = new VisionTransformer({ ...small, globalPool: "avg", classToken: true });
    model.loadStateDict({ ...model.stateDict(), "head.weight": normal(key, [3, 4]) });
    expectClose(model.forward(images), model.head.forward(mean(slice(model.tokens(images), 1, 1), 1)));
  });

  it("drops in training only, and the same again from the same key", () => {
    const model = new VisionTransformer({ ...small, dropoutP: 0.5 });
    const tokens = () => model.tokens(images).toArray();
    const evaluated = tokens();
    expect(tokens()).toEqual(evaluated);
    const trained = training(key, tokens);
    expect(trained).not.toEqual(evaluated);
    expect(training(key, tokens)).toEqual(trained);
  });

  it("reads pictures of another size with a resized table", () => {
    const model = new VisionTransformer(small);
    const larger = new VisionTransformer({ ...small, imageSize: [8, 6] });
    const pos_embed = resizePositions(model.pos_embed!, { from: [2, 3], to: [4, 3] });
    larger.loadStateDict({ ...model.stateDict(), pos_embed });
    expect(larger.forward(randomTensor([1, 1, 8, 6])).shape).toEqual([1, 3]);
  });

  it("says what is wrong with its arguments", () => {
    expect(() => new VisionTransformer({ ...small, imageSize: 5 })).toThrow(
      "VisionTransformer: the image must be a multiple of the patch; got imageSize [5, 5], patchSize [2, 2]. Resize or crop the images.",
    );
    expect(() => new VisionTransformer({ ...small, numHeads: 3 })).toThrow("embedDim must be a multiple of numHeads");
    expect(() => new VisionTransformer({ ...small, classToken: false })).toThrow('Use globalPool: "avg".');
    expect(() => new VisionTransformer(small).forward(randomTensor([2, 1, 6, 4]))).toThrow(
      "images must be [B, C, H, W] of the model's size; got images [2, 1, 6, 4]",
    );
  });
});

describe("normalizeImage", () => {
  it("says when mean and std are not one per channel", () => {
    const image = randomTensor([2, 2, 3], 1, { dtype: "uint8", low: 0, high: 256 });
    expect(() => normalizeImage(image, { mean: [0], std: [1] })).toThrow(
      "normalizeImage: the image must be [H, W, C], with one mean and one std per channel",
    );
  });
});
