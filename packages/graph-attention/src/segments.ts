import { rowKernels, viewsOf } from "@heed/kernels";
import { div, exp, indexSelect, maximum, mul, ShapeError, sub, tensor, type Tensor } from "@heed/tensor";
import { computeOne, packed, record, requireReal, sizeOf } from "@heed/tensor/operation";

/**
 * Adds rows that share a segment: x `[edgeCount, …]`, segment int32 `[edgeCount]` → `[count, …]`; a segment without rows is 0.
 * @throws {ShapeError} when there is not one segment per row. Segments must be in `[0, count)`: a `Graph` has checked its own.
 *
 * Time O(size of x).
 * @see PyTorch's `Tensor.index_add_`
 */
export function segmentSum(x: Tensor, segment: Tensor, count: number): Tensor {
  requireOnePerRow("segmentSum", x, segment);
  const dtype = requireReal("segmentSum", x.dtype);
  const shape = [count, ...x.shape.slice(1)];
  const width = sizeOf(x.shape.slice(1));
  const out = computeOne("segmentSum", [packed(x), segment], shape, dtype, ([rows, ids], to) => {
    const views = viewsOf(dtype);
    views.real().fill(0, to >>> views.shift, (to >>> views.shift) + count * width);
    if (segment.size > 0) rowKernels.on(dtype).scatterAddRows(rows, ids, to, segment.size, width);
  });
  return record("segmentSum", out, [x], [segment], (g) => [indexSelect(g, segment)]);
}

/**
 * The mean of the rows of each segment: x `[edgeCount, …]`, segment int32 `[edgeCount]` → `[count, …]`; 0 for a segment without rows. Errors as of
 * `segmentSum`. Time O(size of x).
 * @see PyTorch Geometric's `scatter`, with `reduce: "mean"`
 */
export function segmentMean(x: Tensor, segment: Tensor, count: number): Tensor {
  const sizes = new Float64Array(count);
  for (const s of segment.toTypedArray()) sizes[s]++;
  const divisors = tensor(
    sizes.map((size) => Math.max(1, size)),
    { dtype: x.dtype, shape: [count, ...x.shape.slice(1).map(() => 1)] },
  );
  return div(segmentSum(x, segment, count), divisors);
}

/**
 * Softmax over the rows of each segment, per column: scores `[edgeCount, H]` → weights `[edgeCount, H]`. Each segment's
 * maximum is taken out first. A row of −∞ gets 0, also when its whole segment is −∞.
 *
 * Letters: H columns. Time O(edgeCount H).
 * @see PyTorch Geometric's `softmax`
 */
export function segmentSoftmax(scores: Tensor, segment: Tensor, count: number): Tensor {
  requireOnePerRow("segmentSoftmax", scores, segment);
  const dtype = requireReal("segmentSoftmax", scores.dtype);
  const width = sizeOf(scores.shape.slice(1));
  const most = computeOne(
    "segmentSoftmax",
    [packed(scores.detach()), segment],
    [count, ...scores.shape.slice(1)],
    dtype,
    ([rows, ids], to) => {
      const views = viewsOf(dtype);
      const real = views.real();
      const segments = views.i32();
      const out = to >>> views.shift;
      real.fill(-Infinity, out, out + count * width);
      for (let e = 0; e < segment.size; e++) {
        const at = out + segments[(ids >>> 2) + e] * width;
        const from = (rows >>> views.shift) + e * width;
        for (let h = 0; h < width; h++) if (real[from + h] > real[at + h]) real[at + h] = real[from + h];
      }
      for (let i = out; i < out + count * width; i++) if (real[i] === -Infinity) real[i] = 0;
    },
  );
  return normalised(scores, most, segment, count);
}

function normalised(scores: Tensor, most: Tensor, segment: Tensor, count: number): Tensor {
  const powers = exp(sub(scores, indexSelect(most, segment)));
  const totals = segmentSum(powers, segment, count);
  // The least total of a segment with an open row is 1, e^0 of its maximum: the bound only serves empty segments.
  return mul(powers, indexSelect(div(1, maximum(totals, 1e-30)), segment));
}

function requireOnePerRow(where: string, x: Tensor, segment: Tensor): void {
  if (x.rank < 1 || segment.rank !== 1 || segment.shape[0] !== x.shape[0]) {
    throw new ShapeError(where, "there must be one segment per row", { x: x.shape, segment: segment.shape });
  }
}
