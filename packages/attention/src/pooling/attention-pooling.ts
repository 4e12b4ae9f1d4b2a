import { broadcastTo, normal, reshape, ShapeError, unsqueeze, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { Module, Parameter } from "@heed/nn";
import { attention } from "../attention.ts";
import { openElements, requireSet } from "../internal/open-elements.ts";
import { MultiHeadAttention } from "../multi-head-attention.ts";
import type { PoolingCallOptions } from "./saliency-pooling.ts";

export interface AttentionPoolingOptions {
  readonly key: RandomKey;
  /** Who asks: learned queries (default), or the mean of the elements. */
  readonly query?: "learned" | "mean";
  /** How many learned queries. Default 1. */
  readonly numQueries?: number;
  /** Default 1. */
  readonly numHeads?: number;
  /** Of the projections. Default true. */
  readonly bias?: boolean;
  /** Dropout of the weights in training. Default 0. */
  readonly dropoutP?: number;
}

/**
 * One vector, or a few, of a set of vectors: multi-head attention whose queries are learned, or are the mean of the set.
 * `[B, S, E]` → `[B, numQueries, E]`, in whatever order the elements come.
 *
 * Letters: B batch, S elements, E embedDim.
 *
 * Parameters `query` `[numQueries, E]` where it is learned, and those of `MultiHeadAttention` under `attn`. What does not count may hold NaN. Where
 * nothing counts the result is `attn.out_proj.bias`.
 * @throws {ShapeError} for numQueries below 1 or, of the mean, above it; and as `MultiHeadAttention`. Time O(B S E (E + numQueries)).
 * @see Lee et al. 2019, §3.2, pooling by learned queries (arXiv:1810.00825); Radford et al. 2021, §2.4, by the mean (arXiv:2103.00020)
 * @example
 * const pool = new AttentionPooling(64, { key, numHeads: 4 });
 * const summary = pool.forward(tokens, { mask: padding(lengths) }); // [B, 1, 64]
 */
export class AttentionPooling extends Module {
  readonly query: Parameter | null;
  readonly attn: MultiHeadAttention;

  constructor(
    embedDim: number,
    { key, query = "learned", numQueries = 1, numHeads = 1, bias = true, dropoutP = 0 }: AttentionPoolingOptions,
  ) {
    super();
    if (!Number.isInteger(numQueries) || numQueries < 1 || (query === "mean" && numQueries !== 1)) {
      throw new ShapeError("AttentionPooling", "numQueries must be a whole number from 1 on; the mean is one", { numQueries, query });
    }
    this.attn = new MultiHeadAttention(embedDim, numHeads, { key: key.split("attn"), bias, dropoutP });
    const deviation = 1 / Math.sqrt(embedDim);
    this.query = query === "mean" ? null : new Parameter(normal(key.split("query"), [numQueries, embedDim], { deviation }));
  }

  /** @returns `[B, numQueries, E]`; with `returnWeights` also the weights `[B, numHeads, numQueries, S]` */
  forward(x: Tensor, options: PoolingCallOptions & { readonly returnWeights: true }): { output: Tensor; weights: Tensor };
  forward(x: Tensor, options?: PoolingCallOptions & { readonly returnWeights?: false }): Tensor;
  forward(
    x: Tensor,
    { mask, returnWeights = false }: PoolingCallOptions & { readonly returnWeights?: boolean } = {},
  ): Tensor | { output: Tensor; weights: Tensor } {
    requireSet("AttentionPooling", x, this.attn.embedDim);
    const [B, S, E] = x.shape;
    const open = openElements("AttentionPooling", x, mask);
    const closes = { mask: open === undefined ? undefined : reshape(open, [B, 1, 1, S]) };
    const query = this.query === null ? meanOf(x, closes) : broadcastTo(unsqueeze(this.query, 0), [B, this.query.shape[0], E]);
    return returnWeights ? this.attn.forward(query, x, x, { ...closes, returnWeights }) : this.attn.forward(query, x, x, closes);
  }
}

/** The mean of what counts, `[B, 1, E]`: attention to which all keys are alike. */
function meanOf(x: Tensor, closes: { readonly mask: Tensor | undefined }): Tensor {
  const [B, S] = x.shape;
  const alike = (rows: number) => zeros([B, 1, rows, 1], { dtype: x.dtype as "float32" });
  return reshape(attention(alike(1), alike(S), unsqueeze(x, 1), closes), [B, 1, x.shape[2]]);
}
