import { benchmarkEdges, type EdgesTiming } from "@heed/graph-attention/benchmarks";
import { benchmarkMatmul, type KernelBenchmark } from "@heed/kernels/benchmarks";
import type { JsonObject, Run, Runs } from "../../experiment.ts";
import { buildsHere, type Operation, type OperationBuild, type OperationRound, operations, roundOf } from "./operations.ts";
import { QuietMachine, sharedBest } from "../../machine/quiet-machine.ts";
import type { EdgeSamples, KernelSamples, OperationSamples } from "./samples.ts";

interface Config extends JsonObject {
  readonly steps: number;
  /** Matrix products of these. */
  readonly sizes?: readonly number[];
  /** Attention along so many edges. Neither: operations. */
  readonly edgeCounts?: readonly number[];
  readonly sampleMilliseconds?: number;
  /** For how long samples wait for a quiet machine, all together. */
  readonly waitSeconds: number;
}

/** The first round of a step learns how many calls fill a sample, the second measures. */
const roundsPerStep = 2;

const runs: Runs<Config, Float64Array> = {
  prepare: () => ({ description: { name: "kernels" }, data: sharedBest() }),
  create: ({ sizes, edgeCounts, sampleMilliseconds = 20, steps, waitSeconds }, best) => {
    const machine = new QuietMachine(waitSeconds, undefined, undefined, best);
    if (sizes !== undefined) return new Measurement(sizes, steps, machine);
    return edgeCounts === undefined
      ? new OperationMeasurement(sampleMilliseconds, steps, machine)
      : new EdgeMeasurement(edgeCounts, steps, machine);
  },
};
export default runs;

/** One step measures every kernel once, the probe in between. */
class Measurement implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly facts = {};
  readonly #sizes: readonly number[];
  readonly #machine: QuietMachine;
  #measured: KernelBenchmark[] = [];

  constructor(sizes: readonly number[], steps: number, machine: QuietMachine) {
    this.#machine = machine;
    this.#sizes = sizes;
    this.totalSteps = steps;
    this.evaluateEvery = steps;
  }

  async step(): Promise<{ examples: number }> {
    await this.#machine.settle();
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
      quietness: this.#machine.counts,
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

/** One step measures every operation once on every build. */
class OperationMeasurement implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly facts = {};
  readonly #sampleMilliseconds: number;
  readonly #operations: readonly Operation[] = operations();
  readonly #builds: readonly OperationBuild[] = buildsHere();
  readonly #machine: QuietMachine;
  #rounds: OperationRound[] = [];

  constructor(sampleMilliseconds: number, steps: number, machine: QuietMachine) {
    this.#machine = machine;
    this.#sampleMilliseconds = sampleMilliseconds;
    this.totalSteps = steps;
    this.evaluateEvery = steps;
  }

  async step(): Promise<{ examples: number }> {
    this.#rounds.push(await roundOf(this.#operations, this.#builds, this.#sampleMilliseconds, this.#machine));
    return { examples: this.#operations.length };
  }

  evaluate(): { peak: number } {
    return { peak: Math.max(...this.#rounds.map(({ peak }) => peak)) };
  }

  finish(): JsonObject {
    const samples: OperationSamples = {
      quietness: this.#machine.counts,
      peak: this.#rounds.map(({ peak }) => peak),
      operations: this.#rounds[0]!.times.map(({ name, build, threads }) => {
        const { flops, bytes } = this.#operations.find((operation) => operation.name === name)!;
        const milliseconds = this.#rounds.map(
          ({ times }) => times.find((time) => time.name === name && time.build === build && time.threads === threads)?.milliseconds ?? null,
        );
        return { name, build, threads, milliseconds, ...(flops !== undefined && { flops }), ...(bytes !== undefined && { bytes }) };
      }),
    };
    return samples as unknown as JsonObject;
  }

  saveState(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.#rounds));
  }

  loadState(state: Uint8Array): void {
    this.#rounds = JSON.parse(new TextDecoder().decode(state)) as OperationRound[];
  }
}

/** One step times every size of graph a few times, the probe in between. */
class EdgeMeasurement implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly facts = {};
  readonly #edgeCounts: readonly number[];
  readonly #machine: QuietMachine;
  #steps: EdgesTiming[][] = [];

  constructor(edgeCounts: readonly number[], steps: number, machine: QuietMachine) {
    this.#machine = machine;
    this.#edgeCounts = edgeCounts;
    this.totalSteps = steps;
    this.evaluateEvery = steps;
  }

  async step(): Promise<{ examples: number }> {
    await this.#machine.settle();
    this.#steps.push(benchmarkEdges(this.#edgeCounts, 3));
    return { examples: this.#edgeCounts.length };
  }

  evaluate(): { nanoseconds: number } {
    return { nanoseconds: Math.min(...this.#steps.map((timings) => timings.at(-1)!.forward)) };
  }

  finish(): JsonObject {
    return { steps: this.#steps } satisfies EdgeSamples as unknown as JsonObject;
  }

  saveState(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.#steps));
  }

  loadState(state: Uint8Array): void {
    this.#steps = JSON.parse(new TextDecoder().decode(state)) as EdgesTiming[][];
  }
}
