import { profileKernels } from "@heed/kernels";
import { predict } from "@heed/nn";
import { randomKey, zeros } from "@heed/tensor";
import { describe, expect, it, vi } from "vitest";
import { buildModel, modelNames, sizesOf, type ModelShape } from "./models.ts";
import { productFlops } from "./profile-step.ts";
import { vision } from "./index.ts";

// Trainings are short, but not on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const shapeOf = (profile: "smoke" | "quick" | "full", imageSize: number, numClasses: number): ModelShape => {
  const { embedDim, depth, numHeads } = vision.profiles[profile] as unknown as ModelShape;
  return { imageSize, numClasses, embedDim, depth, numHeads, dropoutP: 0 };
};

describe.each([
  ["smoke", 64, 8],
  ["quick", 64, 8],
  ["full", 128, 20],
  ["full", 128, 101],
] as const)("in the profile %s, with pictures %i pixels wide and %i classes,", (profile, size, classes) => {
  const shape = shapeOf(profile, size, classes);

  it("every model has within 4.5 % of the attention model's parameters, so any two are within 10 %", () => {
    const attention = sizesOf("attention", shape).parameters;
    for (const name of modelNames) {
      expect(Math.abs(sizesOf(name, shape).parameters / attention - 1), name).toBeLessThan(0.045);
    }
  });

  it.each(modelNames)("%s has the parameters of its formula", (name) => {
    expect(buildModel(name, shape, randomKey(1)).parameterCount).toBe(sizesOf(name, shape).parameters);
  });

  // What attention, recurrences and convolutions multiply is inside kernels of theirs, whose arguments do not tell how much.
  it.each(modelNames)("%s multiplies in a forward pass as its formula says, partly in a kernel of its own", (name) => {
    const model = buildModel(name, shape, randomKey(1));
    let flops = 0;
    const families = new Set<string>();
    const { result } = profileKernels(
      () => predict(model, zeros([2, 3, size, size])),
      (family, kernel, args) => {
        flops += productFlops(family, kernel, args);
        families.add(family);
      },
    );
    expect(result.shape).toEqual([2, classes]);
    const { flops: formula } = sizesOf(name, shape);
    expect([...families]).toContain({ attention: "streaming", rnn: "sequence", cnn: "convolution" }[name]);
    expect(flops / 2).toBeLessThan(formula);
    expect(flops / 2).toBeGreaterThan(0.4 * formula);
  });
});

it("builds the same bits from the same key, others from another", () => {
  const bits = (seed: number) =>
    buildModel("rnn", shapeOf("smoke", 64, 8), randomKey(seed))
      .parameters()[0]!
      .toTypedArray();
  expect(bits(3)).toEqual(bits(3));
  expect(bits(3)).not.toEqual(bits(4));
});
