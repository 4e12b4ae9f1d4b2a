import { tensor } from "@heed/tensor";
import { expect, it } from "vitest";
import { profiles, type RunResult, type Settings } from "../../experiment.ts";
import { card } from "./card.ts";
import { halved, widened } from "./half.ts";
import { keptModels } from "./kept-models.ts";
import { planned } from "./run.ts";

it.each(keptModels)("$name is one run of its experiment, in every profile", (model) => {
  for (const profile of profiles) {
    const settings: Settings = { experiment: model.experiment.name, profile, seed: 3, precision: "fast", options: {} };
    const { plan } = planned(model, settings, { name: "x", imageSize: 64 });
    expect(plan.seed).toBe(3);
    expect(model.isIt(plan)).toBe(true);
  }
});

it("keeps parameters to within half precision, and whole numbers exactly", () => {
  const values = [1 / 3, -2, 65504, 1e-7, 0];
  const bytes = halved({ w: tensor(values), n: tensor([7, -9], { dtype: "int32" }) });
  const parameters = widened(bytes);
  expect(parameters.n!.toArray()).toEqual([7, -9]);
  expect(parameters.w!.dtype).toBe("float32");
  // Half precision has 11 bits, and steps of 2⁻²⁴ near 0.
  (parameters.w!.toArray() as number[]).forEach((value, i) =>
    expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(Math.max(2 ** -25, 2 ** -11 * Math.abs(values[i]!))),
  );
});

it("states data, licence, score and how to make it", () => {
  const result = {
    model: "attention",
    seed: 1,
    facts: { parameters: 1234 },
    evaluations: [{ metrics: { accuracy: 0.912 } }],
  } as unknown as RunResult;
  const model = keptModels.find(({ name }) => name === "speech")!;
  const text = card({ model, result, bytes: 2468, sha256: "ab", rounded: { accuracy: 0.911 }, command: "bench weights --only speech" });
  for (const part of ["Free Spoken Digit Dataset", "CC-BY-SA-4.0", "Zohar Jackson", "| accuracy | 91.1 % | 91.2 % |", "1,234", "bench weights --only speech"])
    expect(text).toContain(part); // prettier-ignore
});
