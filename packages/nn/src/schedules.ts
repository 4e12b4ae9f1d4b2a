import { math } from "@heed/kernels";
import { HeedError } from "@heed/tensor";
import { requireRate } from "./internal/require.ts";

/** The learning rate of update number `step` = 0, 1, 2 … */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  /** The highest rate. */
  readonly base: number;
  /** Updates of rising rate: base · step / warmup, so 0 at step 0. Default 0. */
  readonly warmup?: number;
  /** The update at which the fall ends. */
  readonly total: number;
  /** Where it ends. Default 0. */
  readonly minimum?: number;
}

/**
 * The same rate always. Time O(1) a step.
 * @throws {HeedError} for a rate that is negative or not finite.
 * @see Elementary: a constant
 */
export function constant(rate: number): Schedule {
  requireRate("constant", "rate", rate);
  return () => rate;
}

/**
 * Rises linearly to `base` during `warmup` updates, then falls along half a cosine wave to `minimum` at update `total`, where it stays:
 * `minimum + (base − minimum) · (1 + cos(π · progress)) / 2`.
 * @throws {HeedError} for rates or counts that are negative or not finite.
 *
 * Time O(1) a step.
 * @see Loshchilov, Hutter 2017 (SGDR, arXiv:1608.03983)
 */
export function cosine(options: WarmupOptions): Schedule {
  return afterWarmup("cosine", options, (progress) => (1 + math.cos(Math.PI * progress)) / 2);
}

/**
 * As `cosine`, but falls linearly: `minimum + (base − minimum) · (1 − progress)`. Time O(1) a step.
 * @throws as `cosine`.
 * @see Elementary: a line
 */
export function linearDecay(options: WarmupOptions): Schedule {
  return afterWarmup("linearDecay", options, (progress) => 1 - progress);
}

/**
 * `base · width^−½ · min(s^−½, s · warmup^−1.5)` with s = step + 1: rises linearly, then falls with the root of the step. Its highest rate is
 * base / √(width · warmup).
 * @throws {HeedError} unless width and warmup are above 0.
 *
 * Time O(1) a step.
 * @see Vaswani et al. 2017, eq. 3 (arXiv:1706.03762)
 */
export function noam({ base = 1, width, warmup }: { readonly base?: number; readonly width: number; readonly warmup: number }): Schedule {
  requireRate("noam", "base", base);
  if (!(width > 0 && warmup > 0)) throw new HeedError("noam", "width and warmup must be above 0", { width, warmup });
  return (step) => (base / Math.sqrt(width)) * Math.min(1 / Math.sqrt(step + 1), (step + 1) / (warmup * Math.sqrt(warmup)));
}

function afterWarmup(
  where: string,
  { base, warmup = 0, total, minimum = 0 }: WarmupOptions,
  shape: (progress: number) => number,
): Schedule {
  for (const [name, value] of Object.entries({ base, warmup, total, minimum })) requireRate(where, name, value);
  return (step) => {
    if (step < warmup) return (base * step) / warmup;
    const progress = total > warmup ? Math.min(1, (step - warmup) / (total - warmup)) : 1;
    return minimum + (base - minimum) * shape(progress);
  };
}
