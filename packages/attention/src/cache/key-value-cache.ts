import { DTypeError, HeedError, resident, ShapeError, slice, Tensor, zeros, type Residency } from "@heed/tensor";
import { bytesPer, copyStrided, isRecording, mutate, requireReal, sameShape } from "@heed/tensor/operation";

export interface KeyValueCacheOptions {
  /** Rows per sample and head to make room for at first; it doubles as needed. Default 64. */
  readonly capacity?: number;
  /**
   * Keeps for each query this many rows before its own, and forgets older ones: what the mask `window(left, 0)` lets it see, with left = window. Attend
   * with that mask, as without a cache. Default: everything.
   */
  readonly window?: number;
}

/** What attention reads after an append: views of the cache, good until the next append. */
export interface CachedKeys {
  /** `[B, Hkv, S, D]` */
  readonly key: Tensor;
  /** `[B, Hkv, S, E]` */
  readonly value: Tensor;
  /** Where the first of the appended rows stands among those S keys: for `attention`'s option of that name. */
  readonly queryOffset: number | Int32Array;
}

const TAKEN_BACK = "Make a new one; clear() forgets and keeps the room.";

/**
 * Keys and values of one attention layer, for decoding step by step: each step appends its own rows in place and attends to all of them, so a
 * step costs O(S) instead of a whole pass. Use one per layer: `module.forward(x, x, x, { mask: causal(), cache })`, in `noGrad`.
 *
 * Letters: B samples, Hkv key/value heads, n rows of an append, S rows held, D and E widths of key and value. Takes `[B, Hkv, n, D]` and
 * `[B, Hkv, n, E]`, gives views `[B, Hkv, S, D]` and `[B, Hkv, S, E]`; an append of no rows gives what is held.
 *
 * It owns linear memory until `release()` (one that is dropped without is released by the engine's collector, late): B · Hkv · capacity · (D + E)
 * numbers. Samples may be of different lengths: say with each append how many of its rows are real, and the next ones follow there.
 * Keys are turned by their absolute positions before they come in, so that a window changes nothing about them.
 * @throws {ShapeError} for rows that do not fit what is held, {HeedError} in use after `release()`, before the first append, or while gradients are
 * recorded.
 * @see Shazeer 2019, §2.4 (incremental attention, arXiv:1911.02150)
 * @example
 * const cache = new KeyValueCache();
 * noGrad(() => {
 *   layer.forward(prompt, prompt, prompt, { mask: causal(), cache }); // [B, 12, embedDim]
 *   layer.forward(next, next, next, { mask: causal(), cache }); // [B, 1, embedDim]: sees 13 keys
 * });
 * cache.release();
 */
export class KeyValueCache {
  readonly window: number | undefined;
  readonly #firstCapacity: number;
  #store: Store | undefined;
  #released = false;

  /** @throws {HeedError} for a capacity below 1, or a window below 0. */
  constructor({ capacity = 64, window }: KeyValueCacheOptions = {}) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new HeedError("KeyValueCache", "capacity must be a whole number from 1 on", { capacity });
    if (window !== undefined && (!Number.isInteger(window) || window < 0)) {
      throw new HeedError("KeyValueCache", "window must be a whole number, not negative", { window }, "Leave it out to keep everything.");
    }
    this.#firstCapacity = capacity;
    this.window = window;
  }

  /** Rows appended so far, of the longest sample; where the next row of such a sample stands. */
  get length(): number {
    return this.#store === undefined ? 0 : Math.max(0, ...this.#store.lengths);
  }

  /** Rows appended so far, per sample; empty before the first append. */
  get lengths(): Int32Array {
    return this.#store === undefined ? new Int32Array(0) : this.#store.lengths.slice();
  }

  /** Where the next row stands: a number, or one per sample where they differ. */
  get position(): number | Int32Array {
    const lengths = this.lengths;
    return lengths.every((n) => n === lengths[0]) ? (lengths[0] ?? 0) : lengths;
  }

  /** Rows per sample and head that there is room for now. */
  get capacity(): number {
    return this.#store?.key.shape[2] ?? this.#firstCapacity;
  }

  /**
   * Writes rows behind those that are there, and gives all that the new ones may see.
   *
   * @param key `[B, Hkv, n, D]`, already turned where positions turn keys
   * @param value `[B, Hkv, n, E]`
   * @param options.lengths how many of the n rows are real, per sample; those behind are overwritten by the next append, and are seen by none that
   * `causal()` masks
   * @throws {ShapeError} unless the shapes are those of the first append, but for n; {HeedError} when the cache was released, or gradients are
   * recorded: what is written in place cannot be differentiated.
   * Time O(B Hkv n (D + E)); now and then as much as is held.
   */
  append(key: Tensor, value: Tensor, { lengths }: { readonly lengths?: ArrayLike<number> } = {}): CachedKeys {
    this.#check(key, value);
    const [B, , n] = key.shape;
    const added = lengths === undefined ? new Int32Array(B).fill(n) : Int32Array.from(lengths);
    if (
      added.length !== B ||
      added.some((count, b) => count !== lengths?.[b] && lengths !== undefined) ||
      added.some((count) => count < 0 || count > n)
    ) {
      throw new ShapeError("KeyValueCache", "lengths must say for each sample how many of the n rows are real", { lengths: added, B, n });
    }
    const store = this.#withRoom(key, value);
    const { start } = store;
    const before = store.lengths.slice();
    write(store.key, key, before, start);
    write(store.value, value, before, start);
    for (let b = 0; b < B; b++) store.lengths[b] += added[b];
    const first = this.#oldest(before, start);
    const end = Math.max(0, ...before) + n;
    const view = (x: Tensor) => slice(x, 2, first - start, end - start);
    const offsets = before.map((at) => at - first);
    return {
      key: view(store.key),
      value: view(store.value),
      queryOffset: offsets.every((at) => at === offsets[0]) ? (offsets[0] ?? 0) : offsets,
    };
  }

  /**
   * What is held, `[B, Hkv, S, D]` and `[B, Hkv, S, E]`, S of the longest sample: views, good until the next append.
   * @throws {HeedError} when nothing is.
   */
  held(): { readonly key: Tensor; readonly value: Tensor } {
    const store = this.#store;
    if (store === undefined) throw new HeedError("KeyValueCache", "nothing is held yet", {}, this.#released ? TAKEN_BACK : "Append first.");
    const view = (x: Tensor) => slice(x, 2, 0, Math.max(0, ...store.lengths) - store.start);
    return { key: view(store.key), value: view(store.value) };
  }

  /**
   * Takes samples anew, by their numbers: `[0, 0, 2]` doubles the first, forgets the second and keeps the third. For beams, and for samples that
   * have ended.
   * @throws {HeedError} for a sample that is not there. Time and memory: a copy of what is held.
   */
  select(samples: ArrayLike<number>): void {
    const store = this.#store;
    const rows = Array.from(samples);
    const B = store?.lengths.length ?? 0;
    if (store === undefined || rows.some((b) => !Number.isInteger(b) || b < 0 || b >= B)) {
      throw new HeedError("KeyValueCache", "select takes numbers of samples that are held", { samples: rows, B });
    }
    if (rows.length === B && rows.every((b, i) => b === i)) return;
    this.#rebuild(store, { rows, capacity: store.key.shape[2], start: store.start });
  }

  /** Forgets what is held and keeps the room. */
  clear(): void {
    if (this.#store === undefined) return;
    this.#store.lengths.fill(0);
    this.#store.start = 0;
  }

  /** Gives the memory back; nothing can be appended any more. Safe to call again. */
  release(): void {
    this.#released = true;
    this.#store?.owner.release();
    this.#store = undefined;
  }

  #check(key: Tensor, value: Tensor): void {
    if (this.#released) throw new HeedError("KeyValueCache", "it was released", {}, TAKEN_BACK);
    if (
      !(key instanceof Tensor && value instanceof Tensor) ||
      key.rank !== 4 ||
      value.rank !== 4 ||
      !sameShape(key.shape.slice(0, 3), value.shape.slice(0, 3))
    ) {
      const got = { key: key instanceof Tensor ? key.shape : typeof key, value: value instanceof Tensor ? value.shape : typeof value };
      throw new ShapeError("KeyValueCache", "key and value must be [B, Hkv, n, D] and [B, Hkv, n, E]", got);
    }
    requireReal("KeyValueCache", key.dtype);
    if (key.dtype !== value.dtype)
      throw new DTypeError("KeyValueCache", "key and value must share a dtype", { key: key.dtype, value: value.dtype });
    if (isRecording() && (key.requiresGrad || value.requiresGrad)) {
      throw new HeedError(
        "KeyValueCache",
        "it is written in place, so gradients cannot pass through it",
        {},
        "Decode in noGrad(() => …) or predict(…); train on whole sequences, without a cache.",
      );
    }
    const store = this.#store;
    if (store === undefined) return;
    const like = (x: Tensor, own: Tensor) => x.dtype === own.dtype && [0, 1, 3].every((axis) => x.shape[axis] === own.shape[axis]);
    if (like(key, store.key) && like(value, store.value)) return;
    const held = { key: key.shape, value: value.shape, "held key": store.key.shape, "held value": store.value.shape, dtype: key.dtype };
    throw new ShapeError(
      "KeyValueCache",
      "B, Hkv, D, E and dtype must be those of what is held",
      held,
      "Use one cache per layer and batch.",
    );
  }

  /** The oldest row that queries from `before` on may see. */
  #oldest(before: Int32Array, start: number): number {
    return this.window === undefined ? start : Math.max(start, Math.min(...before) - this.window);
  }

  #withRoom(key: Tensor, value: Tensor): Store {
    const [B, , n] = key.shape;
    const store = this.#store;
    if (store === undefined) {
      const capacity = Math.max(this.#firstCapacity, n);
      return (this.#store = newStore(key, value, B, capacity, 0));
    }
    const end = Math.max(0, ...store.lengths) + n;
    const capacity = store.key.shape[2];
    if (end - store.start <= capacity) return store;
    const start = this.#oldest(store.lengths, store.start);
    const needed = end - start;
    // Rows are moved at most once in as many appended ones as are kept.
    return this.#rebuild(store, { capacity: 2 * needed <= capacity ? capacity : Math.max(2 * needed, capacity), start });
  }

  #rebuild(store: Store, { rows, capacity, start }: { rows?: readonly number[]; capacity: number; start: number }): Store {
    const from = rows ?? Array.from(store.lengths.keys());
    const fresh = newStore(store.key, store.value, from.length, capacity, start);
    const end = Math.max(0, ...store.lengths);
    from.forEach((sample, b) => {
      for (const name of ["key", "value"] as const) {
        const old = slice(slice(store[name], 0, sample, sample + 1), 2, start - store.start, end - store.start);
        writeAt(fresh[name], old, b, 0);
      }
      fresh.lengths[b] = store.lengths[sample];
    });
    store.owner.release();
    return (this.#store = fresh);
  }
}

interface Store {
  /** `[B, Hkv, capacity, D]` and `[B, Hkv, capacity, E]`; row r is position start + r. */
  readonly key: Tensor;
  readonly value: Tensor;
  readonly owner: Residency;
  /** Where the next row of each sample stands. */
  readonly lengths: Int32Array;
  start: number;
}

function newStore(key: Tensor, value: Tensor, B: number, capacity: number, start: number): Store {
  const room = ({ shape, dtype }: Tensor) => zeros([B, shape[1], capacity, shape[3]], { dtype });
  const [keys, values] = [room(key), room(value)];
  return { key: keys, value: values, owner: resident([keys, values]), lengths: new Int32Array(B), start };
}

/** Writes rows `[B, Hkv, n, width]` at the position of each sample. */
function write(room: Tensor, rows: Tensor, positions: Int32Array, start: number): void {
  if (positions.every((at) => at === positions[0])) writeAt(room, rows, 0, (positions[0] ?? 0) - start);
  else positions.forEach((at, b) => writeAt(room, slice(rows, 0, b, b + 1), b, at - start));
}

/** Writes rows from that sample and row on. */
function writeAt(room: Tensor, rows: Tensor, sample: number, row: number): void {
  const offset = (sample * room.strides[0] + row * room.strides[2]) * bytesPer(room.dtype);
  mutate("KeyValueCache", [room], [rows], ([to], [from]) =>
    copyStrided(rows.dtype, rows.shape, from, rows.strides, to + offset, room.strides),
  );
}
