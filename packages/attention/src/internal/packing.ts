import { HeedError, ShapeError, squeeze, Tensor, transpose } from "@heed/tensor/light";
import type { AttentionOptions } from "../options.ts";

/** Sequences that lie one after the other. */
export interface Packing {
  readonly count: number;
  /** Where each starts, and the end of the last: `[count + 1]`. */
  readonly query: Int32Array;
  readonly key: Int32Array;
  /** The longest. */
  readonly L: number;
  readonly S: number;
  /** S − L of each sequence; a number where all agree. */
  readonly queryOffset: number | Int32Array;
}

export function packingOf(where: string, options: AttentionOptions, totalQueries: number, totalKeys: number): Packing {
  const query = startsOf(where, "cuSeqlensQuery", options.cuSeqlensQuery, totalQueries);
  const key = startsOf(where, "cuSeqlensKey", options.cuSeqlensKey, totalKeys);
  if (query.length !== key.length) {
    const both = { cuSeqlensQuery: query.length, cuSeqlensKey: key.length };
    throw new ShapeError(where, "cuSeqlensQuery and cuSeqlensKey must be of the same sequences", both);
  }
  const [L, S] = [lengthsOf(query), lengthsOf(key)];
  const offsets = S.map((length, b) => length - L[b]);
  return {
    count: query.length - 1,
    query,
    key,
    L: L.reduce((a, b) => Math.max(a, b), 0),
    S: S.reduce((a, b) => Math.max(a, b), 0),
    queryOffset: offsets.every((offset) => offset === offsets[0]) ? (offsets[0] ?? 0) : offsets,
  };
}

function startsOf(where: string, name: string, given: Tensor | Int32Array | undefined, total: number): Int32Array {
  if (given === undefined) throw new HeedError(where, `packed sequences need ${name} too`, {}, "Give both, also where they are equal.");
  if (given instanceof Tensor && (given.dtype !== "int32" || given.rank !== 1)) {
    throw new ShapeError(where, `${name} must be int32 [count + 1]`, { [name]: given.shape, dtype: given.dtype });
  }
  const starts = Int32Array.from(given instanceof Tensor ? given.toTypedArray() : given);
  if (starts.length < 1 || starts[0] !== 0 || starts.at(-1) !== total || starts.some((start, b) => b > 0 && start < starts[b - 1])) {
    const got = { [name]: [...starts.subarray(0, 8)], tokens: total };
    throw new HeedError(where, `${name} must begin with 0, never fall, and end with the number of tokens`, got);
  }
  return starts;
}

export function lengthsOf(starts: Int32Array): Int32Array {
  return Int32Array.from({ length: starts.length - 1 }, (_, b) => starts[b + 1] - starts[b]);
}

/** `[1, H, tokens, E]` → `[tokens, H, E]`. */
export function packedOutput(x: Tensor): Tensor {
  return squeeze(transpose(x, 1, 2), 0);
}
