import { normKernels, runItems, ShapeError, viewsOf } from "@heed/kernels";
import { compute, packed } from "../core/compute.ts";
import { requireReal } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { recordMany } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { denseGradient, recordFusedGradient, type Dense } from "./dense-gradient.ts";
import { places, present, sameDType, spread, vector, wanted } from "./internal/parameters.ts";
import { rsqrt, square } from "./powers.ts";
import { mean } from "./reductions.ts";
import { reshape } from "./views.ts";
import { widened } from "./widened.ts";

type ChannelKernel = "channelMoments" | "channelAffine" | "batchNormGrad";
/** What they do with an element, for `runItems`. They wait for memory: below a million elements two threads were no faster than one. */
const workPerElement = 2;
/** A pointer for a later channel; 0 stays. */
type Move = (at: number) => number;

export interface BatchNormOptions {
  /** `[C]`; ones when left out. */
  readonly weight?: Tensor;
  /** `[C]`; zeros when left out. */
  readonly bias?: Tensor;
  /** `[C]`, with `variance`: normalise by these (evaluation). Without them: by those of x (training). */
  readonly mean?: Tensor;
  /** `[C]` */
  readonly variance?: Tensor;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

/**
 * Batch normalisation, `(x − mean) / √(variance + eps) · weight + bias`, per channel.
 *
 * Letters: B batch, C channels.
 * @param x `[B, C, …]`; mean and variance (biased) of a channel are taken over all axes but C
 * @returns `output` of the shape of x, and the `mean` and `variance` `[C]` it used, which carry no gradient: for running averages
 * @throws {ShapeError} when x has fewer than two axes, or a parameter is not `[C]`; or one of mean and variance came alone.
 *
 * Time O(size of x).
 * @see Ioffe and Szegedy, 2015 (arXiv:1502.03167).
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): { output: Tensor; mean: Tensor; variance: Tensor } {
  requireTensor("batchNorm", "x", x);
  if (x.rank < 2) throw new ShapeError("batchNorm", "x must be [B, C, ...]", { shape: x.shape });
  if ((options.mean === undefined) !== (options.variance === undefined)) {
    throw new ShapeError("batchNorm", "mean and variance come together", { mean: options.mean?.shape, variance: options.variance?.shape });
  }
  const { eps = 1e-5 } = options;
  const [B, C] = x.shape;
  const channel = [C];
  const [weight, bias, fixedMean, fixedVariance] = (["weight", "bias", "mean", "variance"] as const).map((name) =>
    vector("batchNorm", name, options[name], channel),
  );
  const wide = widened(x);
  const dtype = requireReal("batchNorm", wide.dtype);
  sameDType("batchNorm", { x: wide, weight, bias, mean: fixedMean, variance: fixedVariance });
  const inner = sizeOf(x.shape.slice(2));
  const operands = [wide, weight, bias];
  const inputs = present(operands);
  const { real, shift } = viewsOf(dtype);
  /** Calls a kernel for all channels, on every thread for some of them: `pointers` moves those of images and of channels to the first. */
  const overChannels = (kernel: ChannelKernel, pointers: (image: Move, channel: Move) => readonly number[]): void => {
    const args = (first: number, count: number): readonly number[] => {
      const moveBy = (elements: number) => (at: number) => at && at + (elements << shift);
      return [...pointers(moveBy(first * inner), moveBy(first)), B, count, inner, C * inner];
    };
    runItems(normKernels, dtype, kernel, C, args, { work: workPerElement * B * inner, rows: true });
  };

  const given = [wide, weight, bias, fixedMean, fixedVariance];
  const statistic = { shape: channel, dtype };
  const [output, mu, variance, rstd] = compute(
    "batchNorm",
    present(given).map(packed),
    [{ shape: x.shape, dtype }, statistic, statistic, statistic],
    (reads, writes, scratch) => {
      const [atWeight, atBias, atMean, atVariance] = places(reads, given)
        .slice(1)
        .map((at) => at >>> shift);
      const [toMean, toVariance, toRstd] = writes.slice(1).map((at) => at >>> shift);
      const scale = scratch(C << shift);
      const offset = scratch(C << shift);
      if (fixedMean === undefined) {
        overChannels("channelMoments", (image, channel) => [image(reads[0]), channel(writes[1]), channel(writes[2])]);
      }
      const reals = real();
      for (let c = 0; c < C; c++) {
        if (fixedMean !== undefined) [reals[toMean + c], reals[toVariance + c]] = [reals[atMean + c], reals[atVariance + c]];
        const spreadOf = 1 / Math.sqrt(reals[toVariance + c] + eps);
        const factor = (weight === undefined ? 1 : reals[atWeight + c]) * spreadOf;
        reals[toRstd + c] = spreadOf;
        reals[(scale >>> shift) + c] = factor;
        reals[(offset >>> shift) + c] = (bias === undefined ? 0 : reals[atBias + c]) - reals[toMean + c] * factor;
      }
      overChannels("channelAffine", (image, channel) => [image(reads[0]), channel(scale), channel(offset), image(writes[0])]);
    },
  );

  const along = (vectorOfC: Tensor) => reshape(vectorOfC, [C, ...x.shape.slice(2).map(() => 1)]);
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const dense: Dense = (...at) => {
    const [from, factor, offset] = spread(at, operands);
    const centred = sub(from!, fixedMean === undefined ? mean(from!, axes, { keepDims: true }) : along(mu));
    const normal = mul(
      centred,
      rsqrt(add(fixedMean === undefined ? mean(square(centred), axes, { keepDims: true }) : along(variance), eps)),
    );
    const scaled = factor === undefined ? normal : mul(normal, along(factor));
    return [offset === undefined ? scaled : add(scaled, along(offset))];
  };
  recordMany("batchNorm", [output], inputs, [...inputs, mu, variance, rstd], ([g], needs) => {
    if (fixedMean !== undefined) return denseGradient(dense, inputs, [g]);
    const [needX] = wanted(needs, operands);
    const used = [wide, g, mu, rstd, weight];
    const shapes = [needX ? x.shape : undefined, channel, channel];
    const found = compute(
      "batchNorm",
      present(used).map(packed),
      present(shapes).map((shape) => ({ shape, dtype })),
      (reads, writes) => {
        const [from, atG, atMean, atRstd, atWeight] = places(reads, used);
        const [dx, dweight, dbias] = places(writes, shapes);
        overChannels("batchNormGrad", (image, channel) => [
          ...[from, atG].map(image),
          ...[atMean, atRstd, atWeight].map(channel),
          image(dx),
          channel(dweight),
          channel(dbias),
        ]);
      },
    );
    const gradients = spread(found, shapes).filter((_, i) => operands[i] !== undefined);
    recordFusedGradient("gradient of batchNorm", gradients, inputs, [g!], dense);
    return gradients;
  });
  return { output, mean: mu, variance };
}
