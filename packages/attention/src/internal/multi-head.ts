import { broadcastTo, concat, HeedError, noGrad, reciprocal, reshape, ShapeError, Tensor, tensor, transpose, zeros } from "@heed/tensor";
import { dropoutKey, Module, type Parameter } from "@heed/nn";
import { scaledDot } from "@heed/scoring";
import { attention } from "../attention.ts";
import type { KeyValueCache } from "../cache/key-value-cache.ts";
import type { TermOptions } from "../options.ts";
import { rotated, type Rotation } from "../rotation.ts";
import { weightsOf } from "../weights-of.ts";
import { withAddedKeys } from "./added-keys.ts";

/** Keys and values of earlier calls, for decoding step by step. */
export interface CacheUse {
  /** Holds keys and values of earlier calls: those of this one are appended, and all are attended to. In `noGrad`, one cache per module. */
  readonly cache?: KeyValueCache;
  /** With a cache: how many rows of each sample are real; those behind are padding that the next call overwrites. Default all. */
  readonly lengths?: ArrayLike<number>;
}

/** What one call may choose; everything else belongs to the module. */
export type MultiHeadCallOptions = TermOptions &
  // Where queries stand is said by the caller, or by a cache.
  ({ readonly cache?: undefined; readonly lengths?: undefined } | (CacheUse & { readonly queryOffset?: undefined })) & {
    /** Also give the weights `[B, H, L, S]`, per head. */
    readonly returnWeights?: boolean;
  };

/** Which rows `weightsOf` gives. */
export type MultiHeadRowsOptions = TermOptions & {
  readonly batch?: number;
  readonly head?: number;
  readonly queries?: readonly [from: number, to: number];
};

/** Attention of several heads with projections around; which projections, and their names, is a subclass's. */
export abstract class MultiHead extends Module {
  abstract readonly embedDim: number;
  abstract readonly numHeads: number;
  abstract readonly numKeyValueHeads: number;
  /** Width of a head. */
  abstract readonly headDim: number;
  abstract readonly dropoutP: number;
  abstract readonly rotation: Rotation | undefined;
  /** A key and value `[1, 1, Hkv · headDim]` that is appended, before a key of zeros. */
  abstract readonly bias_k: Parameter | null;
  abstract readonly bias_v: Parameter | null;
  abstract readonly addZeroAttn: boolean;
  /** `[H]`, scores are divided by it. */
  abstract readonly temperature: Parameter | null;

  /** The class, for messages. */
  protected abstract readonly where: string;
  /** The width that query, key or value comes in. */
  protected abstract widthOf(part: Part): number;
  /** `[B, n, width]` → `[B, n, heads · headDim]` */
  protected abstract project(part: Part, x: Tensor): Tensor;
  /** All three of one tensor. */
  protected abstract projectSelf(x: Tensor): readonly [Tensor, Tensor, Tensor];
  /** `[B, L, H · headDim]` → `[B, L, embedDim]` */
  protected abstract projectOutput(x: Tensor): Tensor;

  /**
   * @param query `[B, L, embedDim]`
   * @param key `[B, S, kdim]`, by default the query
   * @param value `[B, S, vdim]`, by default the key
   * @returns `[B, L, embedDim]`; with `returnWeights` also the weights `[B, H, L, S]`, after the normaliser, before dropout
   * @throws {ShapeError} for widths, lengths or samples that do not fit; with a cache, {HeedError} while gradients are recorded; and as `attention`.
   */
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
    this.#check({ query, key, value });
    const { cache, lengths, queryOffset, ...terms } = options;
    const [q, k, v] = this.#heads(query, key, value);
    const [L, S] = [q.shape[2], k.shape[2]];
    const attend = (queries: Tensor, keys: Tensor, values: Tensor, at: number | Int32Array) => {
      const all = { ...terms, queryOffset: at };
      return returnWeights ? this.#attendWithWeights(queries, keys, values, all) : this.#attend(queries, keys, values, all);
    };
    if (cache === undefined) {
      if (lengths !== undefined) throw new HeedError(this.where, "lengths go with a cache", {}, "Padding is a mask: padding(lengths).");
      const offset = queryOffset ?? S - L;
      return attend(rotated(this.rotation, q, offset), rotated(this.rotation, k, 0), v, offset);
    }
    if (queryOffset !== undefined)
      throw new HeedError(this.where, "a cache says where queries stand", { queryOffset }, "Leave queryOffset out.");
    if (L !== S) {
      const got = { query: query.shape, key: key.shape };
      throw new ShapeError(
        this.where,
        "with a cache, query and key must share their length",
        got,
        "To attend to what a cache holds, remember(…) and recall(…).",
      );
    }
    const { position } = cache;
    const held = cache.append(rotated(this.rotation, k, position), v, { lengths });
    return attend(rotated(this.rotation, q, position), held.key, held.value, held.queryOffset);
  }

  /**
   * Appends keys and values to a cache without attending: what an encoder said, for all steps of a decoder. `recall` attends to them.
   * @param options.lengths how many rows of each sample are real. Default all
   */
  remember(cache: KeyValueCache, key: Tensor, value = key, options: { readonly lengths?: ArrayLike<number> } = {}): void {
    this.#check({ key, value });
    const k = this.#split(this.project("key", key));
    cache.append(rotated(this.rotation, k, cache.position), this.#split(this.project("value", value)), options);
  }

  /**
   * Attends to what a cache holds and appends nothing: cross-attention of a decoder's steps.
   * @param options.mask default: the real rows of each sample
   * @param options.queryOffset where query 0 stands among what is held. Default S − L
   */
  recall(query: Tensor, cache: KeyValueCache, options: TermOptions = {}): Tensor {
    this.#check({ query });
    const { key, value } = cache.held();
    const S = key.shape[2];
    const { queryOffset = S - query.shape[1], mask = realRows(cache, S), ...terms } = options;
    const q = rotated(this.rotation, this.#split(this.project("query", query)), queryOffset);
    return this.#attend(q, key, value, { ...terms, mask, queryOffset });
  }

  /** Exact rows of one head's weights, `[to − from, S]`, without an array of L × S and without gradients; as the function `weightsOf`. */
  weightsOf(query: Tensor, key = query, { batch, head, queries, ...options }: MultiHeadRowsOptions = {}): Tensor {
    this.#check({ query, key });
    const offset = options.queryOffset ?? key.shape[1] - query.shape[1];
    return noGrad(() => {
      const [q, k] = [this.#split(this.project("query", query)), this.#split(this.project("key", key))];
      const call = this.#call(rotated(this.rotation, q, offset), rotated(this.rotation, k, 0), k, { ...options, queryOffset: offset });
      return weightsOf(call.query, call.key, { ...call.options, batch, head, queries });
    });
  }

  #attend(query: Tensor, key: Tensor, value: Tensor, options: TermOptions): Tensor {
    const call = this.#call(query, key, value, options);
    return this.#join(attention(call.query, call.key, call.value, { ...call.options, ...this.#dropout() }));
  }

  #attendWithWeights(query: Tensor, key: Tensor, value: Tensor, options: TermOptions): { output: Tensor; weights: Tensor } {
    const call = this.#call(query, key, value, options);
    const { output, weights } = attention(call.query, call.key, call.value, { ...call.options, ...this.#dropout(), returns: ["weights"] });
    return { output: this.#join(output), weights };
  }

  #dropout() {
    const drop = this.dropoutP > 0 ? dropoutKey(this.path) : undefined;
    return drop === undefined ? {} : { dropoutP: this.dropoutP, dropoutKey: drop };
  }

  /** `[B, H, L, headDim]` → `[B, L, embedDim]` */
  #join(y: Tensor): Tensor {
    return this.projectOutput(reshape(transpose(y, 1, 2), [y.shape[0], y.shape[2], this.numHeads * this.headDim]));
  }

  /** With the keys that the module adds, and its temperature. */
  #call(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: TermOptions,
  ): { query: Tensor; key: Tensor; value: Tensor; options: TermOptions } {
    const own = this.temperature === null ? options : { ...options, score: this.#warm(options, this.temperature) };
    const count = (this.bias_k === null ? 0 : 1) + (this.addZeroAttn ? 1 : 0);
    if (count === 0) return { query, key, value, options: own };
    const behind = (x: Tensor, bias: Parameter | null) => {
      const [B, heads, , width] = x.shape;
      const parts = [x];
      if (bias !== null) parts.push(broadcastTo(reshape(bias, [1, heads, 1, width]), [B, heads, 1, width]));
      if (this.addZeroAttn) parts.push(zeros([B, heads, 1, width], { dtype: x.dtype as "float32" }));
      return concat(parts, 2);
    };
    return { query, key: behind(key, this.bias_k), value: behind(value, this.bias_v), options: withAddedKeys(own, count, key.shape[2]) };
  }

  #warm({ score }: TermOptions, temperature: Tensor) {
    if (score !== undefined) {
      throw new HeedError(
        this.where,
        "a learned temperature is of the module's own score",
        { score: score.name },
        "Leave score or temperature out.",
      );
    }
    return scaledDot({ scale: reciprocal(temperature) });
  }

  #check(parts: Partial<Record<Part, Tensor>>): void {
    for (const [name, x] of Object.entries(parts)) {
      const width = this.widthOf(name as Part);
      if (x instanceof Tensor && x.rank === 3 && x.shape[2] === width) continue;
      const got = { [name]: x instanceof Tensor ? x.shape : typeof x };
      const fix = x instanceof Tensor && x.rank === 2 ? "Add the batch: unsqueeze(x, 0)." : undefined;
      throw new ShapeError(this.where, `${name} must be [B, length, ${width}]`, got, fix);
    }
  }

  #heads(query: Tensor, key: Tensor, value: Tensor): [Tensor, Tensor, Tensor] {
    const parts =
      query === key && key === value
        ? this.projectSelf(query)
        : [this.project("query", query), this.project("key", key), this.project("value", value)];
    return parts.map((x) => this.#split(x)) as [Tensor, Tensor, Tensor];
  }

  /** `[B, n, heads · headDim]` → `[B, heads, n, headDim]`, a view. */
  #split(x: Tensor): Tensor {
    const [B, n, width] = x.shape;
    return transpose(reshape(x, [B, n, width / this.headDim, this.headDim]), 1, 2);
  }
}

export type Part = "query" | "key" | "value";

/** Which of the S rows that a cache holds are real, `[B, 1, 1, S]`; `undefined` where all are. */
function realRows({ lengths, length, window }: KeyValueCache, S: number): Tensor | undefined {
  if (window !== undefined || lengths.every((n) => n === length)) return undefined;
  const bits = Uint8Array.from({ length: lengths.length * S }, (_, at) => Number(at % S < lengths[Math.floor(at / S)]));
  return tensor(bits, { shape: [lengths.length, 1, 1, S], dtype: "bool" });
}
