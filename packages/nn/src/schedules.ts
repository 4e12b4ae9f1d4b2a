import { math } from "@heed/kernels";

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

/** The same rate always. */
export function constant(rate: number): Schedule {
  return () => rate;
}

/** Rises linearly, then falls along half a cosine wave. @see Loshchilov, Hutter 2017 (SGDR) */
export function cosine(options: WarmupOptions): Schedule {
  return afterWarmup(options, (progress) => (1 + math.cos(Math.PI * progress)) / 2);
}

/** Rises linearly, then falls linearly. */
export function linearDecay(options: WarmupOptions): Schedule {
  return afterWarmup(options, (progress) => 1 - progress);
}

/** base · width^−½ · min(s^−½, s · warmup^−1.5), s = step + 1. @see Vaswani et al. 2017, eq. 3 */
export function noam({ base = 1, width, warmup }: { readonly base?: number; readonly width: number; readonly warmup: number }): Schedule {
  return (step) => (base / Math.sqrt(width)) * Math.min(1 / Math.sqrt(step + 1), (step + 1) / (warmup * Math.sqrt(warmup)));
}

function afterWarmup({ base, warmup = 0, total, minimum = 0 }: WarmupOptions, shape: (progress: number) => number): Schedule {
  return (step) => {
    if (step < warmup) return (base * step) / warmup;
    const progress = total > warmup ? Math.min(1, (step - warmup) / (total - warmup)) : 1;
    return minimum + (base - minimum) * shape(progress);
  };
}
