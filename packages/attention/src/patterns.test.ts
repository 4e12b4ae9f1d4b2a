import { expect, it } from "vitest";
import { grad, mul, randomKey, reshape, sum, tensor, type Tensor } from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import {
  and,
  blocks,
  causal,
  dilated,
  document,
  fixed,
  globalTokens,
  graph,
  keyPadding,
  neighbourhood,
  or,
  padding,
  prefix,
  randomBlocks,
  shift,
  strided,
  window,
  type DrawableMask,
} from "@heed/masks";
import { maskMod } from "./expressions.ts";
import { attention, explain } from "./index.ts";

const [B, H, L, S, D, E] = [2, 2, 70, 131, 5, 7];
const key = randomKey(3);
const bool = (shape: readonly number[], seed: number) => randomTensor(shape, seed, { dtype: "bool" });
const int = (values: number[], shape: number[]) => tensor(Int32Array.from(values), { shape });
const patterns: Readonly<Record<string, DrawableMask>> = {
  causal: causal(),
  "strictly causal": shift(causal(), -1), // with offset 0 the first query sees nothing
  "a window per head": window(int([3, 40], [1, 2]), int([0, -1], [1, 2])),
  dilated: dilated(int([2, 9], [2, 1]), 7),
  prefix: prefix([20, 0]),
  padding: and(causal(), padding([100, 40])),
  "maskMod and padding": and(
    maskMod(({ i, j, h }) => j.mod(h.add(2)).equal(i.mod(2))),
    padding([131, 70]),
  ),
  keyPadding: keyPadding(bool([B, S], 1)),
  document: document(Int32Array.from({ length: S }, (_, j) => Math.floor(j / 20) % 3)),
  strided: strided(9),
  fixed: fixed(10, 2),
  blocks: blocks(bool([H, 13, 9], 2), 16),
  BigBird: or(window(4, 4), globalTokens([0, 90]), randomBlocks({ key, block: 8, count: 2, perHead: true })),
  neighbourhood: neighbourhood({ grid: [10, 14], radius: [1, 2], prefix: 1 }),
  graph: graph(
    int(
      Array.from({ length: 400 }, (_, e) => (e * 37) % (e < 200 ? S : L)),
      [2, 200],
    ),
  ),
};

// On the default build: what the builds make of ranges and tiles is compared elsewhere.
it.each(Object.entries(patterns))("gives the values and gradients of its boolean tensor: %s", (_, mask) => {
  const [q, k, v, g] = [
    [B, H, L, D],
    [B, H, S, D],
    [B, H, S, E],
    [B, H, L, E],
  ].map((shape, seed) => randomTensor(shape, seed + 1)) as [Tensor, Tensor, Tensor, Tensor];
  for (const queryOffset of [0, 13]) {
    const options = { queryOffset, B, H };
    const bits = mask.toTensor(L, S, options);
    expect(explain(q, k, v, { mask, queryOffset }).kernel).toBe("streaming");
    const run = (how: { mask: DrawableMask | Tensor } | { bias: Tensor }) => {
      const through = (x: Tensor[]) => attention(x[0]!, x[1]!, x[2]!, { ...how, queryOffset });
      return [through([q, k, v]), ...grad((x: Tensor[]) => sum(mul(through(x), g)))([q, k, v])];
    };
    const lowered = run({ mask });
    // Sums of up to S products of numbers around 1, in another order: S · ε · 4.
    const close = (others: Tensor[]) => others.forEach((other, n) => expectClose(lowered[n]!, other, S * 1.2e-7 * 4));
    close(run({ mask: bits.rank === 2 ? reshape(bits, [1, 1, L, S]) : bits }));
    close(run({ bias: mask.toBias(L, S, options) }));
  }
});
