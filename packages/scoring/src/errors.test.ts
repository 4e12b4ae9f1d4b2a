import { expect, it } from "vitest";
import { cast, randomKey } from "@heed/tensor";
import { randomTensor } from "@heed/tensor/testing";
import { additive, bilinear, concatScore, cosine, dot, gaussian, initAdditive, scaledDot } from "./index.ts";

const [L, S, D, Dk, A] = [2, 5, 4, 7, 6];
const [q, k] = [randomTensor([L, D]), randomTensor([S, Dk])];
const learned = initAdditive(randomKey(1), { queryDim: D, keyDim: Dk, hiddenDim: A });

it.each<[string, () => unknown]>([
  ["unequal widths of a dot product", () => dot().dense(q, k)],
  ["unequal widths, lowered", () => scaledDot().lower(q, k)],
  ["unequal widths of a Gaussian", () => gaussian().dense(q, k)],
  ["unequal widths of a cosine", () => cosine().dense(q, k)],
  ["a query without a length", () => dot().dense(randomTensor([D]), k)],
  ["different dtypes", () => dot().dense(q, cast(randomTensor([S, D]), "float64"))],
  ["an infinite scale", () => scaledDot({ scale: Infinity })],
  ["a scale in two axes", () => scaledDot({ scale: randomTensor([2, 2]) })],
  ["a bandwidth of 0", () => gaussian({ sigma: 0 })],
  ["a bandwidth whose square vanishes", () => gaussian({ sigma: 1e-200 })],
  ["a temperature of 0", () => cosine({ temperature: 0 })],
  ["a temperature in two axes", () => cosine({ temperature: randomTensor([1, 2]) })],
  ["an eps of 0", () => cosine({ eps: 0 })],
  ["a bilinear weight the wrong way round", () => bilinear({ weight: randomTensor([Dk, D]) }).dense(q, k)],
  ["a weight per head without heads", () => bilinear({ weight: randomTensor([3, D, Dk]) }).dense(q, k)],
  ["an additive weight of another width", () => additive({ ...learned, keyWeight: randomTensor([A, D]) }).dense(q, k)],
  ["another activation", () => additive({ ...learned, activation: "relu" as "tanh" })],
  ["a matrix of the query alone", () => concatScore({ weight: randomTensor([A, D]), vector: randomTensor([A]), queryDim: D })],
  ["a width of 0", () => initAdditive(randomKey(1), { queryDim: 0, keyDim: 1, hiddenDim: 1 })],
])("says what is wrong with %s, and what to do", (_, mistake) => {
  let said = "no error";
  try {
    mistake();
  } catch (error) {
    said = `${(error as Error).name}: ${(error as Error).message}`;
  }
  expect(said).toMatchSnapshot();
});
