import type { RandomKey, Tensor } from "@heed/tensor";
import type { Bias, Mask, Score } from "@heed/tensor/terms";
import type { Normaliser } from "./normalisers.ts";

/** What a call may ask for besides the output. */
export type Return = "lse" | "weights" | "scores:raw" | "scores:softcapped" | "scores:masked";

/** Everything about a call of attention but its tensors. Order: score → softcap → bias → mask → normaliser → dropout → sum. */
export interface AttentionOptions {
  /** Default `scaledDot()`. */
  readonly score?: Score;
  /** Added after scale and softcap: biases of `@heed/positional`, or float tensors broadcastable to `[B, H, L, S]`. */
  readonly bias?: Bias | Tensor | readonly (Bias | Tensor)[];
  /** true = may attend: a mask of `@heed/masks`, or a boolean tensor broadcastable to `[B, H, L, S]`. */
  readonly mask?: Mask | Tensor;
  /** Default `softmax()`. */
  readonly normaliser?: Normaliser;
  /** c · tanh(s / c) on the scores, c > 0. Default off. */
  readonly softcap?: number;
  /** Drops weights with this probability. Default 0. */
  readonly dropoutP?: number;
  /** Needed with `dropoutP`; the same key drops the same weights. */
  readonly dropoutKey?: RandomKey;
  /** Where query 0 stands among the keys: a number, or one per sample. Default S − L. */
  readonly queryOffset?: number | Int32Array;
  /** `"bhld"` (default): `[B, H, L, D]`; `"blhd"`: `[B, L, H, D]`, a view. */
  readonly layout?: "bhld" | "blhd";
  /** Throws instead of running the dense definition. Default false. */
  readonly strict?: boolean;
}
