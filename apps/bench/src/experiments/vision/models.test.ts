import { int32View, profileKernels } from "@heed/kernels";
import { predict } from "@heed/nn";
import { randomKey, zeros } from "@heed/tensor";
import { describe, expect, it, vi } from "vitest";
import { buildModel, modelNames, sizesOf, type ModelShape } from "./models.ts";
import { productFlops } from "../../runner/profile-step.ts";
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

  it.each(modelNames)("%s multiplies in a forward pass as often as its formula says, partly in a kernel of its own", (name) => {
    const model = buildModel(name, shape, randomKey(1));
    let flops = 0;
    const families = new Set<string>();
    const { result } = profileKernels(
      () => predict(model, zeros([2, 3, size, size])),
      (family, kernel, args) => {
        flops += productFlops(family, kernel, args) + flopsInside(family, kernel, args);
        families.add(family);
      },
    );
    expect(result.shape).toEqual([2, classes]);
    expect([...families]).toContain({ attention: "streaming", rnn: "sequence", cnn: "convolution" }[name]);
    expect(flops / 2).toBe(sizesOf(name, shape).flops);
  });
});

/** Floating-point operations of the products inside other kernels, read off their arguments and what those point to. */
function flopsInside(family: string, kernel: string, args: readonly number[]): number {
  switch (`${family}.${kernel}`) {
    case "streaming.forward": {
      // A job begins with its sizes; a chunk is a block of the rows of one head. No mask closes anything here.
      const [job, from, to] = args as [number, number, number];
      const [B, H, , L, S, D, E, blockRows] = int32View().subarray(job >>> 2, (job >>> 2) + 8) as unknown as number[];
      const blocks = Math.ceil(L! / blockRows!);
      // The last block of every head comes first.
      const rowsOf = (chunk: number) => Math.min(blockRows!, L! - (blocks - 1 - Math.floor(chunk / (B! * H!))) * blockRows!);
      const rows = Array.from({ length: to - from }, (_, i) => rowsOf(from + i)).reduce((sum, each) => sum + each, 0);
      return 2 * rows * S! * (D! + E!);
    }
    case "sequence.lstmForward": {
      // Sequences are of one length; without a state to begin with, the first step multiplies nothing.
      const [h0, L, H, from, to] = [5, 13, 14, 16, 17].map((index) => args[index]!) as [number, number, number, number, number];
      return 2 * (to - from) * (h0 === 0 ? L - 1 : L) * 4 * H * H;
    }
    case "convolution.correlate":
      return convolutionFlops(args, [4, 7, 8, 9, 14, 15]);
    case "convolution.winograd":
      // By the definition: it makes 16 multiplications for 36.
      return 9 * convolutionFlops(args, [4, 7, 10, 11]);
    default:
      return 0;
  }
}

/** Twice the product of the arguments at these places: channels, filters, sides of the kernel and of the output. */
function convolutionFlops(args: readonly number[], places: readonly number[]): number {
  return places.reduce((product, place) => product * args[place]!, 2);
}

it("builds the same bits from the same key, others from another", () => {
  const bits = (seed: number) =>
    buildModel("rnn", shapeOf("smoke", 64, 8), randomKey(seed))
      .parameters()[0]!
      .toTypedArray();
  expect(bits(3)).toEqual(bits(3));
  expect(bits(3)).not.toEqual(bits(4));
});
