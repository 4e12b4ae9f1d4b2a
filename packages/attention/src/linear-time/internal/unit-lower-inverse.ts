import { concat, matmul, neg, ones, pad, reshape, slice, squeeze, stack, tensor, type Tensor } from "@heed/tensor";

/**
 * (I + T)⁻¹ of strictly lower triangular T `[…, C, C]`, C a power of two. Blocks on the diagonal are inverted pair by pair, from 1 × 1 up:
 * [[A, 0], [B, D]]⁻¹ = [[A⁻¹, 0], [−D⁻¹ B A⁻¹, D⁻¹]]. Unlike Σ (−T)ⁿ this stays accurate where powers of T are huge.
 */
export function unitLowerInverse(T: Tensor): Tensor {
  const C = T.shape.at(-1)!;
  const lead = T.shape.slice(0, -2);
  let inverses = ones([...lead, C, 1, 1], { dtype: T.dtype as "float32" }); // [..., blocks, size, size]
  for (let size = 1; size < C; size *= 2) {
    const count = C / size / 2;
    const of = (which: number) => {
      const each = reshape(inverses, [...lead, count, 2, size, size]);
      return squeeze(slice(each, -3, which, which + 1), -3);
    };
    const [upper, lower] = [of(0), of(1)];
    const below = stack(
      Array.from({ length: count }, (_, m) => {
        const row = (2 * m + 1) * size;
        return slice(slice(T, -2, row, row + size), -1, row - size, row);
      }),
      lead.length,
    );
    const corner = neg(matmul(matmul(lower, below), upper));
    const wider = pad(
      upper,
      upper.shape.map((_, axis): [number, number] => [0, axis === upper.rank - 1 ? size : 0]),
    );
    inverses = concat([wider, concat([corner, lower], -1)], -2);
  }
  return squeeze(inverses, lead.length);
}

/** Boolean `[n, n]`: column ≤ row. */
export function lowerTriangle(n: number): Tensor {
  const bits = Uint8Array.from({ length: n * n }, (_, at) => Number(at % n <= Math.floor(at / n)));
  return tensor(bits, { shape: [n, n], dtype: "bool" });
}
