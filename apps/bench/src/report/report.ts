import type { DataDescription, Experiment, Json, JsonObject, RunResult, Settings } from "../experiment.ts";
import { mean, quantile } from "../format.ts";
import type { Machine } from "../machine/machine.ts";
import type { Outcome, Section } from "./outcome.ts";

/** All that a report tells, before it takes a form. */
export interface Report {
  readonly title: string;
  readonly experiment: Experiment;
  readonly settings: Settings;
  readonly partial: boolean;
  readonly seeds: readonly number[];
  readonly threads: number;
  readonly data: DataDescription;
  readonly machine: Machine;
  readonly versions: JsonObject;
  /** ISO 8601. */
  readonly date: string;
  readonly seconds: number;
  /** What to type to get it again. */
  readonly command: string;
  readonly results: readonly RunResult[];
  readonly outcome: Outcome;
}

/** The JSON behind a report: the same outer members for every experiment. */
/** Lists of numbers stay on one line each; figures in plots keep six digits. */
export function jsonText(report: Report): string {
  const text = JSON.stringify(jsonReport(report), null, 1);
  return `${text.replaceAll(/\[[-\d.,eE\s]*\]/g, (list) => list.replaceAll(/\s+/g, ""))}\n`;
}

export function jsonReport(report: Report): JsonObject {
  const { settings, outcome, data } = report;
  return {
    experiment: settings.experiment,
    profile: settings.profile,
    partial: report.partial,
    seeds: report.seeds,
    machine: report.machine,
    versions: report.versions,
    precision: settings.precision,
    threads: report.threads,
    data: { ...data, ...(settings.data !== undefined && { given: true }) },
    headline: outcome.headline,
    models: outcome.models,
    ...outcome.extra,
    options: settings.options,
    date: report.date,
    seconds: round(report.seconds),
    command: report.command,
    runs: report.results.map(summary),
    sections: outcome.sections.map(withoutPictures) as unknown as Json,
  };
}

/** A run in the report's JSON: everything but the long lists, which checkpoints keep. */
function summary(result: RunResult): JsonObject {
  const {
    id,
    stage,
    model,
    seed,
    state,
    step,
    totalSteps,
    config,
    facts,
    evaluations,
    losses,
    stepMilliseconds,
    trainSeconds,
    evaluateSeconds,
    examples,
  } = result;
  return {
    id,
    stage,
    model,
    seed,
    state,
    step,
    totalSteps,
    config,
    facts,
    evaluations: evaluations as unknown as Json,
    finalLoss: losses.length === 0 ? null : mean(losses.slice(-20)),
    stepMilliseconds:
      stepMilliseconds.length === 0
        ? null
        : { median: quantile(stepMilliseconds, 0.5), p10: quantile(stepMilliseconds, 0.1), p90: quantile(stepMilliseconds, 0.9) },
    examples,
    trainSeconds: round(trainSeconds),
    evaluateSeconds: round(evaluateSeconds),
    ...(result.stateSha256 !== undefined && { stateSha256: result.stateSha256 }),
  };
}

function withoutPictures(section: Section): unknown {
  if (section.kind === "attention")
    return {
      ...section,
      samples: section.samples.map(({ png: _png, maps, ...sample }) => ({
        ...sample,
        maps: maps.map(({ label, weights }) => ({ label, weights: weights.map(short) })),
      })),
    };
  if (section.kind === "words")
    return { ...section, samples: section.samples.map((sample) => ({ ...sample, weights: sample.weights.map(short) })) };
  if (section.kind === "weights") {
    return { ...section, samples: section.samples.map((sample) => ({ ...sample, weights: sample.weights.map((row) => row.map(short)) })) };
  }
  if (section.kind === "durations") {
    return {
      ...section,
      rows: section.rows.map(({ name, values }) => ({
        name,
        ...Object.fromEntries([0.1, 0.25, 0.5, 0.75, 0.9].map((q) => [`p${q * 100}`, short(quantile(values, q))])),
      })),
    };
  }
  if (section.kind === "curves") {
    return {
      ...section,
      plots: section.plots.map((plot) => ({
        ...plot,
        series: plot.series.map(({ name, runs }) => ({ name, runs: runs.map((run) => run.map(([x, y]) => [short(x), short(y)])) })),
      })),
    };
  }
  return section;
}

const short = (value: number): number => Number(value.toPrecision(6));

const round = (value: number): number => Math.round(value * 1000) / 1000;
