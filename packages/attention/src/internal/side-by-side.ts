import type { Tensor } from "@heed/tensor";
import { KEY, QUERY, VALUE, type Slots } from "./operands.ts";

/**
 * Whether query, key and value are the thirds of the columns of one array `[B, L, 3 · H · D]`, as one product of all three leaves them. Their
 * gradients are laid out alike, so that nobody has to bring them together.
 */
export function areSideBySide(slots: Slots): boolean {
  const [query, key, value] = [slots[QUERY]!, slots[KEY]!, slots[VALUE]!];
  const [B, H, L, D] = query.shape;
  const columns = 3 * H * D;
  const place = [L * columns, D, columns, 1];
  const isThird = (x: Tensor, index: number) =>
    x.storage === query.storage &&
    x.offset === query.offset + index * H * D &&
    x.shape.every((length, axis) => length === query.shape[axis]) &&
    x.strides.every((stride, axis) => stride === place[axis] || (axis === 0 && B === 1));
  return H > 1 && L > 1 && D > 0 && [query, key, value].every(isThird);
}
