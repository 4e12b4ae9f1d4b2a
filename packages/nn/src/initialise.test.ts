import { expect, it } from "vitest";
import { randomKey, type Tensor } from "@heed/tensor";
import { expectClose, loadGolden } from "@heed/tensor/testing";
import { initialScales, kaimingNormalFanOut, kaimingUniform, torchUniform, xavierUniform } from "./index.ts";

it.each(loadGolden("tensor", { op: "init_bounds" }))("agrees with $source on $name", ({ options, output, tolerance }) => {
  const { table } = options as unknown as { table: { shape: number[] }[] };
  const rows = table.map(({ shape }) => {
    const s = initialScales(shape);
    return [s.fanIn, s.fanOut, s.xavierUniform, s.xavierNormal, s.kaimingUniform, s.kaimingNormal, s.kaimingNormalFanOut, s.torch];
  });
  expectClose(rows, output, tolerance);
});

it("draws within those bounds, with those deviations, the same from the same key", () => {
  const key = randomKey(3);
  const shape = [40, 30, 3, 3];
  const scales = initialScales(shape);
  const deviation = (x: Tensor) => Math.sqrt(Array.from(x.toTypedArray()).reduce((total, value) => total + value * value, 0) / x.size);
  const drawn: [Tensor, number][] = [
    [xavierUniform(key, shape), scales.xavierUniform / Math.sqrt(3)],
    [kaimingUniform(key, shape), scales.kaimingUniform / Math.sqrt(3)],
    [kaimingNormalFanOut(key, shape), scales.kaimingNormalFanOut],
    [torchUniform(key, shape, scales.fanIn), scales.torch / Math.sqrt(3)],
  ];
  // Relative deviation of a deviation of n draws is below 1 / √n; five of those.
  for (const [x, expected] of drawn) expect(Math.abs(deviation(x) / expected - 1)).toBeLessThan(5 / Math.sqrt(x.size));
  expect(xavierUniform(key, [3, 2]).toArray()).toEqual(xavierUniform(key, [3, 2]).toArray());
  expect(() => initialScales([3])).toThrow(/initialScales: a weight has at least the axes \[out, in\]/);
});
