import { benchmarkMatmul, type KernelBenchmark } from "@heed/kernels/benchmarks";
import type { JsonObject, Run, Runs } from "../../experiment.ts";
import type { KernelSamples } from "./samples.ts";

interface Config extends JsonObject {
  readonly sizes: readonly number[];
  readonly steps: number;
}

/** The first round of a step learns how many calls fill a sample, the second measures. */
const roundsPerStep = 2;

const runs: Runs<Config, null> = {
  prepare: () => ({ description: { name: "matmul" }, data: null }),
  create: ({ sizes, steps }) => new Measurement(sizes, steps),
};
export default runs;

/** One step measures every kernel once, the probe in between. */
class Measurement implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly facts = {};
  readonly #sizes: readonly number[];
  #measured: KernelBenchmark[] = [];

  constructor(sizes: readonly number[], steps: number) {
    this.#sizes = sizes;
    this.totalSteps = steps;
    this.evaluateEvery = steps;
  }

  step() {
    const measured = benchmarkMatmul({ sizes: this.#sizes, rounds: roundsPerStep });
    this.#measured.push(measured);
    return { examples: measured.kernels.length };
  }

  evaluate() {
    const { peak } = this.#samples();
    return { peak: Math.max(...peak) };
  }

  finish() {
    return this.#samples() as unknown as JsonObject;
  }

  saveState(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.#measured));
  }

  loadState(state: Uint8Array): void {
    this.#measured = JSON.parse(new TextDecoder().decode(state)) as KernelBenchmark[];
  }

  #samples(): KernelSamples {
    const all = this.#measured;
    return {
      fused: all.every(({ peak }) => peak.fma !== undefined),
      peak: all.map(({ peak }) => peak.fma ?? peak.mulAdd),
      multiplyAdd: all.map(({ peak }) => peak.mulAdd),
      kernels: all[0]!.kernels.map(({ name, shape, build }, index) => ({
        name,
        shape,
        build,
        gflops: all.map(({ kernels }) => kernels[index]!.gflops),
      })),
    };
  }
}
