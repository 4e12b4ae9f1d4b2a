// Step by step from a cache: the same rows as one pass over everything, at the cost of the new ones.
import { GroupedQueryAttention, KeyValueCache } from "@heed/attention";
import { and, causal, window } from "@heed/masks";
import { rope } from "@heed/positional";
import { concat, max, memory, noGrad, normal, randomKey, slice, abs, sub, type Tensor } from "@heed/tensor";

const key = randomKey(7);
const layer = new GroupedQueryAttention(64, 8, { key, numKeyValueHeads: 2, rotation: rope }); // four query heads share each key head
const x = normal(key.split("x"), [1, 40, 64]); // [B, L, embedDim]
const farthest = (a: Tensor, b: Tensor) => max(abs(sub(a, b))).item();

for (const [name, mask, options] of [
  ["everything", causal(), {}],
  ["a window of 9", and(causal(), window(8, 0)), { window: 8, capacity: 16 }],
] as const) {
  const whole = noGrad(() => layer.forward(x, x, x, { mask }));
  const cache = new KeyValueCache(options);
  const parts = noGrad(() => {
    const prompt = slice(x, 1, 0, 30);
    const rows = [layer.forward(prompt, prompt, prompt, { mask, cache })];
    for (let t = 30; t < 40; t++) {
      const next = slice(x, 1, t, t + 1);
      rows.push(layer.forward(next, next, next, { mask, cache }));
    }
    return concat(rows, 1);
  });
  const same = farthest(parts, whole);
  console.log(`${name}: ${cache.length} tokens in, room for ${cache.capacity}, off by ${same.toExponential(1)}`);
  if (!(same < 1e-5)) throw new Error("steps and pass should agree");
  cache.release();
}
console.log(`${memory().liveBytes} bytes left`);
