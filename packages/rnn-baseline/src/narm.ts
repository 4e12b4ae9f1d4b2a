import { attention } from "@heed/attention";
import { identity, softmax as softmaxWeights } from "@heed/attention/normalisers";
import { causal } from "@heed/masks";
import { Dropout, Embedding, Module, Parameter, torchUniform } from "@heed/nn";
import { additive } from "@heed/scoring";
import {
  add,
  concat,
  lessEqual,
  linear,
  matmul,
  mul,
  reshape,
  sigmoid,
  softmax,
  squeeze,
  sum,
  tensor,
  transpose,
  unsqueeze,
  where,
} from "@heed/tensor";
import { ShapeError, type RandomKey, type Tensor } from "@heed/tensor";
import { GRU } from "./gru.ts";

export interface NarmOptions {
  readonly key: RandomKey;
  /** Weights of the local feature sum to 1 (softmax). Default false, as in the paper. */
  readonly normalize?: boolean;
  /** In training, dropout on the clicks' embeddings. Default 0; 0.25 in the paper. */
  readonly embeddingDropoutP?: number;
  /** In training, dropout on [h_t; local]. Default 0; 0.5 in the paper. */
  readonly featureDropoutP?: number;
  /** Deviation of the items' initial embeddings. Default 1, as PyTorch. */
  readonly deviation?: number;
}

/**
 * What a session will click next, from all of it and from what it is after: h = GRU over the items' embeddings; the global feature is the last h_t, the
 * local one `Σ_j α_j h_j` with `α_j = v · sigmoid(a1 h_t + a2 h_j)`; item i scores `item_embed_i · b [h_t; local]`.
 *
 * Letters: B sessions, L clicks, E embeddingDim, H hiddenSize.
 * Parameters: `item_embed.weight` `[items, E]`, `gru.*` (a `GRU`'s), `a1`, `a2` `[H, H]`, `v` `[H]`, `b` `[E, 2H]`.
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on; {HeedError} for a dropout outside [0, 1).
 *
 * Time O(B L (E + H) H + B items E).
 * @see Li et al. 2017 (arXiv:1711.04725)
 */
export class NARM extends Module {
  readonly item_embed: Embedding;
  readonly gru: GRU;
  readonly a1: Parameter;
  readonly a2: Parameter;
  readonly v: Parameter;
  readonly b: Parameter;
  readonly normalize: boolean;
  readonly embeddingDropout: Dropout;
  readonly featureDropout: Dropout;

  constructor(
    items: number,
    embeddingDim: number,
    hiddenSize: number,
    { key, normalize = false, embeddingDropoutP = 0, featureDropoutP = 0, deviation = 1 }: NarmOptions,
  ) {
    super();
    const drawn = (name: string, shape: number[], width: number) => new Parameter(torchUniform(key.split(name), shape, width));
    this.item_embed = new Embedding(items, embeddingDim, { key: key.split("item_embed"), deviation });
    this.gru = new GRU(embeddingDim, hiddenSize, { key: key.split("gru") });
    this.a1 = drawn("a1", [hiddenSize, hiddenSize], hiddenSize);
    this.a2 = drawn("a2", [hiddenSize, hiddenSize], hiddenSize);
    this.v = drawn("v", [hiddenSize], hiddenSize);
    this.b = drawn("b", [embeddingDim, 2 * hiddenSize], 2 * hiddenSize);
    this.normalize = normalize;
    this.embeddingDropout = new Dropout(embeddingDropoutP);
    this.featureDropout = new Dropout(featureDropoutP);
  }

  /** Scores of all items as the next click, `[B, items]`. As `attend`. */
  forward(items: Tensor, lengths?: readonly number[]): Tensor {
    return this.attend(items, lengths).scores;
  }

  /**
   * @param items int32 `[B, L]`, clicks in order
   * @param lengths how many of them are real, from 1 to L; default all
   * @returns scores `[B, items]`, and α `[B, L]`, 0 beyond the length
   * @throws {ShapeError} for items that are no batch; {HeedError} when lengths do not fit.
   */
  attend(items: Tensor, lengths?: readonly number[]): { scores: Tensor; alpha: Tensor } {
    const [B, L] = requireBatch(items);
    const { output, h } = this.#read(items, lengths);
    const last = squeeze(h, 0); // [B, H]
    const raw = matmul(sigmoid(add(unsqueeze(linear(last, this.a1), 1), linear(output, this.a2))), this.v); // [B, L]
    const places = tensor(Int32Array.from({ length: L }, (_, j) => j + 1));
    const real = lessEqual(
      places,
      tensor(
        Int32Array.from({ length: B }, (_, b) => lengths?.[b] ?? L),
        { shape: [B, 1] },
      ),
    );
    const alpha = this.normalize ? softmax(where(real, raw, -Infinity), -1) : where(real, raw, 0);
    const local = sum(mul(unsqueeze(alpha, -1), output), 1);
    return { scores: this.score(this.#feature(last, local)), alpha: reshape(alpha, [B, L]) };
  }

  /**
   * What a session is after, after each of its clicks: row t is what `forward` would multiply with the items had the session ended there. One pass over
   * a session trains on all its prefixes. Time O(B L (E + H + L) H), memory O(B L (E + H)): the attention streams.
   * @param items as in `attend`; rows beyond a length mean nothing.
   * @returns `[B, L, E]`, for `score`
   * @throws as `attend`.
   */
  intentions(items: Tensor, lengths?: readonly number[]): Tensor {
    requireBatch(items);
    const { output } = this.#read(items, lengths);
    const local = attention(output, output, output, {
      score: additive({ queryWeight: this.a1, keyWeight: this.a2, vector: this.v, activation: "sigmoid" }),
      mask: causal(),
      normaliser: this.normalize ? softmaxWeights() : identity(),
    });
    return this.#feature(output, local);
  }

  /** Scores of all items for intentions `[…, E]`: `[…, items]`. */
  score(intentions: Tensor): Tensor {
    return matmul(intentions, transpose(this.item_embed.weight, 0, 1));
  }

  #read(items: Tensor, lengths: readonly number[] | undefined): { output: Tensor; h: Tensor } {
    return this.gru.forward(this.embeddingDropout.forward(this.item_embed.forward(items)), lengths === undefined ? {} : { lengths });
  }

  #feature(global: Tensor, local: Tensor): Tensor {
    return linear(this.featureDropout.forward(concat([global, local], -1)), this.b);
  }
}

function requireBatch(items: Tensor): readonly [B: number, L: number] {
  if (items.rank !== 2) throw new ShapeError("NARM", "items must be [B, L]", { items: items.shape });
  return items.shape as [number, number];
}
