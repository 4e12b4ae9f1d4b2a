import { reshape, transpose, type Tensor } from "@heed/tensor";

/** `[B, L, H · D]`, head after head → `[B, H, L, D]`. */
export function splitHeads(x: Tensor, H: number): Tensor {
  const [B, L, width] = x.shape as [number, number, number];
  return transpose(reshape(x, [B, L, H, width / H]), 1, 2);
}

/** The way back. */
export function joinHeads(x: Tensor): Tensor {
  const [B, H, L, D] = x.shape as [number, number, number, number];
  return reshape(transpose(x, 1, 2), [B, L, H * D]);
}
