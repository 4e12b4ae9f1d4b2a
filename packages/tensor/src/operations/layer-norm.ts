import { normKernels, runItems, ShapeError } from "@heed/kernels";
import { compute, packed } from "../core/compute.ts";
import { bytesPer, requireReal } from "../core/dtype.ts";
import { sameShape, sizeOf } from "../core/shape.ts";
import { recordMany } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { recordFusedGradient, type Dense } from "./dense-gradient.ts";
import { aroundBand, bandOf, inBand } from "./internal/band.ts";
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
 *
 * Time O(size of x).
 * @see Ba, Kiros and Hinton, 2016 (arXiv:1607.06450)
 */
export function layerNorm(x: Tensor, options: LayerNormOptions = {}): Tensor {
  return normalise("layerNorm", x, undefined, options)[0];
}

/**
 * `sum = x + residual` and `output = layerNorm(sum)` in one pass, as a residual connection and the norm behind it want them.
 *
 * @param residual of the shape and dtype of x
 * @throws {ShapeError} when the two differ in shape; else as `layerNorm`.
 *
 * Time O(size of x).
 * @see Ba, Kiros and Hinton, 2016 (arXiv:1607.06450)
 */
export function addLayerNorm(x: Tensor, residual: Tensor, options: LayerNormOptions = {}): { sum: Tensor; output: Tensor } {
  requireTensor("addLayerNorm", "residual", residual);
  requireTensor("addLayerNorm", "x", x);
  if (!sameShape(x.shape, residual.shape)) {
    throw new ShapeError("addLayerNorm", "x and residual must have one shape", { x: x.shape, residual: residual.shape });
  }
  const [output, sum] = normalise("addLayerNorm", x, residual, options);
  return { sum, output };
}

/** The normalised sum, and the sum where there is a residual. */
function normalise(
  where: string,
  x: Tensor,
  residual: Tensor | undefined,
  { axes = 1, weight, bias, eps = 1e-5 }: LayerNormOptions,
): Tensor[] {
  requireTensor(where, "x", x);
  if (!Number.isInteger(axes) || axes < 1 || axes > x.rank) {
    throw new ShapeError(where, "axes counts the last axes to normalise, from 1 to the rank", { axes, shape: x.shape });
  }
  const [lead, inner] = [x.shape.slice(0, x.rank - axes), x.shape.slice(x.rank - axes)];
  const added = residual === undefined ? undefined : widened(residual);
  const operands = [widened(x), vector(where, "weight", weight, inner), vector(where, "bias", bias, inner), added];
  const dtype = requireReal(where, operands[0]!.dtype);
  sameDType(where, { x: operands[0], weight: operands[1], bias: operands[2], residual: added });
  const n = sizeOf(inner);
  const width = bytesPer(dtype);
  const rows = sizeOf(lead);
  const inputs = present(operands);
  const [statistic, whole] = [
    { shape: [rows], dtype },
    { shape: x.shape, dtype },
  ];
  const specs = [whole, statistic, statistic, ...(added === undefined ? [] : [whole])];
  const [out, mu, rstd, sum] = compute(where, inputs.map(packed), specs, (reads, writes) => {
    const [from, atWeight, atBias, atResidual] = places(reads, operands);
    const [to, toMean, toRstd, toSum] = writes;
    const args = (first: number, count: number) => {
      const [row, statistic] = [first * n * width, first * width];
      const terms = added === undefined ? [from + row] : [from + row, atResidual + row, toSum + row];
      return [...terms, atWeight, atBias, to + row, toMean + statistic, toRstd + statistic, count, n, eps];
    };
    const kernel = added === undefined ? "layerNorm" : "addLayerNorm";
    runItems(normKernels, dtype, kernel, rows, args, { work: workPerElement * n, rows: true });
  });
  const dense: Dense = (...at) => {
    const [from, scale, shift, other] = spread(at, operands);
    const total = other === undefined ? from! : add(from!, other);
    const flat = reshape(total, [rows, n]);
    const centred = sub(flat, mean(flat, 1, { keepDims: true }));
    const normal = mul(centred, rsqrt(add(mean(square(centred), 1, { keepDims: true }), eps)));
    const scaled = scale === undefined ? normal : mul(normal, reshape(scale, [n]));
    return [reshape(shift === undefined ? scaled : add(scaled, reshape(shift, [n])), x.shape), total];
  };
  const normalised = sum?.detach() ?? operands[0]!;
  const outputs = sum === undefined ? [out] : [out, sum];
  recordMany(where, outputs, inputs, [...inputs, mu, rstd, normalised], ([g, more], needs) => {
    const [needX, needWeight, needBias, needResidual] = wanted(needs, operands);
    const filled = (slots: (Tensor | undefined)[]) => slots.filter((_, i) => operands[i] !== undefined);
    if (g === undefined) return filled([more, undefined, undefined, more]);
    const band = bandOf([g, more], lead.length);
    const part = (each: Tensor) => inBand(each, band);
    const [from, cotangent, other] = [part(normalised), part(g), more && part(more)];
    const [means, scales] = [mu, rstd].map((each) => part(reshape(each, lead)));
    const shapes = [needX || needResidual ? from.shape : undefined, needWeight ? inner : undefined, needBias ? inner : undefined];
    const given = [from, operands[1], means, scales, cotangent, other];
    const found = compute(
      where,
      present(given).map(packed),
      present(shapes).map((shape) => ({ shape, dtype })),
      (reads, writes) => {
        const [from, atWeight, atMean, atRstd, atG, atMore] = places(reads, given);
        const [dx, dweight, dbias] = places(writes, shapes);
        const args = (first: number, count: number, [toX, toWeight, toBias]: readonly number[]) => {
          const [row, statistic] = [first * n * width, first * width];
          const cotangents = more === undefined ? [atG + row] : [atG + row, atMore + row];
          return [
            from + row,
            atWeight,
            atMean + statistic,
            atRstd + statistic,
            ...cotangents,
            toX && toX + row,
            toWeight,
            toBias,
            count,
            n,
          ];
        };
        const kernel = more === undefined ? "layerNormGrad" : "addLayerNormGrad";
        runGradient(normKernels, dtype, kernel, sizeOf(means.shape), args, [dx, dweight, dbias], workPerElement * n);
      },
    );
    const [dpart, dweight, dbias] = spread(found, shapes);
    const dx = dpart && aroundBand(dpart, x.shape, band);
    const gradients = filled([needX ? dx : undefined, dweight, dbias, needResidual ? dx : undefined]);
    recordFusedGradient(`gradient of ${where}`, gradients, inputs, more === undefined ? [g] : [g, more], dense);
    return gradients;
  });
  return outputs;
}
