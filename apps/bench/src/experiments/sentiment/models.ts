import { SaliencyPooling } from "@heed/attention";
import { segmentSum } from "@heed/graph-attention";
import { padding } from "@heed/masks";
import { Dropout, Embedding, Linear, Module, Parameter } from "@heed/nn";
import { sinusoidal } from "@heed/positional";
import { LSTM } from "@heed/rnn-baseline";
import {
  add,
  broadcastTo,
  concat,
  embedding,
  mul,
  normal,
  reshape,
  slice,
  sum,
  tensor,
  uniform,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { TransformerEncoder } from "@heed/transformer";
import { padId, type SentenceBatch } from "../../text/sentences.ts";
import type { ModelName } from "./index.ts";
import type { Lexicon } from "./pieces.ts";

/** Plain data: a model is its shape and its parameters. */
export interface ReaderShape {
  readonly model: ModelName;
  /** Of the table of pieces of words. */
  readonly rows: number;
  readonly wordDim: number;
  readonly heads: number;
  readonly dropoutP: number;
}

export interface ReaderBatch extends SentenceBatch {
  /** The words that `ids` number. */
  readonly lexicon: Lexicon;
}

/** A sentence as numbers of words becomes logits of its sentiment, `[B, 2]`. */
export abstract class Reader extends Module {
  readonly embed: Embedding;
  readonly dropout: Dropout;
  readonly dropout1: Dropout;
  readonly out: Linear;

  protected constructor({ rows, wordDim, dropoutP }: ReaderShape, hidden: number, key: RandomKey) {
    super();
    this.embed = new Embedding(rows, wordDim, { key: key.split("embed"), paddingIdx: padId, deviation: 0.1 });
    this.dropout = new Dropout(dropoutP);
    this.dropout1 = new Dropout(dropoutP);
    this.out = new Linear(hidden, 2, { key: key.split("out") });
  }

  /**
   * Begins with what naive Bayes knows: `ratio · direction` is added to the vector of each piece, the direction ±1 by chance. What comes of it is learned.
   * @see Li et al. 2016, "Weighted Neural Bag-of-n-grams Model", COLING
   */
  startFrom(ratios: Float32Array, key: RandomKey): void {
    const [rows, width] = this.embed.weight.shape as [number, number];
    const signs = [...uniform(key, [width]).toTypedArray()].map((draw) => (draw < 0.5 ? -1 : 1));
    const table = this.embed.weight.toTypedArray().map((value, i) => value + ratios[Math.floor(i / width)]! * signs[i % width]!);
    this.loadStateDict({ ...this.stateDict(), "embed.weight": tensor(table, { shape: [rows, width] }) });
  }

  forward(batch: ReaderBatch): Tensor {
    return this.out.forward(this.dropout.forward(this.summary(batch)));
  }

  /** `[B, hidden]` */
  protected abstract summary(batch: ReaderBatch): Tensor;

  /** `[B, L, wordDim]` */
  protected vectors({ ids, lexicon: { pieces, shares, owners, count } }: ReaderBatch): Tensor {
    const words = segmentSum(mul(this.embed.forward(pieces), shares), owners, count);
    return this.dropout1.forward(embedding(words, ids));
  }
}

/** The mean of the words, in whatever order. */
class BagOfWords extends Reader {
  constructor(shape: ReaderShape, key: RandomKey) {
    super(shape, shape.wordDim, key);
  }

  protected summary(batch: ReaderBatch): Tensor {
    return meanOf(this.vectors(batch), batch.lengths);
  }
}

/** Mean over the words of each sentence; what fills up is 0. */
function meanOf(x: Tensor, lengths: Int32Array): Tensor {
  return mul(
    sum(x, 1),
    tensor(
      Float32Array.from(lengths, (length) => 1 / length),
      { shape: [lengths.length, 1] },
    ),
  );
}

/** Forward and backward through the sentence; the last states of both. */
class RecurrentReader extends Reader {
  readonly lstm: LSTM;

  constructor(shape: ReaderShape, key: RandomKey) {
    super(shape, 2 * shape.wordDim, key);
    this.lstm = new LSTM(shape.wordDim, shape.wordDim, { key: key.split("lstm"), bidirectional: true });
  }

  protected summary(batch: ReaderBatch): Tensor {
    const { h } = this.lstm.forward(this.vectors(batch), { lengths: [...batch.lengths] });
    return this.lstm.lastHidden(h);
  }
}

/** Each word says for itself how much it matters; the sum by these weights. */
export class PoolingReader extends Reader {
  readonly pool: SaliencyPooling;

  constructor(shape: ReaderShape, key: RandomKey) {
    super(shape, shape.wordDim, key);
    this.pool = new SaliencyPooling(shape.wordDim, { key: key.split("pool") });
  }

  protected summary(batch: ReaderBatch): Tensor {
    return this.pool.forward(this.vectors(batch), { mask: padding(batch.lengths) });
  }

  /** Of each word, `[B, L]`. */
  weights(batch: ReaderBatch): Tensor {
    return this.pool.forward(this.vectors(batch), { mask: padding(batch.lengths), returnWeights: true }).weights;
  }
}

/** A class token in front; words and token attend to one another, and know where they stand. */
class EncoderReader extends Reader {
  readonly token: Parameter;
  readonly encoder: TransformerEncoder;

  constructor(shape: ReaderShape, key: RandomKey) {
    super(shape, shape.wordDim, key);
    const { wordDim, heads } = shape;
    this.token = new Parameter(normal(key.split("token"), [1, 1, wordDim], { deviation: 0.1 }));
    const options = { numLayers: 1, dropoutP: 0.2, feedForwardDim: 2 * wordDim, normFirst: true, activation: "gelu" } as const;
    this.encoder = new TransformerEncoder(wordDim, heads, { ...options, key: key.split("encoder") });
  }

  protected summary(batch: ReaderBatch): Tensor {
    const words = this.vectors(batch);
    const [B, L, E] = words.shape as [number, number, number];
    const placed = add(words, mul(sinusoidal(L, E), 0.5));
    const x = concat([broadcastTo(this.token, [B, 1, E]), placed], 1);
    const seen = this.encoder.forward(x, { mask: padding(batch.lengths.map((length) => length + 1)) });
    return reshape(slice(seen, 1, 0, 1), [B, E]);
  }
}

export function makeReader(shape: ReaderShape, key: RandomKey): Reader {
  switch (shape.model) {
    case "bag-of-words":
      return new BagOfWords(shape, key);
    case "lstm":
      return new RecurrentReader(shape, key);
    case "attention-pooling":
    case "attention-pooling-from-chance":
      return new PoolingReader(shape, key);
    case "encoder":
      return new EncoderReader(shape, key);
  }
}
