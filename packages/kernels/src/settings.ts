import { features } from "./features.ts";
import { wideMode } from "./wide/wide-mode.ts";

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

/** Takes other settings, checked by `configure`. */
export function settle(next: Configuration): void {
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
  if (settings.precision !== "fast" || !relaxedSimd || spillsMultiplyAdds()) return "simd";
  return settings.wide && wideMode()?.obstacle() === undefined ? "wide" : "relaxed";
}

/**
 * V8 12 (Node.js 22) puts all loads of a tile's step before its multiply-adds, runs out of registers and spills: products in the relaxed build run at
 * 27 GFLOP/s where those in plain SIMD run at 43.
 */
function spillsMultiplyAdds(): boolean {
  const { process } = globalThis as { process?: { versions?: { v8?: string } } };
  return process?.versions?.v8?.startsWith("12.") === true;
}
