import { alibi } from "@heed/positional";
import { causal } from "@heed/masks";
import { Buffer, Dropout, Embedding, functionalCall, Linear, Module } from "@heed/nn";
import { GRU, NARM } from "@heed/rnn-baseline";
import { add, embedding, matmul, transpose, type RandomKey, type Tensor } from "@heed/tensor";
import { TransformerEncoder } from "@heed/transformer";
import type { NetworkName } from "./index.ts";

export interface RecommenderShape {
  readonly name: NetworkName;
  readonly items: number;
  readonly width: number;
  readonly dropoutP: number;
}

/** Small at first, so that all items begin about equally likely: they are both what is read and what is scored. */
const deviation = 0.5;
const heads = 4;

/**
 * Says after each click how well every item would come next. An item is its own vector plus those of its attributes, both where it is read and where it
 * is scored.
 */
export abstract class Recommender extends Module {
  readonly attributes: Linear;
  readonly told: Buffer;

  /** @param told what is known of each item, `[items, attributes]` */
  constructor(width: number, told: Tensor, key: RandomKey) {
    super();
    this.told = new Buffer(told);
    this.attributes = new Linear(told.shape[1]!, width, { key: key.split("attributes"), bias: false });
  }

  protected abstract readonly own: Tensor;

  /** Scores of a click after each click: int32 `[B, L]` → `[B, L, items]`. */
  abstract forward(items: Tensor, lengths: readonly number[]): Tensor;

  /** `[items, width]` */
  protected table(): Tensor {
    return add(this.own, this.attributes.forward(this.told));
  }
}

export function recommender(shape: RecommenderShape, told: Tensor, key: RandomKey): Recommender {
  if (shape.name === "gru") return new GruRecommender(shape, told, key);
  return shape.name === "narm" ? new NarmRecommender(shape, told, key) : new SelfAttentionRecommender(shape, told, key);
}

export class NarmRecommender extends Recommender {
  readonly narm: NARM;

  constructor({ items, width, dropoutP }: RecommenderShape, told: Tensor, key: RandomKey) {
    super(width, told, key);
    this.narm = new NARM(items, width, width, {
      key: key.split("narm"),
      deviation,
      normalize: true,
      embeddingDropoutP: dropoutP / 2,
      featureDropoutP: dropoutP,
    });
  }

  protected get own(): Tensor {
    return this.narm.item_embed.weight;
  }

  forward(items: Tensor, lengths: readonly number[]): Tensor {
    return functionalCall(this.narm, { "item_embed.weight": this.table() }, () => this.narm.score(this.narm.intentions(items, lengths)));
  }

  /** Scores `[B, items]` of what comes after a session, and the weights `[B, L]` of its clicks. */
  attend(items: Tensor): { scores: Tensor; alpha: Tensor } {
    return functionalCall(this.narm, { "item_embed.weight": this.table() }, () => this.narm.attend(items));
  }
}

/** The state of a GRU answers alone: NARM without its attention. @see Hidasi et al. 2016 (arXiv:1511.06939) */
class GruRecommender extends Recommender {
  readonly item_embed: Embedding;
  readonly gru: GRU;
  readonly out: Linear;
  readonly embeddingDropout: Dropout;
  readonly featureDropout: Dropout;

  constructor({ items, width, dropoutP }: RecommenderShape, told: Tensor, key: RandomKey) {
    super(width, told, key);
    this.item_embed = new Embedding(items, width, { key: key.split("item_embed"), deviation });
    this.gru = new GRU(width, width, { key: key.split("gru") });
    this.out = new Linear(width, width, { key: key.split("out"), bias: false });
    this.embeddingDropout = new Dropout(dropoutP / 2);
    this.featureDropout = new Dropout(dropoutP);
  }

  protected get own(): Tensor {
    return this.item_embed.weight;
  }

  forward(items: Tensor, lengths: readonly number[]): Tensor {
    const table = this.table();
    const { output } = this.gru.forward(this.embeddingDropout.forward(embedding(table, items)), { lengths });
    return matmul(this.out.forward(this.featureDropout.forward(output)), transpose(table, 0, 1));
  }
}

/** Layers of causal self-attention that sees how long ago a click was (ALiBi). @see Kang, McAuley 2018 (SASRec, arXiv:1808.09781) */
class SelfAttentionRecommender extends Recommender {
  readonly item_embed: Embedding;
  readonly encoder: TransformerEncoder;
  readonly out: Linear;
  readonly dropout: Dropout;

  constructor({ items, width, dropoutP }: RecommenderShape, told: Tensor, key: RandomKey) {
    super(width, told, key);
    this.item_embed = new Embedding(items, width, { key: key.split("item_embed"), deviation });
    this.encoder = new TransformerEncoder(width, heads, {
      key: key.split("encoder"),
      numLayers: 2,
      feedForwardDim: width,
      normFirst: true,
      activation: "gelu",
      dropoutP,
    });
    this.out = new Linear(width, width, { key: key.split("out"), bias: false });
    this.dropout = new Dropout(dropoutP);
  }

  protected get own(): Tensor {
    return this.item_embed.weight;
  }

  forward(items: Tensor): Tensor {
    const table = this.table();
    const x = this.dropout.forward(embedding(table, items));
    return matmul(this.out.forward(this.encoder.forward(x, { mask: causal(), bias: alibi({ numHeads: heads }) })), transpose(table, 0, 1));
  }
}
