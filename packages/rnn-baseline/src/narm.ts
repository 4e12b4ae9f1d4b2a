import { Embedding, Module, Parameter, torchUniform } from "@heed/nn";
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
}

/**
 * What a session will click next, from all of it and from what it is after: h = GRU over the items' embeddings; the global feature is the last h_t, the
 * local one `Σ_j α_j h_j` with `α_j = v · sigmoid(a1 h_t + a2 h_j)`; item i scores `item_embed_i · b [h_t; local]`.
 *
 * Letters: B sessions, L clicks, E embeddingDim, H hiddenSize.
 * Parameters: `item_embed.weight` `[items, E]`, `gru.*` (a `GRU`'s), `a1`, `a2` `[H, H]`, `v` `[H]`, `b` `[E, 2H]`.
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on.
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

  constructor(items: number, embeddingDim: number, hiddenSize: number, { key, normalize = false }: NarmOptions) {
    super();
    const drawn = (name: string, shape: number[], width: number) => new Parameter(torchUniform(key.split(name), shape, width));
    this.item_embed = new Embedding(items, embeddingDim, { key: key.split("item_embed") });
    this.gru = new GRU(embeddingDim, hiddenSize, { key: key.split("gru") });
    this.a1 = drawn("a1", [hiddenSize, hiddenSize], hiddenSize);
    this.a2 = drawn("a2", [hiddenSize, hiddenSize], hiddenSize);
    this.v = drawn("v", [hiddenSize], hiddenSize);
    this.b = drawn("b", [embeddingDim, 2 * hiddenSize], 2 * hiddenSize);
    this.normalize = normalize;
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
    if (items.rank !== 2) throw new ShapeError("NARM", "items must be [B, L]", { items: items.shape });
    const [B, L] = items.shape as [number, number];
    const { output, h } = this.gru.forward(this.item_embed.forward(items), lengths === undefined ? {} : { lengths });
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
    const feature = linear(concat([last, local], -1), this.b); // [B, E]
    return { scores: matmul(feature, transpose(this.item_embed.weight, 0, 1)), alpha: reshape(alpha, [B, L]) };
  }
}
