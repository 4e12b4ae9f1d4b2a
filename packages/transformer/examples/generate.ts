// A language model of a dozen lines, trained in seconds to count on, and asked to continue: greedily, by chance, by beams.
import { causal } from "@heed/masks";
import { AdamW, Embedding, fit, Linear, Module } from "@heed/nn";
import { rope } from "@heed/positional";
import {
  beam,
  generate,
  lastTokens,
  sample,
  TransformerEncoder,
  type DecodingStep,
  type GenerateProgress,
  type LanguageModel,
} from "@heed/transformer";
import { crossEntropy, randomIntegers, randomKey, reshape, slice, tensor, type RandomKey, type Tensor } from "@heed/tensor";

const [vocabulary, width, end] = [12, 32, 0];

class Counter extends Module implements LanguageModel {
  readonly embed: Embedding;
  readonly stack: TransformerEncoder; // with a causal mask: a decoder without memory
  readonly head: Linear;

  constructor(key: RandomKey) {
    super();
    this.embed = new Embedding(vocabulary, width, { key: key.split("embed") });
    this.stack = new TransformerEncoder(width, 4, {
      key: key.split("stack"),
      numLayers: 2,
      feedForwardDim: 64,
      normFirst: true,
      numKeyValueHeads: 1,
      rotation: rope,
    });
    this.head = new Linear(width, vocabulary, { key: key.split("head") });
  }

  /** Logits after each token: for training. */
  forward(ids: Tensor): Tensor {
    return this.head.forward(this.stack.forward(this.embed.forward(ids), { mask: causal() }));
  }

  /** Logits after the last one, with all before in a cache. */
  decode(ids: Tensor, step: DecodingStep): Tensor {
    const h = this.stack.forward(this.embed.forward(ids), { mask: causal(), ...step });
    return this.head.forward(lastTokens(h, step.lengths));
  }
}

/** Counting up by one or two, from anywhere, until 11; then the end, again and again. */
function batch(key: RandomKey, size: number): Tensor {
  const [starts, steps] = [randomIntegers(key.split("start"), [size], 1, 8), randomIntegers(key.split("step"), [size], 1, 3)];
  const rows = Array.from(starts.toTypedArray(), (start, b) =>
    Array.from({ length: 12 }, (_, t) => {
      const value = start + t * steps.toTypedArray()[b]!;
      return value < vocabulary ? value : end;
    }),
  );
  return tensor(rows, { dtype: "int32" });
}

const key = randomKey(7);
const model = new Counter(key.split("model"));
const { losses } = await fit(model, {
  optimiser: new AdamW(model.parameters(), { lr: 3e-3 }),
  key: key.split("training"),
  batches: Array.from({ length: 200 }, (_, step) => batch(key.split(step), 32)),
  loss: (ids) => {
    const [B, L] = ids.shape as [number, number];
    const logits = model.forward(slice(ids, 1, 0, L - 1));
    return crossEntropy(reshape(logits, [B * (L - 1), vocabulary]), reshape(slice(ids, 1, 1, L), [B * (L - 1)]));
  },
});
console.log(`loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}`);

const prompts = [[1, 2], [2, 4, 6], [5]]; // of any lengths; after [5] both ways of counting are right
const show = (name: string, options = {}) => {
  const found = generate(model, prompts, { maxNewTokens: 12, stopTokens: [end], ...options });
  console.log(name);
  found.forEach(({ tokens, logProbability }, b) =>
    console.log(`  ${prompts[b]!.join(" ")} → ${tokens.join(" ")} (log p ${logProbability.toFixed(2)})`),
  );
  return found.map(({ tokens }) => tokens.join(" "));
};
const greedy = show("greedy", { onStep: ({ step, running }: GenerateProgress) => console.log(`  step ${step}: ${running} go on`) });
show("by chance", { strategy: sample({ key: key.split("sample"), temperature: 0.8, topP: 0.95 }) });
show("four beams", { strategy: beam({ numBeams: 4 }) });
if (greedy[0] !== "3 4 5 6 7 8 9 10 11 0" || greedy[1] !== "8 10 0") throw new Error(`it cannot count: ${greedy.join("; ")}`);
