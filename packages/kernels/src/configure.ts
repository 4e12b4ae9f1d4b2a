import { UnsupportedError } from "./errors.ts";
import { features } from "./features.ts";
import { linearMemory } from "./memory/linear-memory.ts";
import { wideObstacle, wideState } from "./wide/wide-obstacle.ts";
import { stopPool, workersTakingPart } from "./threads/pool.ts";

/**
 * A WebAssembly build: `relaxed` uses fused multiply-add where the engine has it; `simd` gives the same bits on every engine; `wide`
 * is `relaxed` in pairs of vectors, for engines that make one of 256 bits of a pair.
 */
export type Build = "relaxed" | "simd" | "wide";

export interface Configuration {
  /** `fast` (default) or `deterministic`: the same bits on every engine and at any number of threads. */
  precision: "fast" | "deterministic";
  /** Which implementation runs float32: `auto` (default) takes the best that the engine has and the precision allows. */
  backend: "auto" | "reference" | Exclude<Build, "wide">;
  /**
   * Where the build would be `relaxed`: the `wide` one instead, for up to twice the speed. Needs Node.js 24 to 26 and an experimental
   * flag of its engine, which is set while our modules compile; where that has no effect nothing changes, and `backend()` says why.
   */
  wide: boolean;
  /** Remembers which call made each live block (`memory().blocks`); slow. */
  debug: boolean;
  /**
   * Threads that share large work, this one included: `auto` (default) takes as many as the machine can run at once, at most 16;
   * 1 starts no worker. They start once a program has lasted a while, and only where memory can be shared.
   */
  threads: number | "auto";
  /**
   * Where workers load their program from, `@heed/kernels/worker`: for pages whose content security policy forbids workers from
   * blobs. By default they need no file.
   */
  workerUrl: string | undefined;
}

/** Replaced as a whole by each change, so that what `configuration` gave stays as it was. */
let settings: Readonly<Configuration> = /* @__PURE__ */ Object.freeze({
  precision: "fast",
  backend: "auto",
  wide: false,
  debug: false,
  threads: "auto",
  workerUrl: undefined,
});
let active: "reference" | Build | undefined;
let warned = false;

/**
 * Sets how kernels run from now on; what is left out stays as it is.
 *
 * @throws {UnsupportedError} when the engine lacks what is asked for, or `deterministic` meets the `relaxed` build;
 * nothing has changed then.
 */
export function configure(change: Partial<Configuration>): void {
  const next = { ...settings, ...change };
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
  if (next.threads !== settings.threads || next.workerUrl !== settings.workerUrl) stopPool();
  settings = Object.freeze(next);
  active = undefined;
}

/** The settings in force: later changes do not reach what this gave. */
export function configuration(): Readonly<Configuration> {
  return settings;
}

/** The implementation that runs float32 now. Without WebAssembly SIMD it is the reference, after one warning. */
export function activeBuild(): "reference" | Build {
  return (active ??= choose());
}

function choose(): "reference" | Build {
  if (settings.backend !== "auto") return settings.backend;
  const { simd, relaxedSimd } = features();
  if (!simd) {
    if (!warned) console.warn("heed: this engine has no WebAssembly SIMD; plain loops run instead, correct but slow.");
    warned = true;
    return "reference";
  }
  if (settings.precision !== "fast" || !relaxedSimd) return "simd";
  return settings.wide && wideObstacle() === undefined ? "wide" : "relaxed";
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
  const { precision, wide } = settings;
  return {
    build: activeBuild(),
    precision,
    wide: wide ? wideState() : "off",
    threads: 1 + workersTakingPart(),
    sharedMemory: linearMemory().isShared,
  };
}
