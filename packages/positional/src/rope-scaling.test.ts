import { describe, expect, it } from "vitest";
import { cast, matmul, mul, sum, transpose } from "@heed/tensor";
import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { rope, ropeRates, type RopeScaling } from "./index.ts";

const D = 16;
const plain = ropeRates(D).rates;
const expectRates = (actual: readonly number[], wanted: readonly number[]) => {
  expect(actual.length).toBe(wanted.length);
  actual.forEach((rate, i) => expect(Math.abs(rate / wanted[i]! - 1)).toBeLessThan(1e-12));
};

describe("ropeRates", () => {
  it("are base^(−2 i / D)", () => {
    expectRates(
      plain,
      Array.from({ length: 8 }, (_, i) => 10_000 ** ((-2 * i) / D)),
    );
    expect([ropeRates(0).rates, ropeRates(2).rates]).toEqual([[], [1]]);
  });

  it("all shrink by the factor of linear scaling", () => {
    expectRates(
      ropeRates(D, { scaling: { kind: "linear", factor: 4 } }).rates,
      plain.map((rate) => rate / 4),
    );
  });

  it("of ntk keep the fastest, shrink the slowest by the factor, and stay geometric", () => {
    const { rates } = ropeRates(D, { scaling: { kind: "ntk", factor: 4 } });
    expectRates([rates[0]!, rates[7]!], [1, plain[7]! / 4]);
    for (let i = 2; i < 8; i++) expect(rates[i]! / rates[i - 1]!).toBeCloseTo(rates[1]! / rates[0]!, 12);
    expect(ropeRates(2, { scaling: { kind: "ntk", factor: 4 } }).rates).toEqual([1]);
  });

  it("of dynamic scaling stay up to the trained length, and are those of transformers' formula beyond", () => {
    const scaling = { kind: "dynamic", factor: 2, originalLength: 100 } as const;
    expectRates(ropeRates(D, { scaling, length: 100 }).rates, plain);
    expectRates(ropeRates(D, { scaling, length: 7 }).rates, plain);
    const base = 10_000 * ((2 * 300) / 100 - (2 - 1)) ** (D / (D - 2));
    expectRates(
      ropeRates(D, { scaling, length: 300 }).rates,
      plain.map((_, i) => base ** ((-2 * i) / D)),
    );
    expectRates(ropeRates(D, { scaling: { ...scaling, length: 300 } }).rates, ropeRates(D, { scaling, length: 300 }).rates);
  });

  it("of yarn are those of its definition: kept, mixed and shrunk by how often a pair turns in the trained length", () => {
    const originalLength = 2048;
    for (const [dim, factor] of [
      [16, 4],
      [64, 8],
      [128, 16],
    ] as const) {
      const { rates, magnitude } = ropeRates(dim, { scaling: { kind: "yarn", factor, originalLength } });
      expect(magnitude).toBeCloseTo(0.1 * Math.log(factor) + 1, 12);
      // Peng et al., eq. 17 to 23 as their code has them: the pair index at which `turns` rotations fit.
      const at = (turns: number) => (dim * Math.log(originalLength / (turns * 2 * Math.PI))) / (2 * Math.log(10_000));
      const [low, high] = [Math.max(Math.floor(at(32)), 0), Math.min(Math.ceil(at(1)), dim - 1)];
      const wanted = rates.map((_, i) => {
        const rate = 10_000 ** ((-2 * i) / dim);
        const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
        return (rate / factor) * ramp + rate * (1 - ramp);
      });
      expectRates(rates, wanted);
      expect(rates[0]).toBe(1);
      expectRates([rates.at(-1)!], [10_000 ** (-(dim - 2) / dim) / factor]);
    }
  });
});

describe("rope with a scaling", () => {
  const scalings: readonly RopeScaling[] = [
    { kind: "linear", factor: 4 },
    { kind: "ntk", factor: 4 },
    { kind: "dynamic", factor: 4, originalLength: 8, length: 64 },
    { kind: "yarn", factor: 4, originalLength: 64 },
  ];
  const q = cast(randomTensor([1, D], 1), "float64");
  const k = cast(randomTensor([1, D], 2), "float64");

  it("lets products depend on the distance alone", () => {
    for (const scaling of scalings) {
      const product = (i: number, j: number) =>
        matmul(rope(q, { positions: i, scaling }), transpose(rope(k, { positions: j, scaling }))).item();
      for (const shift of [1, 50, 1000]) expect(product(3 + shift, 11 + shift)).toBeCloseTo(product(3, 11), 9);
    }
  });

  it("is positionScale when linear, and lengthens vectors by yarn's magnitude alone", () => {
    expectClose(rope(q, { positions: 40, scaling: scalings[0]! }), rope(q, { positions: 40, positionScale: 1 / 4 }), 1e-12);
    for (const scaling of scalings) {
      const { magnitude } = ropeRates(D, { scaling });
      const turned = rope(q, { positions: 40, scaling });
      expectClose(sum(mul(turned, turned)), mul(sum(mul(q, q)), magnitude ** 2), 1e-12);
    }
  });

  it("reads the length for dynamic scaling from the positions", () => {
    const x = randomTensor([12, D], 3);
    const scaling = { kind: "dynamic", factor: 2, originalLength: 8 } as const;
    expectClose(rope(x, { scaling }), rope(x, { scaling: { ...scaling, length: 12 } }));
    expectClose(rope(x.slice(0, 0, 8), { scaling }), rope(x.slice(0, 0, 8)));
    expectClose(
      rope(x.slice(0, 0, 1), { positions: 30, scaling }),
      rope(x.slice(0, 0, 1), { positions: 30, scaling: { ...scaling, length: 31 } }),
    );
  });

  it("has the gradient of its central differences", () => {
    for (const scaling of scalings) expectGradient((x) => rope(x, { positions: 3, scaling, style: "halfSplit" }), [[2, 3, D]]);
  });
});
