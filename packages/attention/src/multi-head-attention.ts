import { HeedError, linear, reshape, ShapeError, slice, split, transpose, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { dropoutKey, Linear, Module, Parameter, xavierUniform } from "@heed/nn";
import { attention } from "./attention.ts";
import type { AttentionOptions } from "./options.ts";

export interface MultiHeadAttentionOptions {
  readonly key: RandomKey;
  /** Default true: `in_proj_bias` and `out_proj.bias`. */
  readonly bias?: boolean;
  /** Dropout of the weights in training. Default 0. */
  readonly dropoutP?: number;
  /** Widths of key and value where they differ from `embedDim`. */
  readonly kdim?: number;
  readonly vdim?: number;
}

/** What one call may choose; everything else belongs to the module. */
export type MultiHeadCallOptions = Omit<AttentionOptions, "dropoutP" | "dropoutKey" | "layout"> & {
  /** Also give the weights `[B, H, L, S]`, per head. */
  readonly returnWeights?: boolean;
};

/**
 * Multi-head attention: query, key and value are projected, split into `numHeads` heads of width embedDim / numHeads,
 * attended, joined and projected. `[B, L, embedDim]`, `[B, S, kdim]`, `[B, S, vdim]` → `[B, L, embedDim]`.
 *
 * Parameters as in `torch.nn.MultiheadAttention`: `in_proj_weight` `[3E, E]` (rows of query, key, value), or
 * `q_proj_weight`, `k_proj_weight`, `v_proj_weight` when widths differ; `in_proj_bias` `[3E]`; `out_proj.weight`, `.bias`.
 * Masks are ours: true = may attend. A query that may attend to nothing gets `out_proj.bias`.
 * @see Vaswani et al. 2017, §3.2.2
 */
export class MultiHeadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly dropoutP: number;
  readonly in_proj_weight: Parameter | null = null;
  readonly q_proj_weight: Parameter | null = null;
  readonly k_proj_weight: Parameter | null = null;
  readonly v_proj_weight: Parameter | null = null;
  readonly in_proj_bias: Parameter | null;
  readonly out_proj: Linear;

  constructor(
    embedDim: number,
    numHeads: number,
    { key, bias = true, dropoutP = 0, kdim = embedDim, vdim = embedDim }: MultiHeadAttentionOptions,
  ) {
    super();
    if (!Number.isInteger(embedDim) || !Number.isInteger(numHeads) || numHeads < 1 || embedDim < 1 || embedDim % numHeads !== 0) {
      throw new ShapeError("MultiHeadAttention", "embedDim must be a positive multiple of numHeads", { embedDim, numHeads });
    }
    if (!(dropoutP >= 0 && dropoutP < 1)) throw new HeedError("MultiHeadAttention", "dropoutP must be in [0, 1)", { dropoutP });
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropoutP = dropoutP;
    if (kdim === embedDim && vdim === embedDim) {
      this.in_proj_weight = new Parameter(xavierUniform(key.split("in_proj_weight"), [3 * embedDim, embedDim]));
    } else {
      const draw = (name: string, width: number) => new Parameter(xavierUniform(key.split(name), [embedDim, width]));
      this.q_proj_weight = draw("q_proj_weight", embedDim);
      this.k_proj_weight = draw("k_proj_weight", kdim);
      this.v_proj_weight = draw("v_proj_weight", vdim);
    }
    this.in_proj_bias = bias ? new Parameter(zeros([3 * embedDim])) : null;
    this.out_proj = new Linear(embedDim, embedDim, { key: key.split("out_proj"), bias, biasInit: "zeros" });
  }

  forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: MultiHeadCallOptions & { readonly returnWeights: true },
  ): { output: Tensor; weights: Tensor };
  forward(query: Tensor, key?: Tensor, value?: Tensor, options?: MultiHeadCallOptions & { readonly returnWeights?: false }): Tensor;
  forward(
    query: Tensor,
    key = query,
    value = key,
    { returnWeights = false, ...options }: MultiHeadCallOptions = {},
  ): Tensor | { output: Tensor; weights: Tensor } {
    const [q, k, v] = this.#project(query, key, value).map((x) => this.#split(x));
    const drop = this.dropoutP > 0 ? dropoutKey(this.path) : undefined;
    const all = { ...options, ...(drop === undefined ? {} : { dropoutP: this.dropoutP, dropoutKey: drop }) };
    const join = (y: Tensor) => this.out_proj.forward(reshape(transpose(y, 1, 2), [y.shape[0], y.shape[2], this.embedDim]));
    if (!returnWeights) return join(attention(q, k, v, all));
    const { output, weights } = attention(q, k, v, { ...all, returns: ["weights"] });
    return { output: join(output), weights };
  }

  #project(query: Tensor, key: Tensor, value: Tensor): [Tensor, Tensor, Tensor] {
    const { embedDim: E, in_proj_weight: joint } = this;
    for (const [name, x, width] of [
      ["query", query, E],
      ["key", key, this.k_proj_weight?.shape[1] ?? E],
      ["value", value, this.v_proj_weight?.shape[1] ?? E],
    ] as const) {
      if (x.rank === 3 && x.shape[2] === width) continue;
      const fix = x.rank === 2 ? "Add the batch: unsqueeze(x, 0)." : undefined;
      throw new ShapeError("MultiHeadAttention", `${name} must be [B, length, ${width}]`, { [name]: x.shape }, fix);
    }
    if (joint !== null && query === key && key === value) {
      const [q, k, v] = split(linear(query, joint, this.in_proj_bias ?? undefined), E, 2);
      return [q, k, v];
    }
    const part = (x: Tensor, own: Parameter | null, i: number) =>
      linear(
        x,
        own ?? slice(joint!, 0, i * E, (i + 1) * E),
        this.in_proj_bias === null ? undefined : slice(this.in_proj_bias, 0, i * E, (i + 1) * E),
      );
    return [part(query, this.q_proj_weight, 0), part(key, this.k_proj_weight, 1), part(value, this.v_proj_weight, 2)];
  }

  /** `[B, L, E]` → `[B, H, L, E / H]`, a view. */
  #split(x: Tensor): Tensor {
    const [B, L, E] = x.shape;
    return transpose(reshape(x, [B, L, this.numHeads, E / this.numHeads]), 1, 2);
  }
}
