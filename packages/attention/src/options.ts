import type { RandomKey, Tensor } from "@heed/tensor";
import type { Bias, Mask, Score, ScoreMod } from "@heed/tensor/terms";
import type { Normaliser, Softmax } from "./normalisers.ts";

/** What a call may ask for besides the output. */
export type Return = "lse" | "weights" | "scores:raw" | "scores:softcapped" | "scores:masked";

/** What makes weights of scores, whatever the operands' layout. Order: score → softcap → bias → scoreMod → mask → normaliser → sum. */
interface Terms {
  /** Default `scaledDot()`. */
  readonly score?: Score;
  /** Added after scale and softcap: biases of `@heed/positional`, or float tensors broadcastable to `[B, H, L, S]`. */
  readonly bias?: Bias | Tensor | readonly (Bias | Tensor)[];
  /** Anything else to be done to a score, applied after the biases: `scoreMod(…)` of `@heed/attention/expressions`. */
  readonly scoreMod?: ScoreMod;
  /** true = may attend: a mask of `@heed/masks`, or a boolean tensor broadcastable to `[B, H, L, S]`. */
  readonly mask?: Mask | Tensor;
  /** c · tanh(s / c) on the scores, c > 0. Default off. */
  readonly softcap?: number;
  /**
   * Relative values: `[2 · maxDistance + 1, E]`, or `[H | 1, 2 · maxDistance + 1, E]`. Key j counts for a query at position p = i + queryOffset with
   * value[j] + table[clip(j − p, −maxDistance, maxDistance) + maxDistance].
   * @see Shaw, Uszkoreit, Vaswani 2018, eq. 3 (arXiv:1803.02155)
   */
  readonly valueTable?: Tensor;
  /** Where query 0 stands among the keys: a number, or one per sample. Default S − L (packed: of each sequence). */
  readonly queryOffset?: number | Int32Array;
  /** Throws instead of running the dense definition. Default false. */
  readonly strict?: boolean;
}

/** A sink belongs to softmax. */
type Normalising =
  | {
      /** Default `softmax()`. */
      readonly normaliser?: Softmax;
      /**
       * A logit per head, `[H]`, that takes part in the softmax with the value 0, so that weights sum to less than 1. Unscaled, uncapped, outside
       * lse; softmax only. Default none.
       * @see Xiao et al. 2024 (attention sinks, arXiv:2309.17453)
       */
      readonly sink?: Tensor;
    }
  | { readonly normaliser?: Normaliser; readonly sink?: undefined };

/** What makes weights of scores. */
export type TermOptions = Terms & Normalising;

/** What drops needs a key. */
type Dropping =
  | {
      /** Drops weights with this probability. Default 0. */
      readonly dropoutP: number;
      /** Needed with `dropoutP`; the same key drops the same weights. */
      readonly dropoutKey: RandomKey;
    }
  | { readonly dropoutP?: 0 | undefined; readonly dropoutKey?: RandomKey | undefined };

/**
 * Everything about a call of attention but its tensors. Order: score → softcap → bias → scoreMod → mask → normaliser → dropout → sum. A sink with
 * another normaliser than softmax does not compile, nor does `dropoutP` without `dropoutKey`.
 */
export type AttentionOptions = TermOptions &
  Dropping & {
    /** `"bhld"` (default): `[B, H, L, D]`; `"blhd"`: `[B, L, H, D]`, a view. */
    readonly layout?: "bhld" | "blhd";
    /**
     * Packed sequences: query `[totalQueries, H, D]`, key `[totalKeys, Hkv, D]`, value `[totalKeys, Hkv, E]` hold sequences one after the other;
     * sequence b has the queries cuSeqlensQuery[b] … cuSeqlensQuery[b + 1], and its keys likewise. Int32 `[count + 1]`, both or none. Masks, biases and
     * offsets then see B = count samples, whose i and j count within a sequence, and L and S of the longest. The output is `[totalQueries, H, E]`,
     * lse `[H, totalQueries]`; weights and scores are padded, `[count, H, L, S]`.
     */
    readonly cuSeqlensQuery?: Tensor | Int32Array;
    readonly cuSeqlensKey?: Tensor | Int32Array;
  };
