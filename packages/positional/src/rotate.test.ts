import { expect, it } from "vitest";
import { ones, tensor } from "@heed/tensor";
import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { rope, rotate } from "./index.ts";

it("turns by the angles of rope when given their tables", () => {
  const [L, D] = [3, 5];
  const x = randomTensor([2, 2, L, D], 1);
  const angles = Array.from({ length: L }, (_, t) => [t, t * 10_000 ** -0.5]);
  const table = (turn: (angle: number) => number) => tensor(angles.map((row) => row.map(turn)));
  expectClose(rotate(x, table(Math.cos), table(Math.sin)), rope(x), 1e-6);
  expectClose(rotate(x, table(Math.cos), table(Math.sin), { style: "halfSplit" }), rope(x, { style: "halfSplit" }), 1e-6);
});

it("takes tables per sample, and has their gradient", () => {
  expectGradient(
    (x, c, s) => rotate(x, c, s),
    [
      [2, 2, 3, 5],
      [2, 1, 3, 2],
      [2, 1, 3, 2],
    ],
  );
});

it("says what does not fit", () => {
  const x = randomTensor([2, 3, 4], 1);
  expect(() => rotate(x, ones([4, 2]), ones([4, 2]))).toThrow(/broadcast to x.*cosines \[4, 2\]/);
  expect(() => rotate(x, ones([3, 3]), ones([3, 3]))).toThrow(/R at most D/);
  expect(() => rotate(x, ones([3, 2]), ones([3, 1]))).toThrow(/alike/);
});
