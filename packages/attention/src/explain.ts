import type { Tensor } from "@heed/tensor";
import { prepare } from "./internal/prepare.ts";
import type { AttentionOptions } from "./options.ts";

export interface Explanation {
  /** Which implementation runs. */
  readonly kernel: "dense";
  /** Why. */
  readonly reason: string;
  /** Multiplications and additions of score and sum: 2 · B · H · L · S · (D + E). */
  readonly flops: number;
  /** Bytes beside inputs and output: the score matrix and the weights. */
  readonly workspaceBytes: number;
}

/** What `attention` would do with the same arguments, without doing it. Throws what it would throw. */
export function explain(query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions = {}): Explanation {
  const call = prepare("explain", query, key, value, { ...options, strict: false });
  const { B, H, L, S } = call.context;
  const pairs = B * H * L * S;
  const width = query.dtype === "float64" ? 8 : 4;
  return {
    kernel: "dense",
    reason: "this version has no streaming kernel: every call runs its dense definition",
    flops: 2 * pairs * (call.query.shape[3] + call.value.shape[3]),
    workspaceBytes: 2 * pairs * width,
  };
}
