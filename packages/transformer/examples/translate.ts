// Sequence to sequence: an encoder reads, a decoder writes. It learns to write what it reads backwards, sources of different lengths.
import { causal, padding } from "@heed/masks";
import { AdamW, cosine, Embedding, fit, Linear, Module, predict } from "@heed/nn";
import { sinusoidal } from "@heed/positional";
import { generate, Transformer, type DecodingStep, type LanguageModel } from "@heed/transformer";
import { add, crossEntropy, randomKey, randomStream, reshape, slice, tensor, type RandomKey, type Tensor } from "@heed/tensor";

const [vocabulary, width, longest, begin, end] = [10, 32, 5, 0, 1];

class Translator extends Module {
  readonly embed: Embedding;
  readonly model: Transformer;
  readonly head: Linear;
  readonly #positions = sinusoidal(longest + 2, width);

  constructor(key: RandomKey) {
    super();
    this.embed = new Embedding(vocabulary, width, { key: key.split("embed") });
    this.model = new Transformer(width, 4, {
      key: key.split("model"),
      numEncoderLayers: 1,
      numDecoderLayers: 1,
      feedForwardDim: 64,
      normFirst: true,
    });
    this.head = new Linear(width, vocabulary, { key: key.split("head") });
  }

  /** Logits of the token after each target token. */
  forward(source: Tensor, lengths: readonly number[], target: Tensor): Tensor {
    const sourceMask = padding(lengths);
    return this.head.forward(
      this.model.forward(this.#at(source, 0), this.#at(target, 0), { mask: causal(), sourceMask, memoryMask: sourceMask }),
    );
  }

  /** A language model that has read the sources. */
  reading(source: Tensor, lengths: readonly number[]): LanguageModel {
    const memory = predict({ forward: (ids: Tensor) => this.model.encoder.forward(this.#at(ids, 0), { mask: padding(lengths) }) }, source);
    const decode = (ids: Tensor, step: DecodingStep) =>
      this.head.forward(
        this.model.decoder.forward(this.#at(ids, step.cache.length), memory, { mask: causal(), ...step, memoryLengths: lengths }),
      );
    return { state: () => this.state(), decode };
  }

  #at(ids: Tensor, from: number): Tensor {
    return add(this.embed.forward(ids), slice(this.#positions, 0, from, from + ids.shape[1]!));
  }
}

interface Batch {
  readonly source: Tensor;
  readonly lengths: number[];
  readonly target: Tensor;
}
function batch(key: RandomKey, size: number): Batch {
  const stream = randomStream(key);
  const words = Array.from({ length: size }, () =>
    Array.from({ length: 2 + stream.integer(longest - 1) }, () => 2 + stream.integer(vocabulary - 2)),
  );
  const padded = (row: number[], n: number) => [...row, ...Array<number>(n - row.length).fill(end)];
  return {
    source: tensor(
      words.map((row) => padded(row, longest)),
      { dtype: "int32" },
    ),
    lengths: words.map(({ length }) => length),
    target: tensor(
      words.map((row) => padded([begin, ...row.toReversed(), end], longest + 2)),
      { dtype: "int32" },
    ),
  };
}

const key = randomKey(7);
const translator = new Translator(key.split("translator"));
const { losses } = await fit(translator, {
  optimiser: new AdamW(translator.parameters()),
  // Warm-up and decay: at a constant rate the last steps decide, and with them chance.
  schedule: cosine({ base: 5e-3, warmup: 20, total: 400 }),
  key: key.split("training"),
  batches: Array.from({ length: 400 }, (_, step) => batch(key.split(step), 32)),
  loss: ({ source, lengths, target }: Batch) => {
    const [B, L] = target.shape as [number, number];
    const logits = translator.forward(source, lengths, slice(target, 1, 0, L - 1));
    return crossEntropy(reshape(logits, [B * (L - 1), vocabulary]), reshape(slice(target, 1, 1, L), [B * (L - 1)]));
  },
});
const test = batch(key.split("test"), 100);
const starts = test.lengths.map(() => [begin]);
const written = generate(translator.reading(test.source, test.lengths), starts, { maxNewTokens: longest + 1, stopTokens: [end] });
const sources = (test.source.toArray() as number[][]).map((row, b) => row.slice(0, test.lengths[b]));
const right = written.filter(({ tokens }, b) => tokens.join() === [...sources[b]!.toReversed(), end].join()).length;
console.log(`loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}; ${right} of 100 new sequences written backwards`);
console.log(`${sources[0]!.join(" ")} → ${written[0]!.tokens.join(" ")}`);
if (right < 90) throw new Error("it should have learned more");
