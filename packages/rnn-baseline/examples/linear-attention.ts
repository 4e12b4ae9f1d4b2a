// Causal linear attention is a recurrent network (Katharopoulos et al. 2020): all steps at once, or one after the other from a state that does not grow.
import { linearAttention } from "@heed/attention/linear-time";
import { causal } from "@heed/masks";
import { linearAttentionToRnn, type FastWeightState } from "@heed/rnn-baseline";
import { abs, linear, max, normal, randomKey, reshape, slice, squeeze, stack, sub, transpose, type Tensor } from "@heed/tensor";

const [B, L, I, H, D] = [2, 20, 8, 2, 4];
const key = randomKey(7);
const draw = (name: string) => normal(key.split(name), [H * D, I]);
const [queryWeight, keyWeight, valueWeight] = [draw("query"), draw("key"), draw("value")];
const x = normal(key.split("x"), [B, L, I]);

const heads = (weight: Tensor) => transpose(reshape(linear(x, weight), [B, L, H, D]), 1, 2);
const atOnce = linearAttention(heads(queryWeight), heads(keyWeight), heads(valueWeight), { mask: causal() }); // [B, H, L, D]

const rnn = linearAttentionToRnn({ queryWeight, keyWeight, valueWeight, numHeads: H });
let state: FastWeightState | undefined;
const steps: Tensor[] = [];
for (let t = 0; t < L; t++) {
  const step = rnn.step(squeeze(slice(x, 1, t, t + 1), 1), state);
  steps.push(step.output); // [B, H · D]
  state = step.state;
}

const off = max(abs(sub(stack(steps, 1), reshape(transpose(atOnce, 1, 2), [B, L, H * D])))).item() as number;
console.log(`a state of ${state!.s.size + state!.z.size} numbers after 1 step or ${L}; off by ${off.toExponential(1)}`);
if (!(off < 1e-5)) throw new Error("both ways should agree");
