import { DTypeError, HeedError, runItems, ShapeError, softmaxKernels } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { tensor } from "../core/construct.ts";
import { bytesPer, requireReal, type RealDType } from "../core/dtype.ts";
import { sameShape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { mul, neg } from "./arithmetic.ts";
import { recordFusedGradient, type Dense } from "./dense-gradient.ts";
import { sum } from "./sum.ts";
import { logSoftmax } from "./softmax.ts";
import { reshape } from "./views.ts";
import { widened } from "./widened.ts";

export interface CrossEntropyOptions {
  /** `mean` (default) over the positions that are not ignored, `sum` over them, or `none`: one loss per position, 0 where ignored. */
  readonly reduction?: "mean" | "sum" | "none";
  /** Share of the target's weight that is spread evenly over all classes, from 0 (default) to 1. */
  readonly labelSmoothing?: number;
  /** Positions with this target count 0 and get no gradient. Default: none. */
  readonly ignoreIndex?: number;
}

/**
 * Cross entropy of logits against classes, `−Σ_c q_c ln softmax(logits)_c` with
 * `q = (1 − labelSmoothing) · onehot(target) + labelSmoothing / C`, fused so that no probabilities are stored.
 *
 * Letters: C classes.
 * @param logits `[…, C]`
 * @param target `[…]` int32, from 0 to C − 1 or `ignoreIndex`
 * @returns a scalar, or `[…]` with reduction `none`. A mean over nothing, all positions ignored, is NaN.
 * @throws {ShapeError} when shapes disagree; {DTypeError} unless logits are float and targets int32; {HeedError} for a target that is no class.
 *
 * Time O(size of logits).
 * @see PyTorch's `torch.nn.functional.cross_entropy`
 */
export function crossEntropy(
  logits: Tensor,
  target: Tensor,
  { reduction = "mean", labelSmoothing = 0, ignoreIndex }: CrossEntropyOptions = {},
): Tensor {
  requireTensor("crossEntropy", "logits", logits);
  requireTensor("crossEntropy", "target", target);
  const wide = widened(logits);
  const dtype = requireReal("crossEntropy", wide.dtype);
  if (logits.rank === 0 || !sameShape(logits.shape.slice(0, -1), target.shape)) {
    throw new ShapeError("crossEntropy", "target must have the shape of logits [..., C] without its last axis", {
      logits: logits.shape,
      target: target.shape,
    });
  }
  if (target.dtype !== "int32")
    throw new DTypeError("crossEntropy", "target must be int32", { target: target.dtype }, 'Convert: cast(target, "int32").');
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new HeedError("crossEntropy", "labelSmoothing must be from 0 to 1", { labelSmoothing });
  if (!["mean", "sum", "none"].includes(reduction)) throw new HeedError("crossEntropy", "reduction is mean, sum or none", { reduction });
  const counted = countTargets(target, logits.shape.at(-1)!, ignoreIndex);

  const losses = lossesOf(wide, target, dtype, labelSmoothing, ignoreIndex);
  if (reduction === "none") return losses;
  const total = sum(losses);
  return reduction === "sum" ? total : mul(total, 1 / counted);
}

/** How many are not ignored; throws for one that is no class. */
function countTargets(target: Tensor, classes: number, ignoreIndex: number | undefined): number {
  let counted = 0;
  target.toTypedArray().forEach((value: number, position: number) => {
    if (value === ignoreIndex) return;
    if (value < 0 || value >= classes) {
      throw new HeedError(
        "crossEntropy",
        "targets must be classes, from 0 to C - 1",
        { target: value, position, C: classes },
        "Mark positions to leave out with ignoreIndex.",
      );
    }
    counted++;
  });
  return counted;
}

/** What no target is: int32's least number, where nothing is to be ignored. */
const NOTHING = -2_147_483_648;

/** For `runItems`: most of it is the exponential. */
const workPerElement = 30;

function lossesOf(logits: Tensor, target: Tensor, dtype: RealDType, smoothing: number, ignore: number = NOTHING): Tensor {
  const n = logits.shape.at(-1)!;
  const rows = target.size;
  const width = bytesPer(dtype);
  const out = computeOne("crossEntropy", [packed(logits), packed(target)], target.shape, dtype, ([from, ids], write) => {
    const args = (first: number, count: number) => {
      return [from + first * n * width, ids + 4 * first, write + first * width, count, n, smoothing, ignore];
    };
    runItems(softmaxKernels, dtype, "crossEntropy", rows, args, { work: workPerElement * n, rows: true });
  });
  return record("crossEntropy", out, [logits], [logits, target], (g) => {
    const dlogits = computeOne(
      "gradient of crossEntropy",
      [packed(logits), packed(target), packed(g)],
      logits.shape,
      dtype,
      ([from, ids, atG], write) => {
        const args = (first: number, count: number) => {
          const [logit, other] = [first * n * width, first * width];
          return [from + logit, ids + 4 * first, atG + other, write + logit, count, n, smoothing, ignore];
        };
        runItems(softmaxKernels, dtype, "crossEntropyGrad", rows, args, { work: workPerElement * n, rows: true });
      },
    );
    const dense: Dense = (at) => [
      neg(reshape(sum(mul(logSoftmax(reshape(at, [rows, n])), weightsOf(target, n, dtype, smoothing, ignore)), 1), target.shape)),
    ];
    recordFusedGradient("gradient of crossEntropy", [dlogits], [logits], [g], dense);
    return [dlogits];
  });
}

/** q of the definition `[rows, C]`, zeros where ignored. */
function weightsOf(target: Tensor, classes: number, dtype: RealDType, smoothing: number, ignore: number): Tensor {
  const ids = target.toTypedArray();
  const q = new Float64Array(ids.length * classes);
  ids.forEach((id: number, row: number) => {
    if (id === ignore) return;
    q.fill(smoothing / classes, row * classes, (row + 1) * classes);
    q[row * classes + id] += 1 - smoothing;
  });
  return tensor(q, { shape: [ids.length, classes], dtype });
}
