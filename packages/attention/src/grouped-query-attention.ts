import { HeedError, ShapeError, type RandomKey, type Tensor } from "@heed/tensor";
import { Linear } from "@heed/nn";
import { MultiHead, type Part } from "./internal/multi-head.ts";
import type { Rotation } from "./rotation.ts";

export interface GroupedQueryAttentionOptions {
  readonly key: RandomKey;
  /** Heads of keys and values; 1 is multi-query, numHeads plain multi-head attention. */
  readonly numKeyValueHeads: number;
  /** Width of a head. Default embedDim / numHeads. */
  readonly headDim?: number;
  /** Of all four projections. Default false. */
  readonly bias?: boolean;
  /** Turns queries and keys by their positions: `rope` of `@heed/positional`. Default none. */
  readonly rotation?: Rotation;
  /** Dropout of the weights in training. Default 0. */
  readonly dropoutP?: number;
}

/**
 * Multi-head attention whose key/value heads serve several query heads each, as language models have it: query head h uses key/value head
 * ⌊h · Hkv / H⌋. `[B, L, embedDim]` → the same; keys and values are never copied per query head.
 *
 * Letters: B batch, L queries, S keys, H heads, Hkv key/value heads.
 * Parameters as Llama's: `q_proj.weight` `[H · headDim, embedDim]`, `k_proj.weight`, `v_proj.weight` `[Hkv · headDim, embedDim]`, `o_proj.weight`
 * `[embedDim, H · headDim]`, and `.bias` of each if asked for. Calls, masks and caches are those of `MultiHeadAttention`; a query that may attend to
 * nothing gets `o_proj.bias`, or zeros.
 * @throws {ShapeError} unless numKeyValueHeads divides numHeads, and headDim (where it is not given) is whole; {HeedError} for dropoutP outside
 * [0, 1).
 *
 * Time O(B L embedDim (2 H + 2 Hkv) headDim + B H L S headDim); a cache holds 2 Hkv headDim numbers per token.
 * @see Ainslie et al. 2023 (arXiv:2305.13245); Shazeer 2019 (multi-query, arXiv:1911.02150)
 * @example
 * const layer = new GroupedQueryAttention(64, 8, { key, numKeyValueHeads: 2, rotation: (x, at) => rope(x, { ...at, style: "halfSplit" }) });
 * const y = layer.forward(x, x, x, { mask: causal() });
 */
export class GroupedQueryAttention extends MultiHead {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly dropoutP: number;
  readonly rotation: Rotation | undefined;
  readonly addZeroAttn = false;
  readonly bias_k = null;
  readonly bias_v = null;
  readonly temperature = null;
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;

  constructor(
    embedDim: number,
    numHeads: number,
    { key, numKeyValueHeads, headDim = embedDim / numHeads, bias = false, rotation, dropoutP = 0 }: GroupedQueryAttentionOptions,
  ) {
    super();
    if (![embedDim, numHeads, numKeyValueHeads].every((n) => Number.isInteger(n) && n >= 1) || numHeads % numKeyValueHeads !== 0) {
      const fix = "Each key/value head serves as many query heads: 1 is multi-query.";
      throw new ShapeError(
        "GroupedQueryAttention",
        "numHeads must be a multiple of numKeyValueHeads",
        { embedDim, numHeads, numKeyValueHeads },
        fix,
      );
    }
    if (!Number.isInteger(headDim) || headDim < 1) {
      const fix = "Give headDim where numHeads does not divide embedDim.";
      throw new ShapeError("GroupedQueryAttention", "headDim must be a whole number, at least 1", { headDim, embedDim, numHeads }, fix);
    }
    if (!(dropoutP >= 0 && dropoutP < 1)) throw new HeedError("GroupedQueryAttention", "dropoutP must be in [0, 1)", { dropoutP });
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.numKeyValueHeads = numKeyValueHeads;
    this.headDim = headDim;
    this.dropoutP = dropoutP;
    this.rotation = rotation;
    const project = (name: string, heads: number) => new Linear(embedDim, heads * headDim, { key: key.split(name), bias });
    this.q_proj = project("q_proj", numHeads);
    this.k_proj = project("k_proj", numKeyValueHeads);
    this.v_proj = project("v_proj", numKeyValueHeads);
    this.o_proj = new Linear(numHeads * headDim, embedDim, { key: key.split("o_proj"), bias });
  }

  protected get where(): string {
    return "GroupedQueryAttention";
  }

  protected widthOf(): number {
    return this.embedDim;
  }

  protected project(part: Part, x: Tensor): Tensor {
    return { query: this.q_proj, key: this.k_proj, value: this.v_proj }[part].forward(x);
  }

  protected projectSelf(x: Tensor): readonly [Tensor, Tensor, Tensor] {
    return [this.q_proj.forward(x), this.k_proj.forward(x), this.v_proj.forward(x)];
  }

  protected projectOutput(x: Tensor): Tensor {
    return this.o_proj.forward(x);
  }
}
