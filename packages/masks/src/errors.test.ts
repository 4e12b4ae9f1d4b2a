import { expect, it } from "vitest";
import { randomKey, tensor, zeros, type Tensor } from "@heed/tensor";
import {
  and,
  blocks,
  causal,
  dilated,
  document,
  fixed,
  fromTensor,
  globalTokens,
  graph,
  keyPadding,
  neighbourhood,
  padding,
  prefix,
  randomBlocks,
  shift,
  strided,
  window,
  type DrawableMask,
} from "./index.ts";

/** What a mistake says. */
function said(mistake: () => unknown): string {
  try {
    mistake();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  throw new Error("no error");
}
const int = (values: number[], shape: number[]): Tensor => tensor(Int32Array.from(values), { shape });

it.each<[string, () => unknown]>([
  ["a float as a mask", () => fromTensor(tensor([[0, 1]]) as Tensor)],
  ["a vector as a mask", () => fromTensor(tensor([true]))],
  ["a mask of another size", () => fromTensor(tensor([[true, false]])).toTensor(1, 3)],
  ["a tensor that is not wrapped", () => and(causal(), tensor([[true]]) as unknown as DrawableMask)],
  ["lengths of another batch", () => padding([1, 2]).toTensor(2, 2, { B: 3 })],
  ["a length that is no whole number", () => padding([1.5])],
  ["lengths as floats", () => padding(tensor([1, 2]))],
  ["a negative window", () => window(-2, 0)],
  ["windows of other heads", () => window(int([1, 2], [1, 2]), 0).lower({ B: 1, H: 3, L: 2, S: 2, queryOffset: 0 })],
  ["windows in three axes", () => window(int([1], [1, 1, 1]), 0)],
  ["a dilation of 0", () => dilated(1, 0)],
  ["a stride of 0", () => strided(0)],
  ["a summary longer than its block", () => fixed(4, 5)],
  ["a negative prefix", () => prefix([-1])],
  ["an id that is no whole number", () => document([1, 0.5])],
  ["too few ids", () => document([1, 2]).toTensor(2, 3)],
  ["ids of another batch", () => document([[1], [2]]).toTensor(1, 1, { B: 3 })],
  ["ids and queryIds of different batches", () => document([[1], [2]], [[1], [2], [3]])],
  ["a negative token", () => globalTokens([-1])],
  ["a layout that ends too soon", () => blocks(tensor([[true]]), 2).toTensor(2, 4)],
  ["a layout of numbers", () => blocks(zeros([2, 2]), 2)],
  ["a random block of no positions", () => randomBlocks({ key: randomKey(1), block: 0, count: 1 })],
  ["a neighbourhood outside of its grid", () => neighbourhood({ grid: [2, 2], radius: 1 }).toTensor(5, 5)],
  ["another border", () => neighbourhood({ grid: [2, 2], radius: 1, border: "wrap" as "clip" })],
  ["an edge index of another shape", () => graph(int([0, 1, 2], [3, 1]))],
  ["a source that is no key", () => graph(int([5, 0], [2, 1])).toTensor(3, 3)],
  ["padding bits as numbers", () => keyPadding(int([1, 0], [1, 2]))],
  ["half a step", () => shift(causal(), 0.5)],
  ["a size that is no whole number", () => causal().toTensor(1.5, 2)],
  ["offsets of another batch", () => causal().toTensor(1, 2, { B: 3, queryOffset: Int32Array.of(0, 1) })],
  ["tiles of no rows", () => causal().tiles(2, 2, { rows: 0 })],
])("says what is wrong with %s, and what to do", (_, mistake) => {
  expect(said(mistake)).toMatchSnapshot();
});
