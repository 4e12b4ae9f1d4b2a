import { unaryKernels } from "@heed/kernels";
import { abs, HeedError, max, noGrad, norm, scope, sum, type Tensor } from "@heed/tensor";
import { mutateRuns, requireReal } from "@heed/tensor/operation";

export interface ClipOptions {
  /** 1, 2 (default) or "inf". */
  readonly normType?: 1 | 2 | "inf";
}

/**
 * Multiplies all gradients, of any shapes, by `min(1, maxNorm / (norm + 1e-6))` of their joint norm, and returns that norm as it was. Parameters
 * without a gradient are passed over. Where the norm is NaN, gradients stay as they are; where it is infinite, they become 0 or NaN: look at what is
 * returned.
 * @throws {HeedError} unless maxNorm is above 0.
 *
 * Time O(size of the gradients), in two passes.
 * @see Pascanu, Mikolov, Bengio 2013 (arXiv:1211.5063)
 */
export function clipGradNorm(parameters: Iterable<Tensor>, maxNorm: number, { normType = 2 }: ClipOptions = {}): number {
  if (!(maxNorm > 0)) throw new HeedError("clipGradNorm", "maxNorm must be above 0", { maxNorm });
  if (normType !== 1 && normType !== 2 && normType !== "inf")
    throw new HeedError("clipGradNorm", 'normType is 1, 2 or "inf"', { normType });
  const gradients = [...parameters].flatMap(({ heldGrad }) => (heldGrad === null ? [] : [heldGrad]));
  const total = noGrad(() =>
    scope(() =>
      jointNorm(
        gradients.filter(({ size }) => size > 0),
        normType,
      ),
    ),
  );
  const factor = Math.min(1, maxNorm / (total + 1e-6));
  if (factor < 1) {
    // Gradients of a resident model lie in one piece: one call.
    const rows = gradients.map((gradient) => ({ targets: [gradient], inputs: [], group: gradient.dtype }));
    mutateRuns("clipGradNorm", rows, ([at], row, elements) => {
      if (elements > 0) unaryKernels.on(requireReal("clipGradNorm", gradients[row].dtype)).scale(at, at, elements, factor, 0);
    });
  }
  return total;
}

function jointNorm(gradients: readonly Tensor[], normType: 1 | 2 | "inf"): number {
  if (normType === "inf") return gradients.reduce((most, g) => Math.max(most, max(abs(g)).item()), 0);
  if (normType === 1) return gradients.reduce((total, g) => total + sum(abs(g)).item(), 0);
  return Math.sqrt(
    gradients.reduce((total, g) => {
      const length = norm(g).item();
      return total + length * length;
    }, 0),
  );
}
