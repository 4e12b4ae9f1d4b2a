import { indexSelect, reshape, tensor, transpose, type Tensor } from "@heed/tensor";
import { lengthsOf, type Packing } from "./packing.ts";

/** `[1, H, tokens, D]` → `[count, H, longest, D]`: rows past the end of a sequence hold those of others. */
export function unpacked(x: Tensor, starts: Int32Array, longest: number): Tensor {
  const [, H, tokens, D] = x.shape;
  const count = starts.length - 1;
  const rows = new Int32Array(count * longest);
  for (let b = 0; b < count; b++) for (let i = 0; i < longest; i++) rows[b * longest + i] = Math.min(starts[b] + i, tokens - 1);
  return transpose(reshape(indexSelect(x, tensor(rows), 2), [H, count, longest, D]), 0, 1);
}

/** The way back, of `[count, H, longest]` with any axes behind: `[1, H, tokens, …]`. */
export function repacked(x: Tensor, starts: Int32Array): Tensor {
  const [count, H, longest, ...rest] = x.shape;
  const rows = new Int32Array(starts[count]);
  for (let b = 0; b < count; b++) for (let at = starts[b]; at < starts[b + 1]; at++) rows[at] = b * longest + at - starts[b];
  return indexSelect(reshape(transpose(x, 0, 1), [1, H, count * longest, ...rest]), tensor(rows), 2);
}

/** Boolean `[count, 1, L, S]`: pairs of rows that are there. */
export function validPairs({ query, key, L, S, count }: Packing): Tensor {
  const bits = new Uint8Array(count * L * S);
  const [queries, keys] = [lengthsOf(query), lengthsOf(key)];
  for (let b = 0; b < count; b++) for (let i = 0; i < queries[b]; i++) bits.fill(1, (b * L + i) * S, (b * L + i) * S + keys[b]);
  return tensor(bits, { shape: [count, 1, L, S], dtype: "bool" });
}
