import { padding } from "@heed/masks";
import { Dropout, Embedding, Linear, Module, Parameter } from "@heed/nn";
import { initT5Bias, t5Bias } from "@heed/positional";
import { LSTM } from "@heed/rnn-baseline";
import { indexSelect, relu, reshape, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import { TransformerEncoder } from "@heed/transformer";
import { padId, type SentenceBatch } from "../../text/sentences.ts";
import type { ModelName } from "./index.ts";

/** Plain data: a model is its shape and its parameters. */
export interface TaggerShape {
  readonly model: ModelName;
  /** Size of the vocabulary. */
  readonly words: number;
  readonly tags: number;
  /** Of a word's embedding. */
  readonly wordDim: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly dropoutP: number;
}

/** Words before and after that the window sees. */
const reach = 5;
/** Distances with a number of their own, and where the last shared one begins. */
const buckets = { numBuckets: 32, maxDistance: 64 };

/** Numbers of words become logits of word classes. */
export abstract class Tagger extends Module {
  readonly embed: Embedding;
  readonly dropout: Dropout;
  readonly out: Linear;

  protected constructor({ words, wordDim, dropoutP, tags }: TaggerShape, hidden: number, key: RandomKey) {
    super();
    this.embed = new Embedding(words, wordDim, { key: key.split("embed"), paddingIdx: padId, deviation: 0.3 });
    this.dropout = new Dropout(dropoutP);
    this.out = new Linear(hidden, tags, { key: key.split("out") });
  }

  /** Logits of the words, `[words, tags]`, sentence by sentence. */
  forward(batch: SentenceBatch): Tensor {
    return this.out.forward(this.dropout.forward(this.hidden(batch)));
  }

  /** `[words, hidden]` */
  protected abstract hidden(batch: SentenceBatch): Tensor;
}

/** Each word for itself, through a hidden layer. */
class WordTagger extends Tagger {
  readonly inner: Linear;

  constructor(shape: TaggerShape, key: RandomKey) {
    super(shape, shape.width, key);
    this.inner = new Linear(shape.wordDim, shape.width, { key: key.split("inner") });
  }

  protected hidden({ ids, places }: SentenceBatch): Tensor {
    const words = this.embed.forward(indexSelect(reshape(ids, [ids.size]), places));
    return relu(this.inner.forward(this.dropout.forward(words)));
  }
}

/** The word and its neighbours side by side, through a hidden layer. */
class WindowTagger extends Tagger {
  readonly inner: Linear;

  constructor(shape: TaggerShape, key: RandomKey) {
    super(shape, shape.width, key);
    this.inner = new Linear((2 * reach + 1) * shape.wordDim, shape.width, { key: key.split("inner") });
  }

  protected hidden(batch: SentenceBatch): Tensor {
    const windows = this.dropout.forward(this.embed.forward(windowsOf(batch)));
    const [words, seen, wordDim] = windows.shape as [number, number, number];
    return relu(this.inner.forward(reshape(windows, [words, seen * wordDim])));
  }
}

/** The numbers of each word and its neighbours, int32 `[words, 2 · reach + 1]`; beyond the sentence the one that fills up. */
function windowsOf({ ids, lengths }: SentenceBatch): Tensor {
  const all = ids.toTypedArray();
  const L = ids.shape[1]!;
  const seen = 2 * reach + 1;
  const windows = new Int32Array(seen * lengths.reduce((sum, length) => sum + length, 0)).fill(padId);
  let at = 0;
  lengths.forEach((length, row) => {
    for (let word = 0; word < length; word++, at += seen) {
      for (let j = Math.max(0, word - reach); j <= Math.min(length - 1, word + reach); j++) {
        windows[at + j - word + reach] = Number(all[row * L + j]);
      }
    }
  });
  return tensor(windows, { shape: [windows.length / seen, seen] });
}

/** Forward and backward through the sentence. */
class RecurrentTagger extends Tagger {
  readonly lstm: LSTM;

  constructor(shape: TaggerShape, key: RandomKey) {
    super(shape, shape.width, key);
    this.lstm = new LSTM(shape.wordDim, shape.width / 2, { key: key.split("lstm"), bidirectional: true });
  }

  protected hidden({ ids, lengths, places }: SentenceBatch): Tensor {
    const words = this.dropout.forward(this.embed.forward(ids));
    const { output } = this.lstm.forward(words, { lengths: [...lengths] });
    return wordsOf(output, places);
  }
}

/** Every word sees all words of its sentence; with positions it also knows how far away and on which side they stand. */
export class AttentionTagger extends Tagger {
  readonly inner: Linear;
  readonly encoder: TransformerEncoder;
  /** `[buckets, heads]` by distance, added to the scores of all layers. */
  readonly distance: Parameter | null;

  constructor(shape: TaggerShape, key: RandomKey) {
    super(shape, shape.width, key);
    const { wordDim, width, layers: numLayers, heads, dropoutP } = shape;
    this.inner = new Linear(wordDim, width, { key: key.split("inner") });
    const options = { numLayers, dropoutP, feedForwardDim: 2 * width, normFirst: true, activation: "gelu" } as const;
    this.encoder = new TransformerEncoder(width, heads, { ...options, key: key.split("encoder") });
    const { numBuckets } = buckets;
    this.distance = shape.model === "attention" ? new Parameter(initT5Bias(key.split("distance"), { numBuckets, numHeads: heads })) : null;
  }

  protected hidden(batch: SentenceBatch): Tensor {
    return wordsOf(this.encoder.forward(this.#input(batch), this.#terms(batch)), batch.places);
  }

  /** Weights of each layer, `[B, heads, L, L]`. */
  weights(batch: SentenceBatch): Tensor[] {
    const terms = this.#terms(batch);
    let x = this.#input(batch);
    return this.encoder.layers.map((layer) => {
      const normed = layer.norm1.forward(x);
      x = layer.forward(x, terms);
      return layer.self_attn.forward(normed, normed, normed, { ...terms, returnWeights: true }).weights;
    });
  }

  #input({ ids }: SentenceBatch): Tensor {
    return this.inner.forward(this.dropout.forward(this.embed.forward(ids)));
  }

  #terms({ lengths }: SentenceBatch) {
    const bias = this.distance === null ? [] : [t5Bias({ weight: this.distance, maxDistance: buckets.maxDistance })];
    return { mask: padding(lengths), bias };
  }
}

/** `[B, L, width]` → `[words, width]` */
function wordsOf(x: Tensor, places: Tensor): Tensor {
  const [B, L, width] = x.shape as [number, number, number];
  return indexSelect(reshape(x, [B * L, width]), places);
}

export function makeTagger(shape: TaggerShape, key: RandomKey): Tagger {
  switch (shape.model) {
    case "fully-connected":
      return new WordTagger(shape, key);
    case "window":
      return new WindowTagger(shape, key);
    case "lstm":
      return new RecurrentTagger(shape, key);
    case "attention":
    case "attention-no-positions":
      return new AttentionTagger(shape, key);
  }
}
