import { padding } from "@heed/masks";
import { Dropout, Embedding, Linear, Module, Parameter } from "@heed/nn";
import { initT5Bias, t5Bias } from "@heed/positional";
import { LSTM } from "@heed/rnn-baseline";
import { concat, indexSelect, relu, reshape, tensor, zeros, type RandomKey, type Tensor } from "@heed/tensor";
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

/** Words before and after that the layers of the window see: five together. */
const reaches = { near: 2, far: 3 };
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

/**
 * Five words before and five after, by two layers that look at neighbours side by side: at two on either side, then at three on either side of what
 * the first made of them. Both are the same for all places of a sentence (Waibel et al. 1989), so that a word is read alike wherever it stands.
 */
class WindowTagger extends Tagger {
  readonly near: Linear;
  readonly far: Linear;

  constructor(shape: TaggerShape, key: RandomKey) {
    super(shape, shape.width, key);
    const { wordDim, width } = shape;
    this.near = new Linear(sideBySide(reaches.near) * wordDim, width, { key: key.split("near") });
    this.far = new Linear(sideBySide(reaches.far) * width, width, { key: key.split("far") });
  }

  protected hidden(batch: SentenceBatch): Tensor {
    const { ids, places, lengths } = batch;
    const words = this.dropout.forward(this.embed.forward(indexSelect(reshape(ids, [ids.size]), places)));
    const near = relu(this.near.forward(neighbours(words, lengths, reaches.near)));
    return relu(this.far.forward(neighbours(near, lengths, reaches.far)));
  }
}

const sideBySide = (reach: number): number => 2 * reach + 1;

/** Of each word's row, `[words, width]`, with those of its neighbours: `[words, (2 · reach + 1) · width]`, zeros beyond its sentence. */
function neighbours(rows: Tensor, lengths: Int32Array, reach: number): Tensor {
  const [words, width] = rows.shape as [number, number];
  const seen = sideBySide(reach);
  const index = new Int32Array(words * seen).fill(words);
  let first = 0;
  for (const length of lengths) {
    for (let word = 0; word < length; word++) {
      const at = (first + word) * seen + reach - word;
      for (let j = Math.max(0, word - reach); j <= Math.min(length - 1, word + reach); j++) index[at + j] = first + j;
    }
    first += length;
  }
  const withNothing = concat([rows, zeros([1, width])], 0);
  return reshape(indexSelect(withNothing, tensor(index)), [words, seen * width]);
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
