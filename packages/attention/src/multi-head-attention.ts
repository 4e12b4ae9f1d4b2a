import { full, HeedError, linear, normal, ShapeError, slice, split, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { Linear, Parameter, xavierUniform } from "@heed/nn";
import { MultiHead, type Part } from "./internal/multi-head.ts";
import type { Rotation } from "./rotation.ts";

export interface MultiHeadAttentionOptions {
  readonly key: RandomKey;
  /** Default true: `in_proj_bias` and `out_proj.bias`. */
  readonly bias?: boolean;
  /** Dropout of the weights in training. Default 0. */
  readonly dropoutP?: number;
  /** Widths of key and value where they differ from `embedDim`. */
  readonly kdim?: number;
  readonly vdim?: number;
  /** Heads of keys and values, each shared by numHeads / numKeyValueHeads neighbouring query heads; 1 is multi-query. Default numHeads. */
  readonly numKeyValueHeads?: number;
  /** Turns queries and keys by their positions: `rope` of `@heed/positional`. Default none. */
  readonly rotation?: Rotation;
  /** Learns a key and value, `bias_k` and `bias_v`, that every query may attend to. Default false. */
  readonly addBiasKv?: boolean;
  /** Appends a key and value of zeros, behind those of `addBiasKv`: a query may attend to nothing. Default false. */
  readonly addZeroAttn?: boolean;
  /** Learns per head what scores are divided by, `temperature` `[H]`, from √headDim on. Default false. */
  readonly temperature?: boolean;
}

/**
 * Multi-head attention: query, key and value are projected, split into `numHeads` heads of width headDim = embedDim / numHeads, attended, joined
 * and projected: `out_proj(concat_h softmax(Q_h K_hᵀ / √headDim) V_h)`. `[B, L, embedDim]`, `[B, S, kdim]`, `[B, S, vdim]` → `[B, L, embedDim]`.
 *
 * Letters: B batch, L queries, S keys, H heads, Hkv key/value heads, E embedDim.
 *
 * Parameters as in `torch.nn.MultiheadAttention`: `in_proj_weight` `[3E, E]` (rows of query, key, value), or `q_proj_weight` `[E, E]`,
 * `k_proj_weight` `[Hkv · headDim, kdim]`, `v_proj_weight` `[Hkv · headDim, vdim]` where widths or numbers of heads differ; `in_proj_bias`;
 * `bias_k`, `bias_v` `[1, 1, Hkv · headDim]`; `out_proj.weight`, `.bias`. `temperature` `[H]` is ours.
 *
 * Masks are ours: true = may attend. A query that may attend to nothing gets `out_proj.bias`. Keys that the module adds stand last, S + 1 or S + 2
 * in all: every query may attend to them, masks and biases go on to be about the first S, rotations leave them as they are, and L ≠ S counts
 * without them. With a `cache`, keys and values of earlier calls are attended to as well (see `KeyValueCache`); `remember` and `recall` do so for
 * cross-attention. `weightsOf` gives exact rows of one head's weights.
 * @throws {ShapeError} unless numHeads divides embedDim and numKeyValueHeads divides numHeads; {HeedError} for dropoutP outside [0, 1).
 *
 * Time O(B (L + S) E² + B H L S headDim), less what the mask empties; memory grows with L + S.
 * @see Vaswani et al. 2017, §3.2.2 (arXiv:1706.03762); Shazeer 2019 (multi-query, arXiv:1911.02150); Ainslie et al. 2023 (grouped queries,
 * arXiv:2305.13245); Lee, Lee, Song 2021 (learned temperature, arXiv:2112.13492)
 * @example
 * const layer = new MultiHeadAttention(64, 8, { key, numKeyValueHeads: 2, rotation: rope });
 * const y = layer.forward(x, x, x, { mask: causal() });
 */
export class MultiHeadAttention extends MultiHead {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly dropoutP: number;
  readonly rotation: Rotation | undefined;
  readonly addZeroAttn: boolean;
  readonly in_proj_weight: Parameter | null = null;
  readonly q_proj_weight: Parameter | null = null;
  readonly k_proj_weight: Parameter | null = null;
  readonly v_proj_weight: Parameter | null = null;
  readonly in_proj_bias: Parameter | null;
  readonly bias_k: Parameter | null;
  readonly bias_v: Parameter | null;
  readonly temperature: Parameter | null;
  readonly out_proj: Linear;

  constructor(embedDim: number, numHeads: number, options: MultiHeadAttentionOptions) {
    super();
    const { key, bias = true, dropoutP = 0, kdim = embedDim, vdim = embedDim, numKeyValueHeads = numHeads } = options;
    const whole = (...sizes: number[]) => sizes.every((n) => Number.isInteger(n) && n >= 1);
    if (!whole(embedDim, numHeads) || embedDim % numHeads !== 0) {
      const fix = "Each head takes embedDim / numHeads features.";
      throw new ShapeError("MultiHeadAttention", "embedDim must be a positive multiple of numHeads", { embedDim, numHeads }, fix);
    }
    if (!whole(numKeyValueHeads) || numHeads % numKeyValueHeads !== 0) {
      const fix = "Each key/value head serves as many query heads: 1 is multi-query.";
      throw new ShapeError("MultiHeadAttention", "numHeads must be a multiple of numKeyValueHeads", { numHeads, numKeyValueHeads }, fix);
    }
    if (!whole(kdim, vdim)) throw new ShapeError("MultiHeadAttention", "kdim and vdim must be whole numbers, at least 1", { kdim, vdim });
    if (!(dropoutP >= 0 && dropoutP < 1)) throw new HeedError("MultiHeadAttention", "dropoutP must be in [0, 1)", { dropoutP });
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.numKeyValueHeads = numKeyValueHeads;
    this.headDim = embedDim / numHeads;
    this.dropoutP = dropoutP;
    this.rotation = options.rotation;
    this.addZeroAttn = options.addZeroAttn ?? false;
    const keyDim = numKeyValueHeads * this.headDim;
    if (kdim === embedDim && vdim === embedDim && keyDim === embedDim) {
      this.in_proj_weight = new Parameter(xavierUniform(key.split("in_proj_weight"), [3 * embedDim, embedDim]));
    } else {
      const draw = (name: string, rows: number, width: number) => new Parameter(xavierUniform(key.split(name), [rows, width]));
      this.q_proj_weight = draw("q_proj_weight", embedDim, embedDim);
      this.k_proj_weight = draw("k_proj_weight", keyDim, kdim);
      this.v_proj_weight = draw("v_proj_weight", keyDim, vdim);
    }
    this.in_proj_bias = bias ? new Parameter(zeros([embedDim + 2 * keyDim])) : null;
    const drawn = (name: string) => new Parameter(normal(key.split(name), [1, 1, keyDim], { deviation: 1 / Math.sqrt(keyDim) }));
    const added = (name: string) => (options.addBiasKv === true ? drawn(name) : null);
    this.bias_k = added("bias_k");
    this.bias_v = added("bias_v");
    this.temperature = options.temperature === true ? new Parameter(full([numHeads], Math.sqrt(this.headDim))) : null;
    this.out_proj = new Linear(embedDim, embedDim, { key: key.split("out_proj"), bias, biasInit: "zeros" });
  }

  protected get where(): string {
    return "MultiHeadAttention";
  }

  protected widthOf(part: Part): number {
    const own = { query: this.q_proj_weight, key: this.k_proj_weight, value: this.v_proj_weight }[part];
    return own?.shape[1] ?? this.embedDim;
  }

  protected project(part: Part, x: Tensor): Tensor {
    const own = { query: this.q_proj_weight, key: this.k_proj_weight, value: this.v_proj_weight }[part];
    const [E, keyDim] = [this.embedDim, this.numKeyValueHeads * this.headDim];
    const [from, to] = { query: [0, E], key: [E, E + keyDim], value: [E + keyDim, E + 2 * keyDim] }[part];
    const bias = this.in_proj_bias === null ? undefined : slice(this.in_proj_bias, 0, from, to);
    return linear(x, own ?? slice(this.in_proj_weight!, 0, from, to), bias);
  }

  protected projectSelf(x: Tensor): readonly [Tensor, Tensor, Tensor] {
    if (this.in_proj_weight === null) return [this.project("query", x), this.project("key", x), this.project("value", x)];
    const [q, k, v] = split(linear(x, this.in_proj_weight, this.in_proj_bias ?? undefined), this.embedDim, 2);
    return [q, k, v];
  }

  protected projectOutput(x: Tensor): Tensor {
    return this.out_proj.forward(x);
  }
}
