import { normKernels, runItems, ShapeError } from "@heed/kernels";
import { compute, packed } from "../core/compute.ts";
import { bytesPer, requireReal } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { recordMany } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { add, mul } from "./arithmetic.ts";
import { recordFusedGradient, type Dense } from "./dense-gradient.ts";
import { aroundBand, bandOf, inBand } from "./internal/band.ts";
import { runGradient, workPerElement } from "./internal/run-gradient.ts";
import { places, present, sameDType, spread, vector, wanted } from "./internal/parameters.ts";
import { rsqrt, square } from "./powers.ts";
import { mean } from "./reductions.ts";
import { reshape } from "./views.ts";
import { widened } from "./widened.ts";

export interface RmsNormOptions {
  /** `[width]` of the last axis; ones when left out. */
  readonly weight?: Tensor;
  /** Added to the mean square. Default 1e-6. */
  readonly eps?: number;
}

/**
 * Root mean square normalisation, `x / √(mean(x²) + eps) · weight`, over the last axis, any shape → the same.
 * @throws {ShapeError} when weight has not the length of the last axis; {DTypeError} when dtypes differ.
 *
 * Time O(size of x).
 * @see Zhang and Sennrich, 2019 (arXiv:1910.07467)
 */
export function rmsNorm(x: Tensor, { weight, eps = 1e-6 }: RmsNormOptions = {}): Tensor {
  requireTensor("rmsNorm", "x", x);
  if (x.rank === 0) throw new ShapeError("rmsNorm", "x must have at least one axis", { shape: x.shape });
  const [lead, inner] = [x.shape.slice(0, -1), x.shape.slice(-1)];
  const operands = [widened(x), vector("rmsNorm", "weight", weight, inner)];
  const dtype = requireReal("rmsNorm", operands[0]!.dtype);
  sameDType("rmsNorm", { x: operands[0], weight: operands[1] });
  const n = inner[0];
  const width = bytesPer(dtype);
  const rows = sizeOf(lead);
  const inputs = present(operands);
  const [out, rstd] = compute(
    "rmsNorm",
    inputs.map(packed),
    [
      { shape: x.shape, dtype },
      { shape: [rows], dtype },
    ],
    (reads, writes) => {
      const [from, atWeight] = places(reads, operands);
      const [to, toRstd] = writes;
      const args = (first: number, count: number) => {
        const [row, statistic] = [first * n * width, first * width];
        return [from + row, atWeight, to + row, toRstd + statistic, count, n, eps];
      };
      runItems(normKernels, dtype, "rmsNorm", rows, args, { work: workPerElement * n, rows: true });
    },
  );
  const dense: Dense = (...at) => {
    const [from, scale] = spread(at, operands);
    const normal = mul(from!, rsqrt(add(mean(square(from!), -1, { keepDims: true }), eps)));
    return [scale === undefined ? normal : mul(normal, scale)];
  };
  recordMany("rmsNorm", [out], inputs, [...inputs, rstd], ([g], needs) => {
    const [needX, needWeight] = wanted(needs, operands);
    const band = bandOf([g], lead.length);
    const [from, scales, cotangent] = [operands[0]!, reshape(rstd, lead), g!].map((each) => inBand(each, band));
    const shapes = [needX ? from.shape : undefined, needWeight ? inner : undefined];
    const given = [from, operands[1], scales, cotangent];
    const found = compute(
      "rmsNorm",
      present(given).map(packed),
      present(shapes).map((shape) => ({ shape, dtype })),
      (reads, writes) => {
        const [from, atWeight, atRstd, atG] = places(reads, given);
        const [dx, dweight] = places(writes, shapes);
        const args = (first: number, count: number, [toX, toWeight]: readonly number[]) => {
          const row = first * n * width;
          return [from + row, atWeight, atRstd + first * width, atG + row, toX && toX + row, toWeight, count, n];
        };
        runGradient(normKernels, dtype, "rmsNormGrad", sizeOf(scales.shape), args, [dx, dweight], workPerElement * n);
      },
    );
    const [dx, dweight] = spread(found, shapes);
    const gradients = [dx && aroundBand(dx, x.shape, band), dweight].filter((_, i) => operands[i] !== undefined);
    recordFusedGradient("gradient of rmsNorm", gradients, inputs, [g!], dense);
    return gradients;
  });
  return out;
}
