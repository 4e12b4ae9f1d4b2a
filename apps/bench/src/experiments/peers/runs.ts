import type { JsonObject, Metrics, Run, Runs } from "../../experiment.ts";
import { CoreProbes } from "../../machine/core-probes.ts";
import { allowedCores } from "../../machine/cores.ts";
import { QuietMachine, sharedBest } from "../../machine/quiet-machine.ts";
import { chosenNames, chosenThreads, chosenWait } from "./choice.ts";
import { peers } from "./index.ts";
import { attend } from "./install.ts";
import { type Measurement, measurementOf, roundsWithin } from "./measurement.ts";
import type { TaskSamples } from "./samples.ts";
import { tasks } from "./work.ts";

interface Config extends JsonObject {
  readonly task: string;
  readonly threads: number;
  readonly names: readonly string[];
  /** At least. */
  readonly rounds: number;
  readonly mostRounds: number;
  /** More rounds than the least as long as they fit into this. */
  readonly roundSeconds: number;
  readonly sampleMilliseconds: number;
  readonly warmMilliseconds: number;
  readonly patienceSeconds: number;
  readonly waitSeconds: number;
}

const runs: Runs<Config, Float64Array> = {
  prepare: async (settings, { progress }) => {
    const profile = peers.profiles[settings.profile];
    const asked = chosenNames(settings, profile);
    const attendance = await attend(asked, settings.options.python as string, progress);
    const versions = Object.entries(attendance).flatMap(([name, one]) => ("version" in one ? [`${name} ${one.version}`] : []));
    const bestOfCores = sharedBest();
    if (chosenWait(settings, profile) > 0) {
      progress("looks for how fast each core can be");
      await look(bestOfCores, Math.max(...chosenThreads(settings, profile)));
    }
    return {
      description: { name: asked.length === 0 ? "alone" : "rivals", fingerprint: versions.join(", ") || "none", rivals: attendance },
      data: bestOfCores,
    };
  },
  create: async (
    { task, threads, names, rounds, mostRounds, roundSeconds, sampleMilliseconds, warmMilliseconds, patienceSeconds, waitSeconds },
    bestOfCores,
    { settings, checkStop },
  ) => {
    const measurement = measurementOf({
      task: tasks.find(({ id }) => id === task)!,
      threads,
      names,
      seed: settings.seed,
      python: settings.options.python as string,
      sampleMilliseconds,
      warmMilliseconds,
      patienceMilliseconds: 1000 * patienceSeconds,
      waitSeconds,
      bestOfCores,
    });
    try {
      await measurement.start(checkStop);
    } catch (error) {
      measurement.end();
      throw error;
    }
    return new Rounds(measurement, roundsWithin(roundSeconds, measurement.roundMilliseconds, rounds, mostRounds));
  },
};
export default runs;

/** The longest works come first, and in their first second a neighbour may be there. */
const LOOK_MILLISECONDS = 3000;

async function look(bestOfCores: Float64Array, threads: number): Promise<void> {
  const probes = new CoreProbes(allowedCores().slice(0, threads));
  try {
    await new QuietMachine(0, () => probes.rates(), LOOK_MILLISECONDS, bestOfCores).settle();
  } finally {
    probes.end();
  }
}

/** A step is a round: everybody once. */
class Rounds implements Run {
  readonly totalSteps: number;
  readonly evaluateEvery: number;
  readonly facts = {};
  readonly #measurement: Measurement;

  constructor(measurement: Measurement, rounds: number) {
    this.#measurement = measurement;
    this.totalSteps = rounds;
    this.evaluateEvery = rounds;
  }

  async step(): Promise<{ examples: number }> {
    await this.#measurement.round();
    return { examples: 1 };
  }

  evaluate(): Metrics {
    return { ours: this.#measurement.middle };
  }

  finish(): JsonObject {
    this.#measurement.end();
    return this.#measurement.samples() as unknown as JsonObject;
  }

  saveState(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.#measurement.samples()));
  }

  loadState(state: Uint8Array): void {
    this.#measurement.restore(JSON.parse(new TextDecoder().decode(state)) as TaskSamples);
  }

  release(): void {
    this.#measurement.end();
  }
}
