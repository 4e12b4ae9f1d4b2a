import { features } from "../features.ts";
import { CHAINS } from "./sizes.ts";
import { probe } from "./probe.ts";

/** GFLOP/s of one core on vectors of 128 bits, a multiplication and an addition counting as two. */
export interface Peak {
  /** Fused multiply-add; `undefined` where the engine has no relaxed SIMD. */
  readonly fma: number | undefined;
  /** Multiplications and additions, each its own instruction. */
  readonly mulAdd: number;
}

const TURNS = 10_000; // about 0.1 ms
const LANES = 4;

/**
 * Measures what the vector unit reaches with nothing but arithmetic in registers: the bound against which kernels are judged.
 * The best of `samples` runs of about 0.1 ms each counts. Clocks drift, so measure in the same run as the kernels, and in between.
 */
export function measurePeak(samples = 40): Peak {
  let fma = 0;
  let mulAdd = 0;
  const { relaxedSimd } = features();
  for (let sample = 0; sample < samples; sample++) {
    if (relaxedSimd) fma = Math.max(fma, rate("relaxed"));
    mulAdd = Math.max(mulAdd, rate("simd"));
  }
  return { fma: relaxedSimd ? fma : undefined, mulAdd };
}

function rate(build: "relaxed" | "simd"): number {
  const { chains } = probe.implementation(build);
  const start = performance.now();
  const sum = chains(TURNS, 0.999, 0.001);
  const milliseconds = performance.now() - start;
  // The chains converge to 1: a wrong sum means that something else was timed.
  if (!(Math.abs(sum / CHAINS - 1) < 1e-2)) throw new Error(`internal: the peak probe computed ${sum}, not ${CHAINS}`);
  return (2 * LANES * CHAINS * TURNS) / milliseconds / 1e6;
}
