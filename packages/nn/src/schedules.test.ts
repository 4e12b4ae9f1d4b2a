import { expect, it } from "vitest";
import { expectClose, loadGolden } from "@heed/tensor/testing";
import { constant, cosine, linearDecay, noam } from "./index.ts";

interface GoldenOptions {
  readonly kind: "cosine" | "linear" | "noam";
  readonly steps: number;
  readonly base: number;
  readonly warmup: number;
  readonly total: number;
  readonly minimum?: number;
  readonly width: number;
}

it.each(loadGolden("tensor", { op: "lr_schedule" }))("agrees with $source on $name", ({ options, output, tolerance }) => {
  const { kind, steps, ...rest } = options as unknown as GoldenOptions;
  const schedule = { cosine, linear: linearDecay, noam }[kind](rest);
  expectClose(
    Float64Array.from({ length: steps }, (_, step) => schedule(step)),
    output,
    tolerance,
  );
});

it("stays at the minimum after the end, and may have no warmup or no fall", () => {
  expect([0, 5, 10, 99].map(cosine({ base: 1, total: 10, minimum: 0.25 }))).toEqual([1, 0.625, 0.25, 0.25]);
  expect([0, 1, 2, 3].map(linearDecay({ base: 1, warmup: 2, total: 2 }))).toEqual([0, 0.5, 0, 0]);
  expect([0, 7].map(constant(0.5))).toEqual([0.5, 0.5]);
});

it("says what is wrong", () => {
  expect(() => cosine({ base: -1, total: 3 })).toThrow(/cosine: base must be finite and not negative; got base -1/);
  expect(() => linearDecay({ base: 1, total: NaN })).toThrow(/linearDecay: total/);
  expect(() => noam({ width: 0, warmup: 3 })).toThrow(/noam: width and warmup must be above 0/);
  expect(() => constant(Infinity)).toThrow(/constant: rate/);
});
