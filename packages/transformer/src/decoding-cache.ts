import { KeyValueCache, type CacheUse, type KeyValueCacheOptions } from "@heed/attention";

/**
 * The caches of a whole stack, one per attention layer, made when a layer first asks: for decoding step by step, as `generate` does. A stack takes
 * it as the option `cache`. Owns linear memory until `release()`: per layer B · Hkv · capacity · 2 · headDim numbers, and of a decoder as much for
 * its memory.
 *
 * Letters: B samples, Hkv key/value heads. Before the first call it holds nothing, at position 0. Time O(numLayers) a step; what layers append is
 * theirs.
 * @throws {HeedError} while gradients are recorded, and in use after `release()`; as `KeyValueCache`.
 * @see Shazeer 2019, §2.4 (incremental attention, arXiv:1911.02150)
 * @example
 * const cache = new DecodingCache();
 * noGrad(() => encoder.forward(x, { mask: causal(), cache })); // and so on with the next tokens
 * cache.release();
 */
export class DecodingCache {
  readonly #options: KeyValueCacheOptions;
  readonly #self = new Map<number, KeyValueCache>();
  readonly #cross = new Map<number, KeyValueCache>();

  /** @param options of each self-attention's cache */
  constructor(options: KeyValueCacheOptions = {}) {
    this.#options = options;
  }

  /** Of the self-attention of layer i. */
  self(i: number): KeyValueCache {
    return cacheOf(this.#self, i, this.#options);
  }

  /** Of what the cross-attention of layer i attends to. */
  cross(i: number): KeyValueCache {
    return cacheOf(this.#cross, i, {});
  }

  /** Tokens so far, of the longest sample. */
  get length(): number {
    return this.#self.get(0)?.length ?? 0;
  }

  /** Where the next token stands: a number, or one per sample where they differ. */
  get position(): number | Int32Array {
    return this.#self.get(0)?.position ?? 0;
  }

  /** Takes samples anew by their numbers, in all layers: see `KeyValueCache.select`. */
  select(samples: ArrayLike<number>): void {
    for (const cache of this.#all()) cache.select(samples);
  }

  /** Gives the memory back. Safe to call again. */
  release(): void {
    for (const cache of this.#all()) cache.release();
  }

  #all(): KeyValueCache[] {
    return [...this.#self.values(), ...this.#cross.values()];
  }
}

/** A stack's cache, as a call takes it. */
export interface StackCacheUse {
  /** Holds what earlier calls said; all is attended to. In `noGrad`. */
  readonly cache?: DecodingCache;
  /** With a cache: how many of the tokens of each sample are real; those behind are padding that the next call overwrites. Default all. */
  readonly lengths?: ArrayLike<number>;
}

/** What the self-attention of layer i gets of it. */
export function layerCache(cache: DecodingCache | undefined, lengths: ArrayLike<number> | undefined, i: number): CacheUse {
  return { cache: cache?.self(i), lengths };
}

function cacheOf(caches: Map<number, KeyValueCache>, i: number, options: KeyValueCacheOptions): KeyValueCache {
  const found = caches.get(i) ?? new KeyValueCache(options);
  caches.set(i, found);
  return found;
}
