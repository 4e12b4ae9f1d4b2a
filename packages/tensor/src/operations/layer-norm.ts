import { normKernels, runItems, ShapeError } from "@heed/kernels";
import { compute, packed } from "../core/compute.ts";
import { bytesPer, requireReal } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { recordMany } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { recordFusedGradient, type Dense } from "./dense-gradient.ts";
import { runGradient, workPerElement } from "./internal/run-gradient.ts";
import { places, present, sameDType, spread, vector, wanted } from "./internal/parameters.ts";
import { rsqrt, square } from "./powers.ts";
import { mean } from "./reductions.ts";
import { reshape } from "./views.ts";
import { widened } from "./widened.ts";

export interface LayerNormOptions {
  /** How many of the last axes are normalised together. Default 1. */
  readonly axes?: number;
  /** Of the shape of those axes; ones when left out. */
  readonly weight?: Tensor;
  /** Of the shape of those axes; zeros when left out. */
  readonly bias?: Tensor;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

/**
 * Layer normalisation, `(x − mean) / √(variance + eps) · weight + bias`, over the last axes, with the biased variance. The
 * variance comes from differences to the mean, so rows far from 0 keep their digits.
 *
 * @throws {ShapeError} when weight or bias have not the shape of the normalised axes; {DTypeError} when dtypes differ.
 * @see Ba, Kiros and Hinton, 2016 (arXiv:1607.06450).
 */
export function layerNorm(x: Tensor, { axes = 1, weight, bias, eps = 1e-5 }: LayerNormOptions = {}): Tensor {
  requireTensor("layerNorm", "x", x);
  if (!Number.isInteger(axes) || axes < 1 || axes > x.rank) {
    throw new ShapeError("layerNorm", "axes counts the last axes to normalise, from 1 to the rank", { axes, shape: x.shape });
  }
  const inner = x.shape.slice(x.rank - axes);
  const operands = [widened(x), vector("layerNorm", "weight", weight, inner), vector("layerNorm", "bias", bias, inner)];
  const dtype = requireReal("layerNorm", operands[0]!.dtype);
  sameDType("layerNorm", { x: operands[0], weight: operands[1], bias: operands[2] });
  const n = sizeOf(inner);
  const width = bytesPer(dtype);
  const rows = sizeOf(x.shape.slice(0, x.rank - axes));
  const inputs = present(operands);
  const statistic = { shape: [rows], dtype };
  const [out, mu, rstd] = compute("layerNorm", inputs.map(packed), [{ shape: x.shape, dtype }, statistic, statistic], (reads, writes) => {
    const [from, atWeight, atBias] = places(reads, operands);
    const [to, toMean, toRstd] = writes;
    const args = (first: number, count: number) => {
      const [row, statistic] = [first * n * width, first * width];
      return [from + row, atWeight, atBias, to + row, toMean + statistic, toRstd + statistic, count, n, eps];
    };
    runItems(normKernels, dtype, "layerNorm", rows, args, { work: workPerElement * n, rows: true });
  });
  const dense: Dense = (...at) => {
    const [from, scale, shift] = spread(at, operands);
    const flat = reshape(from!, [rows, n]);
    const centred = sub(flat, mean(flat, 1, { keepDims: true }));
    const normal = mul(centred, rsqrt(add(mean(square(centred), 1, { keepDims: true }), eps)));
    const scaled = scale === undefined ? normal : mul(normal, reshape(scale, [n]));
    return [reshape(shift === undefined ? scaled : add(scaled, reshape(shift, [n])), x.shape)];
  };
  recordMany("layerNorm", [out], inputs, [...inputs, mu, rstd], ([g], needs) => {
    const [needX, needWeight, needBias] = wanted(needs, operands);
    const shapes = [needX ? x.shape : undefined, needWeight ? inner : undefined, needBias ? inner : undefined];
    const given = [operands[0], operands[1], mu, rstd, g];
    const found = compute(
      "layerNorm",
      present(given).map(packed),
      present(shapes).map((shape) => ({ shape, dtype })),
      (reads, writes) => {
        const [from, atWeight, atMean, atRstd, atG] = places(reads, given);
        const [dx, dweight, dbias] = places(writes, shapes);
        const args = (first: number, count: number, [toX, toWeight, toBias]: readonly number[]) => {
          const [row, statistic] = [first * n * width, first * width];
          const inputs = [from + row, atWeight, atMean + statistic, atRstd + statistic, atG + row];
          return [...inputs, toX && toX + row, toWeight, toBias, count, n];
        };
        runGradient(normKernels, dtype, "layerNormGrad", rows, args, [dx, dweight, dbias], workPerElement * n);
      },
    );
    const gradients = spread(found, shapes).filter((_, i) => operands[i] !== undefined);
    recordFusedGradient("gradient of layerNorm", gradients, inputs, [g!], dense);
    return gradients;
  });
  return out;
}
