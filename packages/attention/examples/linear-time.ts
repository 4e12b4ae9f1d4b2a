// Attention whose time grows with the length, not with its square: what each gives up for it.
import { attention } from "@heed/attention";
import { linearAttention, linformer, performer, recurrentAttention, reformer } from "@heed/attention/linear-time";
import { causal, globalTokens, or, randomBlocks, window } from "@heed/masks";
import { abs, mean, normal, ones, randomKey, slice, sub, type Tensor } from "@heed/tensor";

const key = randomKey(7);
const [B, H, L, D] = [1, 2, 256, 16];
const [q, k, v] = ["q", "k", "v"].map((name) => normal(key.split(name), [B, H, L, D])) as [Tensor, Tensor, Tensor];
const exact = attention(q, k, v);
const off = (y: Tensor) => (mean(abs(sub(y, exact))).item() as number).toFixed(3);

// Approximations of softmax attention: random features, and keys that fall into the same bucket.
for (const numFeatures of [64, 256, 1024])
  console.log(`performer, ${numFeatures} features: off by`, off(performer(q, k, v, { key, numFeatures })));
for (const rounds of [1, 4])
  console.log(`reformer, ${rounds} rounds of 8 buckets: off by`, off(reformer(q, k, v, { key, numBuckets: 8, rounds })));

// Functions of their own: fewer sums of keys, or a kernel in place of exp.
const keyProjection = normal(key.split("projection"), [32, L], { deviation: 1 / Math.sqrt(32) });
console.log("linformer", linformer(q, k, v, { keyProjection }).shape);

// Linear attention is a recurrence too: what the first half left behind, the second goes on from.
const whole = linearAttention(q, k, v, { mask: causal() });
const half = (x: Tensor, from: number) => slice(x, -2, from, from + L / 2);
const first = linearAttention(half(q, 0), half(k, 0), half(v, 0), { mask: causal(), returns: ["state"] });
const second = linearAttention(half(q, L / 2), half(k, L / 2), half(v, L / 2), { mask: causal(), state: first.state });
console.log("in two parts: off by", (mean(abs(sub(second, half(whole, L / 2)))).item() as number).toExponential(0));
const beta = ones([B, H, L]).mul(0.5);
const unit = k.mul(1 / 16); // Keys of the delta rule must not be long.
console.log("delta rule", recurrentAttention(q, unit, v, { updateRule: "delta", beta, returns: ["state"] }).state.shape);

// Block-sparse BigBird is exact attention under a mask: the kernel skips what the mask empties.
const bigBird = or(window(16, 16), globalTokens([0, 1]), randomBlocks({ key, block: 16, count: 2 }));
console.log("BigBird", attention(q, k, v, { mask: bigBird }).shape);
