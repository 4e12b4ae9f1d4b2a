import type { JsonObject } from "../../experiment.ts";
import { quantile } from "../../format.ts";
import { ours, rivals } from "./roster.ts";
import type { ContestantSamples, TaskSamples } from "./samples.ts";
import type { Measure, Task } from "./work.ts";

export type Mode = "fast" | "wide";

/** One task in one of our modes against everybody. Times are medians; what is smaller is better in every unit. */
export interface Row extends JsonObject {
  readonly work: string;
  readonly title: string;
  readonly threads: number;
  readonly mode: Mode;
  readonly unit: string;
  readonly ours: number;
  /** The fastest of ours. */
  readonly oursLeast: number;
  readonly rivals: Readonly<Record<string, number>>;
  /** How many times ours each rival takes: the median of the ratios within the rounds, since whoever else uses the machine slows both. */
  readonly ratios: Readonly<Record<string, number>>;
  /** The best rival in WebAssembly, and its ratio; null where none does this work. */
  readonly rival: string | null;
  readonly ratio: number | null;
}

export const units: Readonly<Record<Measure, string>> = { time: "ms", memory: "MiB", startup: "ms", size: "KB" };

/** One row per mode that was measured. */
export function rowsOf(task: Task, threads: number, samples: TaskSamples): Row[] {
  return ours.flatMap(({ name, wide }): Row[] => {
    const own = samples.contestants.find((one) => one.name === name);
    if (own === undefined || measured(own).length === 0) return [];
    const others = samples.contestants.filter((one) => rivals.some((rival) => rival.name === one.name) && measured(one).length > 0);
    const ratios = Object.fromEntries(others.map((one) => [one.name, pairedRatio(own, one)]));
    const best = rivals
      .filter((rival) => rival.kind === "webassembly" && rival.name in ratios)
      .reduce<string | null>((least, rival) => (least === null || ratios[rival.name]! < ratios[least]! ? rival.name : least), null);
    return [
      {
        work: task.id,
        title: task.title,
        threads,
        mode: wide === true ? "wide" : "fast",
        unit: units[task.measure],
        ours: quantile(measured(own), 0.5),
        oursLeast: Math.min(...measured(own)),
        rivals: Object.fromEntries(others.map((one) => [one.name, quantile(measured(one), 0.5)])),
        ratios,
        rival: best,
        ratio: best === null ? null : ratios[best]!,
      },
    ];
  });
}

/** The median over rounds of theirs over ours. */
export function pairedRatio(own: ContestantSamples, other: ContestantSamples): number {
  const pairs = other.values.flatMap((value, round) => {
    const mine = own.values[round];
    return value === null || mine === null || mine === undefined ? [] : [value / mine];
  });
  return quantile(pairs, 0.5);
}

const measured = ({ values }: ContestantSamples): number[] => values.filter((value) => value !== null);
