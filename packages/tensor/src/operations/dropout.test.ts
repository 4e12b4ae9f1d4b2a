import { expect, it } from "vitest";
import { ones, tensor } from "../core/construct.ts";
import { bernoulli } from "../random/bernoulli.ts";
import { randomKey } from "../random/random-key.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { mul } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { dropout } from "./dropout.ts";
import { mean } from "./reductions.ts";

const key = randomKey(7);

it("drops about a share p, and scales the rest so that the mean stays", () => {
  const y = dropout(ones([100, 100]), { p: 0.25, key });
  expect(new Set(y.toTypedArray())).toEqual(new Set([0, Math.fround(4 / 3)]));
  // Four deviations of the mean of 10,000 draws, each of variance p / (1 − p).
  expectClose(mean(y), 1, 4 * Math.sqrt(0.25 / 0.75 / 10_000));
});

it("drops the same elements for the same key only", () => {
  const drop = (k: typeof key) => dropout(ones([64]), { p: 0.5, key: k }).toArray();
  expect(drop(key)).toEqual(drop(key));
  expect(drop(key)).not.toEqual(drop(key.split("other")));
});

it("keeps what bernoulli of the key draws, in both precisions", () => {
  for (const dtype of ["float32", "float64"] as const) {
    const y = dropout(ones([37], { dtype }), { p: 0.2, key });
    expect(y.toArray()).toEqual(mul(cast(bernoulli(key, 0.8, [37]), dtype), 1 / 0.8).toArray());
  }
});

it("keeps all with p 0, and none with p 1", () => {
  const x = tensor([1, 2]);
  expect(dropout(x, { p: 0, key })).toBe(x);
  expect(dropout(x, { p: 1, key }).toArray()).toEqual([0, 0]);
});

it("has the gradient of its central differences", () => {
  expectGradient((x) => dropout(x, { p: 0.5, key }), [[3, 5]], { second: true });
});

it("refuses a probability beyond 0 to 1", () => {
  expect(() => dropout(ones([1]), { p: 1.5, key })).toThrow(/dropout: p must be from 0 to 1; got p 1.5/);
});
