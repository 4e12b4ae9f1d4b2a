import { causal, padding } from "@heed/masks";
import { Dropout, Embedding, Module, Parameter, predict } from "@heed/nn";
import { sinusoidal } from "@heed/positional";
import { Seq2Seq } from "@heed/rnn-baseline";
import { generate, Transformer, type DecodingStep, type DecodingStrategy, type LanguageModel } from "@heed/transformer";
import { add, indexSelect, keep, linear, mul, reshape, slice, tensor, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { special } from "./data.ts";
import type { ModelName } from "./index.ts";

/** All that a model is built from, as JSON. */
export interface TranslatorShape {
  readonly model: ModelName;
  readonly sourceVocabularySize: number;
  readonly vocabularySize: number;
  /** Of embeddings. */
  readonly width: number;
  /** Of recurrent states, or of the Transformer's feed-forward. */
  readonly hidden: number;
  /** Of the Transformer's encoder and decoder each. */
  readonly layers: number;
  readonly dropoutP: number;
}

export interface Translated {
  readonly tokens: readonly number[];
  /** Of each token over the source, where the model has one such weight per pair. */
  readonly weights?: readonly (readonly number[])[];
}

/** What is trained, and asked for translations. */
export interface Translator extends Module {
  /** Logits `[n, V]` of the tokens after the target's places `at`; source int32 `[B, Ls]`, target int32 `[B, Lt]` with the start token. */
  teach(source: Tensor, target: Tensor, lengths: readonly number[], options: { readonly at: Tensor }): { readonly logits: Tensor };
  write(source: Tensor, lengths: readonly number[], strategy: DecodingStrategy): Translated[];
}

/** Translations may have so many more tokens than twice their source's. */
const spare = 10;
const heads = 4;

export function createTranslator(shape: TranslatorShape, key: RandomKey): Translator {
  return shape.model === "transformer" ? new TransformerTranslator(shape, key) : new RecurrentTranslator(shape, key);
}

/** Encoder and decoder of recurrent units; "fixed" sees the source as one vector, the others look back at all of it. */
class RecurrentTranslator extends Seq2Seq implements Translator {
  constructor({ model, sourceVocabularySize, vocabularySize, width, hidden, dropoutP }: TranslatorShape, key: RandomKey) {
    const attentionSize = model === "fixed" ? 0 : hidden / 2;
    const sizes = { sourceVocabularySize, vocabularySize, embeddingDim: width, hiddenSize: hidden, attentionSize };
    super(sizes, { key, tied: true, dropoutP });
  }

  write(source: Tensor, lengths: readonly number[], strategy: DecodingStrategy): Translated[] {
    const { start, end } = special;
    const found = this.translate(source, { start, end, maxLength: 2 * source.shape[1]! + spare, lengths, strategy });
    return this.attention === null ? found.map(({ tokens }) => ({ tokens })) : found;
  }
}

/** Encoder and decoder of attention alone, with norms first; logits by the rows of the target embedding. */
class TransformerTranslator extends Module implements Translator {
  readonly src_embed: Embedding;
  readonly tgt_embed: Embedding;
  readonly transformer: Transformer;
  readonly dropout: Dropout;
  readonly out_bias: Parameter;
  readonly #width: number;
  #positions: Tensor;

  constructor({ sourceVocabularySize, vocabularySize, width, hidden, layers, dropoutP }: TranslatorShape, key: RandomKey) {
    super();
    const deviation = width ** -0.5;
    this.src_embed = new Embedding(sourceVocabularySize, width, { key: key.split("src_embed"), deviation });
    this.tgt_embed = new Embedding(vocabularySize, width, { key: key.split("tgt_embed"), deviation });
    this.transformer = new Transformer(width, heads, {
      key: key.split("transformer"),
      numEncoderLayers: layers,
      numDecoderLayers: layers,
      feedForwardDim: hidden,
      normFirst: true,
      dropoutP,
    });
    this.dropout = new Dropout(dropoutP);
    this.out_bias = new Parameter(zeros([vocabularySize]));
    this.#width = width;
    this.#positions = sinusoidal(64, width);
  }

  teach(source: Tensor, target: Tensor, lengths: readonly number[], { at }: { readonly at: Tensor }): { logits: Tensor } {
    const sourceMask = padding(lengths);
    const [B, Lt] = target.shape as [number, number];
    const x = this.#embedded(this.tgt_embed, target, 0);
    const y = this.transformer.forward(this.#embedded(this.src_embed, source, 0), x, {
      mask: causal(),
      sourceMask,
      memoryMask: sourceMask,
    });
    return { logits: this.#say(indexSelect(reshape(y, [B * Lt, this.#width]), at)) };
  }

  write(source: Tensor, lengths: readonly number[], strategy: DecodingStrategy): Translated[] {
    const starts = lengths.map(() => [special.start]);
    const maxNewTokens = 2 * source.shape[1]! + spare;
    const found = generate(this.#reading(source, lengths), starts, { maxNewTokens, strategy, stopTokens: [special.end] });
    return found.map(({ tokens, stopped }) => ({ tokens: stopped ? tokens.slice(0, -1) : tokens }));
  }

  /** A language model that has read the sources. */
  #reading(source: Tensor, lengths: readonly number[]): LanguageModel {
    const encoder = {
      forward: (ids: Tensor) => this.transformer.encoder.forward(this.#embedded(this.src_embed, ids, 0), { mask: padding(lengths) }),
    };
    const memory = predict(encoder, source);
    const decode = (ids: Tensor, step: DecodingStep) => {
      const x = this.#embedded(this.tgt_embed, ids, step.cache.length);
      return this.#say(this.transformer.decoder.forward(x, memory, { mask: causal(), ...step, memoryLengths: lengths }));
    };
    return { state: () => this.state(), decode };
  }

  #embedded(table: Embedding, ids: Tensor, from: number): Tensor {
    const end = from + ids.shape[1]!;
    if (end > this.#positions.shape[0]!) this.#positions = keep(sinusoidal(2 * end, this.#width));
    return this.dropout.forward(add(mul(table.forward(ids), Math.sqrt(this.#width)), slice(this.#positions, 0, from, end)));
  }

  #say(x: Tensor): Tensor {
    return linear(x, this.tgt_embed.weight, this.out_bias);
  }
}

/** A batch's target tokens: what goes in, where in it answers are wanted, and what they are. */
export function teaching(targets: readonly Int32Array[]): { readonly given: Tensor; readonly at: Tensor; readonly answers: Tensor } {
  const Lt = 1 + Math.max(...targets.map(({ length }) => length));
  const given = new Int32Array(targets.length * Lt).fill(special.padding);
  const [at, answers]: [number[], number[]] = [[], []];
  targets.forEach((ids, row) => {
    given.set([special.start, ...ids], row * Lt);
    for (const [i, answer] of [...ids, special.end].entries()) {
      if (answer === special.unknown) continue; // Nobody should say that.
      at.push(row * Lt + i);
      answers.push(answer);
    }
  });
  return {
    given: tensor(given, { shape: [targets.length, Lt] }),
    at: tensor(Int32Array.from(at)),
    answers: tensor(Int32Array.from(answers)),
  };
}
