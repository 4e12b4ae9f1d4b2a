import { UnsupportedError } from "./errors.ts";
import { features } from "./features.ts";
import { linearMemory } from "./memory/linear-memory.ts";
import { activeBuild, configuration, settle, type Build, type Configuration } from "./settings.ts";
import { settlePending } from "./threads/pending.ts";
import { stopPool, workersTakingPart } from "./threads/pool.ts";
import { runParallel } from "./threads/run-parallel.ts";
import { askForThreads } from "./threads/run-where-asked.ts";
import { wideMode } from "./wide/wide-mode.ts";
import { allowWide } from "./wide/wide.ts";

export { activeBuild, configuration, type Build, type Configuration } from "./settings.ts";

/**
 * Sets how kernels run from now on; what is left out stays as it is.
 *
 * @throws {UnsupportedError} when the engine lacks what is asked for, or `deterministic` meets the `relaxed` build;
 * nothing has changed then.
 */
export function configure(change: Partial<Configuration>): void {
  const before = configuration();
  const next = { ...before, ...change };
  const { simd, relaxedSimd } = features();
  if (!["fast", "deterministic"].includes(next.precision) || !["auto", "reference", "simd", "relaxed"].includes(next.backend)) {
    throw new UnsupportedError("configure", "precision is fast or deterministic, backend is auto, reference, simd or relaxed", {
      precision: next.precision,
      backend: next.backend,
    });
  }
  if ((next.backend === "simd" && !simd) || (next.backend === "relaxed" && !relaxedSimd)) {
    throw new UnsupportedError(
      "configure",
      "this engine has no such build",
      { backend: next.backend, simd, relaxedSimd },
      'Use backend: "auto".',
    );
  }
  if (next.precision === "deterministic" && next.backend === "relaxed") {
    throw new UnsupportedError(
      "configure",
      "the relaxed build rounds differently from engine to engine",
      { precision: next.precision, backend: next.backend },
      'Use precision: "fast", or leave the backend to "auto".',
    );
  }
  if (next.threads !== "auto" && !(Number.isInteger(next.threads) && next.threads >= 1)) {
    throw new UnsupportedError("configure", 'threads is a whole number from 1 on, or "auto"', { threads: next.threads });
  }
  if (next.threads !== before.threads || next.workerUrl !== before.workerUrl) stopPool();
  settlePending();
  if (next.wide) allowWide();
  askForThreads(runParallel);
  settle(next);
}

/** What `backend` reports. */
export interface Backend {
  readonly build: "reference" | Build;
  readonly precision: Configuration["precision"];
  /** Whether the wide build runs: "off", "on" (but for families that it names), or why it cannot. */
  readonly wide: string;
  /** How many threads take part now. */
  readonly threads: number;
  readonly sharedMemory: boolean;
}

/** What runs, for reports. */
export function backend(): Backend {
  const { precision, wide } = configuration();
  return {
    build: activeBuild(),
    precision,
    wide: wide ? wideMode()!.state() : "off",
    threads: 1 + workersTakingPart(),
    sharedMemory: linearMemory().isShared,
  };
}
