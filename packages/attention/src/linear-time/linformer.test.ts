import { expect, it } from "vitest";
import { causal, padding } from "@heed/masks";
import { concat, eye, mul, ones, slice, zeros, type Tensor } from "@heed/tensor";
import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { attention } from "../attention.ts";
import { linformer } from "../linear-time.ts";

const [q, k, v] = [randomTensor([2, 4, 5, 3], 1), randomTensor([2, 2, 7, 3], 2), randomTensor([2, 2, 7, 4], 3)];

it("with the identity as projection is attention", () => {
  expectClose(linformer(q, k, v, { keyProjection: eye(7) }), attention(q, k, v), 1e-6);
});

it("projects heads by themselves or alike, and takes the first columns of a wider projection", () => {
  const projection = randomTensor([3, 9], 4);
  const shared = linformer(q, k, v, { keyProjection: projection });
  expectClose(linformer(q, k, v, { keyProjection: slice(projection, 1, 0, 7), valueProjection: projection }), shared);
  const perHead = concat([projection.reshape([1, 3, 9]), randomTensor([1, 3, 9], 5)]);
  const own = linformer(q, k, v, { keyProjection: perHead });
  expectClose(slice(own, 1, 0, 2), slice(shared, 1, 0, 2), 1e-6);
  expect(() => expectClose(slice(own, 1, 2), slice(shared, 1, 2), 1e-3)).toThrow(/elements differ/);
});

it("hears nothing of padding, NaN neither", () => {
  const projection = randomTensor([3, 7], 4);
  const spoiled = [k, v].map((x) => concat([slice(x, -2, 0, 4), mul(ones([2, 2, 3, x.shape[3]!]), NaN)], -2)) as [Tensor, Tensor];
  const short = [k, v].map((x) => slice(x, -2, 0, 4)) as [Tensor, Tensor];
  const masked = linformer(q, ...spoiled, { keyProjection: projection, mask: padding([4, 4]) });
  expectClose(masked, linformer(q, ...short, { keyProjection: projection }), 1e-6);
  expectClose(linformer(q, ...spoiled, { keyProjection: projection, mask: padding([0, 0]) }), zeros([2, 4, 5, 4]));
});

it("takes no keys, and no queries", () => {
  const projection = randomTensor([3, 7], 4);
  expectClose(linformer(q, slice(k, -2, 7), slice(v, -2, 7), { keyProjection: projection }), zeros([2, 4, 5, 4]));
  expect(linformer(slice(q, -2, 5), k, v, { keyProjection: projection }).shape).toEqual([2, 4, 0, 4]);
});

it("has the gradient of its central differences", () => {
  const shapes = [q.shape, k.shape, v.shape, [2, 3, 7], [3, 7]];
  expectGradient((query, key, value, e, f) => linformer(query, key, value, { keyProjection: e, valueProjection: f }), shapes);
});

it("says why it cannot be causal, and what does not fit", () => {
  const keyProjection = randomTensor([3, 7], 4);
  expect(() => linformer(q, k, v, { keyProjection, mask: causal() })).toThrow(/no query can be kept from later ones.*linearAttention/);
  expect(() => linformer(q, k, v, { keyProjection: randomTensor([3, 6], 4) })).toThrow(/keyProjection must be \[R, S\]/);
  expect(() => linformer(q, k, v, { keyProjection, valueProjection: randomTensor([2, 7], 4) })).toThrow(/one rank R/);
});
