import { expect, it } from "vitest";
import { neg, randomKey, tensor, zeros } from "@heed/tensor";
import type { TermContext } from "@heed/tensor/terms";
import {
  alibi,
  ContinuousPositions,
  gridBias,
  initShaw,
  LearnedGridPositions,
  LearnedPositions,
  quadraticBias,
  RecurrentPositions,
  resizeGridBias,
  resizePositions,
  rope,
  ropeRates,
  rungeKutta4,
  shaw,
  sinCos2d,
  sinusoidal,
  t5Bias,
} from "./index.ts";

const key = randomKey(7);
const learned = new LearnedPositions(4, 3, { key });
const flow = new ContinuousPositions(3, { key });
const context = (L: number, S: number, queryOffset: number): TermContext => ({ B: 1, H: 2, L, S, queryOffset });

it.each<[string, () => unknown]>([
  ["a sequence longer than the table", () => learned.forward(zeros([2, 5, 3]))],
  ["another width", () => learned.forward(zeros([2, 4, 1]))],
  ["a position that the table has not", () => learned.forward(zeros([1, 3]), tensor([4], { dtype: "int32" }))],
  ["a table of no positions", () => new LearnedPositions(0, 3, { key })],
  ["too few patches", () => new LearnedGridPositions(2, 2, 3, { key }).forward(zeros([5, 3]))],
  ["halves of an odd width", () => sinusoidal(3, 5, { style: "halves" })],
  ["a negative count", () => sinusoidal(-1, 4)],
  ["a width of 0", () => sinusoidal(3, 0)],
  ["a base of 0", () => sinusoidal(3, 4, { base: 0 })],
  ["another style", () => sinusoidal(3, 4, { style: "pairs" as "halves" })],
  ["a width that is no multiple of 4", () => sinCos2d(2, 2, 6)],
  ["half a column", () => sinCos2d(2, 1.5, 4)],
  ["no heads", () => alibi({ numHeads: 0 })],
  ["a weight without heads", () => t5Bias({ weight: zeros([32]) })],
  ["too few buckets", () => t5Bias({ weight: zeros([2, 1]) })],
  ["a maxDistance below the exact buckets", () => t5Bias({ weight: zeros([32, 1]), maxDistance: 8 })],
  ["a table of another grid", () => gridBias({ table: zeros([1, 3, 3]), grid: [2, 3] })],
  ["more keys than cells", () => gridBias({ table: zeros([1, 3, 5]), grid: [2, 3] }).dense(context(7, 7, 0))],
  ["queries beyond the cells", () => gridBias({ table: zeros([1, 3, 5]), grid: [2, 3] }).lower(context(6, 6, 1))],
  ["centers and alpha of different heads", () => quadraticBias({ centers: zeros([2, 2]), alpha: zeros([3]), grid: [2, 2] })],
  ["a vector to turn", () => rope(zeros([4]))],
  ["an odd rotaryDim", () => rope(zeros([2, 4]), { rotaryDim: 3 })],
  ["too few positions", () => rope(zeros([2, 4]), { positions: [1] })],
  ["a negative base", () => rope(zeros([2, 4]), { base: -1 })],
  ["whole numbers to turn", () => rope(zeros([2, 4], { dtype: "int32" }))],
  ["another scaling", () => rope(zeros([2, 4]), { scaling: { kind: "longer" as "ntk", factor: 2 } })],
  ["a factor below 1", () => ropeRates(4, { scaling: { kind: "linear", factor: 0.25 } })],
  ["yarn without the trained length", () => ropeRates(4, { scaling: { kind: "yarn", factor: 2 } as never })],
  ["an even number of distances", () => shaw({ table: zeros([4, 8]) })],
  ["Shaw's bias without a query", () => shaw({ table: zeros([5, 8]) }).dense(context(2, 2, 0))],
  ["a negative distance", () => initShaw(key, { maxDistance: -1, width: 8 })],
  ["a flow of no time", () => new ContinuousPositions(3, { key, interval: 0 })],
  ["a place before the flow begins", () => flow.encodings([0, -1])],
  ["too few places", () => flow.forward(zeros([2, 3]), [0])],
  ["a solver without times", () => rungeKutta4((_, y) => neg(y), zeros([1]), [])],
  ["an endless solver", () => rungeKutta4((_, y) => neg(y), zeros([1]), [0, Infinity])],
  ["a recurrence that reads, without a key", () => new RecurrentPositions(4, { readsInput: true })],
  ["another activation", () => new RecurrentPositions(4, { activation: "relu" as "tanh" })],
  ["a table that is not of its grid", () => resizePositions(zeros([1, 6, 5]), { from: [2, 3], to: 4 })],
  ["a grid of no rows", () => resizePositions(zeros([1, 7, 5]), { from: [2, 3], to: 0 })],
  ["a bias of another grid", () => resizeGridBias(zeros([2, 3, 5]), { from: 2, to: 4 })],
])("says what is wrong with %s, and what to do", (_, mistake) => {
  let said = "no error";
  try {
    mistake();
  } catch (error) {
    said = `${(error as Error).name}: ${(error as Error).message}`;
  }
  expect(said).toMatchSnapshot();
});
