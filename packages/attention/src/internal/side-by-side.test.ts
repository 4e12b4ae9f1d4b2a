import { reshape, split, tensor, transpose, type Tensor } from "@heed/tensor";
import { randomTensor } from "@heed/tensor/testing";
import { describe, expect, it } from "vitest";
import { causal } from "@heed/masks";
import { attention } from "../attention.ts";
import { areSideBySide } from "./side-by-side.ts";

describe.each([
  [3, 2, 7, 4],
  [1, 2, 17, 8],
  [2, 4, 5, 3],
])("B = %i, H = %i, L = %i, D = %i", (B, H, L, D) => {
  const columns = randomTensor([B, L, 3 * H * D], 1);
  const g = randomTensor([B, H, L, D], 2);
  const heads = (part: Tensor) => transpose(reshape(part, [B, L, H, D]), 1, 2);
  const leaf = (x: Tensor) => tensor(x.toTypedArray(), { shape: x.shape, requiresGrad: true });

  it("thirds of one product have the gradients of three arrays, to the bit", () => {
    const parts = split(columns, H * D, 2).map(leaf);
    const expected = attention(heads(parts[0]), heads(parts[1]), heads(parts[2]), { mask: causal() });
    expected.backward(g);
    const whole = leaf(columns);
    const [query, key, value] = split(whole.mul(1), H * D, 2).map(heads);
    expect(areSideBySide([query, key, value])).toBe(true);
    const output = attention(query, key, value, { mask: causal() });
    output.backward(g);
    expect(output.toArray()).toEqual(expected.toArray());
    split(whole.grad!, H * D, 2).forEach((part, i) => expect(part.toArray()).toEqual(parts[i].grad!.toArray()));
  });

  it("other orders, and parts of several arrays, are not", () => {
    const [query, key, value] = split(columns, H * D, 2).map(heads);
    for (const slots of [
      [key, query, value],
      [query, value, key],
      [query, key, key],
      [query, key, heads(split(randomTensor(columns.shape, 3), H * D, 2)[2])],
      [query, key, value].map((x) => transpose(x, 1, 2)),
    ])
      expect(areSideBySide(slots)).toBe(false);
  });
});
