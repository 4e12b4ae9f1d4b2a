import { expand, reshape, unsqueeze, type Tensor } from "@heed/tensor";

/** `[B, Hkv, …]` → `[B, H, …]`: a score may have parameters per head, so it sees every head's keys. */
export function repeatHeads(x: Tensor, group: number): Tensor {
  if (group === 1) return x;
  const [B, Hkv, ...rest] = x.shape;
  return reshape(expand(unsqueeze(x, 2), [B, Hkv, group, ...rest]), [B, Hkv * group, ...rest]);
}
