import { int32View, ShapeError, viewsOf } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { requireReal } from "../core/dtype.ts";
import { normalizeAxis, sizeOf } from "../core/shape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { gather } from "./gather.ts";
import { widened } from "./widened.ts";

export interface TopKOptions {
  /** Default −1. */
  readonly axis?: number;
  /** The largest (default) or the smallest. */
  readonly largest?: boolean;
}

/**
 * The k largest elements along an axis, largest first (or the k smallest, smallest first), and where they were. Of equal
 * ones the first comes first. NaN counts as larger than everything.
 *
 * @returns `values` and int32 `indices`, both of x's shape with length k along the axis; values are differentiable
 * @throws {ShapeError} unless 0 ≤ k ≤ the length of the axis.
 *
 * Time O(n log n) per row of n.
 * @see PyTorch's `torch.topk`
 */
export function topK(x: Tensor, k: number, { axis = -1, largest = true }: TopKOptions = {}): { values: Tensor; indices: Tensor } {
  requireTensor("topK", "x", x);
  const at = normalizeAxis("topK", axis, x.rank);
  const n = x.shape[at];
  if (!Number.isInteger(k) || k < 0 || k > n)
    throw new ShapeError("topK", "k must be an integer from 0 to the length of the axis", { k, shape: x.shape, axis });
  const wide = widened(x);
  const dtype = requireReal("topK", wide.dtype);
  const [outer, inner] = [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at + 1))];
  const shape = x.shape.map((length, i) => (i === at ? k : length));
  const { real, shift } = viewsOf(dtype);
  const indices = computeOne("topK", [packed(wide)], shape, "int32", ([read], write) => {
    const reals = real();
    const ints = int32View();
    const order = new Int32Array(n);
    const rank = (value: number) => (Number.isNaN(value) ? Infinity : value);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const place = (j: number) => (read >>> shift) + (o * n + j) * inner + i;
        const descending = (a: number, b: number) => {
          const [p, q] = [reals[place(a)], reals[place(b)]];
          // Infinities of one sign are equal, not NaN apart; and a NaN stands above ∞.
          return rank(p) === rank(q) ? Number(Number.isNaN(q)) - Number(Number.isNaN(p)) : rank(q) - rank(p);
        };
        for (let j = 0; j < n; j++) order[j] = j;
        order.sort((a, b) => (largest ? descending(a, b) : descending(b, a)) || a - b);
        for (let j = 0; j < k; j++) ints[(write >>> 2) + (o * k + j) * inner + i] = order[j];
      }
    }
  });
  return { values: gather(wide, indices, at), indices };
}
