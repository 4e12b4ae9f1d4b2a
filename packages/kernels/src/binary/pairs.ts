import type { Binary } from "./binary.ts";

/** Typed arrays over the memory, and log₂ of the bytes of an item. */
export interface Kind {
  items(): Float32Array | Float64Array | Int32Array | Uint8Array;
  shift: number;
}

export function pairs(from: Kind, to: Kind, one: (a: number, b: number) => number): Binary {
  return (a, aOuter, aInner, b, bOuter, bInner, out, outer, inner) => {
    const [source, target] = [from.items(), to.items()];
    const [aStart, bStart, start] = [a >>> from.shift, b >>> from.shift, out >>> to.shift];
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < inner; j++) {
        target[start + i * inner + j] = one(source[aStart + i * aOuter + j * aInner]!, source[bStart + i * bOuter + j * bInner]!);
      }
    }
  };
}
