import type { Conversion } from "./convert.ts";

type Items = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** A conversion in a plain loop. */
export function loop(source: () => Items, target: () => Items, one: (x: number) => number): Conversion {
  return (x, out, n) => {
    const from = source();
    const to = target();
    const start = (x >>> 0) / from.BYTES_PER_ELEMENT;
    const end = (out >>> 0) / to.BYTES_PER_ELEMENT;
    for (let i = 0; i < n; i++) to[end + i] = one(from[start + i]);
  };
}
