import type { JsonObject, OutcomeContext, RunResult } from "../../experiment.ts";
import { compact, deviation, duration, mean, number, percentWithDeviation } from "../../format.ts";
import type { Column, ModelSummary, Outcome, Section, Table } from "../../report/outcome.ts";
import { batchSize, framesPerMinute, modelsOf, tasks, windowed, type ModelName, type SpeechDetails, type TaskName } from "./plans.ts";
import type { SpeechShape } from "./models.ts";

/** The report: who tells what apart, what that takes, and how it grows with the length of a recording. */
export function outcome(context: OutcomeContext): Outcome {
  const findings = new Findings(context);
  const models = findings.names.map((name) => findings.summary(name));
  return {
    headline: headline(findings, models),
    models,
    table: results(findings, models),
    sections: [
      ...tasks.map((task) => scores(findings, task)),
      windows(findings),
      longRecordings(findings),
      ...(findings.minutes.length > 1 ? [byLength(findings)] : []),
      learning(findings),
      ...looks(findings),
      ...confusions(findings),
    ],
    extra: { long: findings.long as unknown as JsonObject[] },
  };
}

/** A joined recording and who heard it; numbers are NaN until they are measured. */
interface LongFinding {
  readonly model: ModelName;
  readonly minutes: number;
  readonly frames: number;
  readonly seconds: number | null;
  readonly bytes: number | null;
  /** Of the weights of one layer, if they were kept. */
  readonly denseWeightBytes: number;
}

/** What the runs found, by name. */
class Findings {
  readonly names: readonly ModelName[];
  /** Those that differ in how far they see. */
  readonly windowed: readonly ModelName[];
  readonly minutes: readonly number[];
  readonly speakers: number;
  readonly testCount: number;
  readonly long: readonly LongFinding[];
  readonly #results: readonly RunResult[];

  constructor({ results: all, settings, profile, data }: OutcomeContext) {
    this.#results = all;
    this.names = modelsOf(settings);
    this.windowed = windowed.filter((name) => this.names.includes(name));
    this.minutes = profile.minutes as readonly number[];
    this.speakers = ((data.speakers ?? []) as readonly string[]).length;
    this.testCount = (data.counts as Readonly<Record<string, number>> | undefined)?.test ?? NaN;
    const heads = (all[0]?.config.shape as SpeechShape | undefined)?.heads ?? NaN;
    this.long = this.minutes.flatMap((minutes) =>
      this.windowed.map((model) => {
        const frames = minutes * framesPerMinute;
        const of = (key: string) => orNull(this.#measured(`long-${model}-${frames}`, key));
        return { model, minutes, frames, seconds: of("seconds"), bytes: of("bytes"), denseWeightBytes: 4 * heads * frames ** 2 };
      }),
    );
  }

  trained(name: ModelName, task: TaskName): readonly RunResult[] {
    return this.#results.filter(({ model, config }) => model === name && config.task === task);
  }

  accuracies(name: ModelName, task: TaskName): number[] {
    return finals(this.trained(name, task), "accuracy");
  }

  details(name: ModelName, task: TaskName): SpeechDetails[] {
    return this.trained(name, task).flatMap(({ details }) => (details === undefined ? [] : [details as unknown as SpeechDetails]));
  }

  longOf(name: ModelName, minutes: number): LongFinding | undefined {
    return this.long.find((one) => one.model === name && one.minutes === minutes);
  }

  summary(name: ModelName): ModelSummary {
    const runs = tasks.flatMap((task) => this.trained(name, task));
    const [digit, speaker] = tasks.map((task) => this.accuracies(name, task)) as [number[], number[]];
    const step = (key: string) => orNull(this.#measured(`step-${name}`, key));
    return {
      name,
      parameters: runs[0]?.facts.parameters ?? null,
      digitAccuracy: orNull(mean(digit)),
      digitAccuracyDeviation: deviation(digit),
      speakerAccuracy: orNull(mean(speaker)),
      speakerAccuracyDeviation: deviation(speaker),
      accuracies: { digit, speaker },
      forwardSeconds: step("forward"),
      stepSeconds: step("step"),
      stepBytes: step("bytes"),
      finishedRuns: runs.filter(({ state }) => state === "done").length,
    };
  }

  #measured(id: string, key: string): number {
    return finals(this.#results.filter((run) => run.id === id), key)[0] ?? NaN; // prettier-ignore
  }
}

const finals = (runs: readonly RunResult[], key: string): number[] =>
  runs.flatMap(({ evaluations }) => (evaluations.length === 0 ? [] : [evaluations.at(-1)!.metrics[key]!]));
const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
const columns = (first: string, ...numbers: readonly string[]): Column[] => [
  { label: first },
  ...numbers.map((label) => ({ label, align: "right" as const })),
];

const told = (values: readonly number[]): string => percentWithDeviation(mean(values), deviation(values));
const milliseconds = (seconds: unknown): string => number(1000 * ((seconds as number | null) ?? NaN));
const mebibytes = (bytes: unknown): string => (bytes === null || bytes === undefined ? "–" : `${number((bytes as number) / 2 ** 20)} MiB`);
const seen = (name: ModelName): string => (name === "full" ? "all" : `± ${name.replace("window-", "")}`);

function headline(findings: Findings, models: readonly ModelSummary[]): string {
  const ranked = models
    .filter(({ digitAccuracy }) => digitAccuracy !== null)
    .sort((a, b) => Number(b.digitAccuracy) - Number(a.digitAccuracy));
  if (ranked.length === 0) return "No model was evaluated before the interruption.";
  const names = ranked.map(({ name }) => `${name} ${told(findings.accuracies(name as ModelName, "digit"))}`);
  const minutes = Math.max(...findings.minutes);
  const [full, near] = (["full", "window-8"] as const).map((name) => findings.longOf(name, minutes)?.seconds ?? null);
  const long =
    typeof full === "number" && typeof near === "number"
      ? ` ${number(minutes, 2)} minutes of sound as one recording take ${duration(full)} with full attention, ${duration(near)} with ± 8 frames.`
      : "";
  return `Which digit, on the official test recordings: ${names.join(", ")}.${long}`;
}

function results(findings: Findings, models: readonly ModelSummary[]): Table {
  return {
    columns: columns("model", "digit", "speaker", "parameters", "forward, ms", "step, ms", "memory of a step"),
    rows: models.map((model) => [
      model.name,
      ...tasks.map((task) => told(findings.accuracies(model.name as ModelName, task))),
      compact((model.parameters as number | null) ?? NaN),
      milliseconds(model.forwardSeconds),
      milliseconds(model.stepSeconds),
      mebibytes(model.stepBytes),
    ]),
    note: `Accuracy on the ${findings.testCount} official test recordings, mean ± standard deviation over seeds; a dash: not asked. Forward and step: ${batchSize} recordings of the usual length, the shortest of several on one thread, one model after the other.`,
  };
}

function scores(findings: Findings, task: TaskName): Section {
  const classes = task === "digit" ? 10 : Math.max(1, findings.speakers);
  return {
    kind: "scores",
    title: `Which ${task}`,
    label: "test accuracy",
    percent: true,
    caption: `${task === "digit" ? "Ten digits." : "The speakers are those of training, so this asks for their voices, not for strangers'."} Marker: mean over seeds; bar: ± one standard deviation; rings: single runs.`,
    rows: findings.names.map((name) => ({ name, values: findings.accuracies(name, task) })).filter(({ values }) => values.length > 0),
    references: [{ label: "by chance", value: 1 / classes }],
  };
}

function windows(findings: Findings): Section {
  const minutes = findings.minutes[0]!;
  return {
    kind: "table",
    title: "How far a frame sees",
    caption:
      "The same network, with attention to all frames or to so many before and after each. A recording is some forty frames long, so a window saves little there; where minutes are one recording it does.",
    table: {
      columns: columns(
        "frames seen",
        "digit",
        "step, ms",
        "forward, ms",
        "memory of a step",
        `forward, ${minutes} min`,
        `memory, ${minutes} min`,
      ),
      rows: findings.windowed.map((name) => {
        const { stepSeconds, forwardSeconds, stepBytes } = findings.summary(name);
        const { seconds, bytes } = findings.longOf(name, minutes)!;
        return [
          seen(name),
          told(findings.accuracies(name, "digit")),
          milliseconds(stepSeconds),
          milliseconds(forwardSeconds),
          mebibytes(stepBytes),
          `${milliseconds(seconds)} ms`,
          mebibytes(bytes),
        ];
      }),
      note: `Steps are of ${batchSize} recordings of the usual length. Times are the shortest of several, on one thread; memory is the most that was in use at once: parameters, optimiser and activations together.`,
    },
  };
}

function longRecordings(findings: Findings): Section {
  return {
    kind: "table",
    title: "Long recordings",
    caption:
      "Recordings joined to minutes, one forward pass without gradients. Full attention takes time by the square of the length, truncated attention by the length. Neither keeps a matrix of weights: the last column is what those of one layer, heads · frames² · 4 bytes, would take where a definition keeps them.",
    table: {
      columns: columns("frames seen", "length", "frames", "time", "times real time", "peak memory", "dense weights of a layer"),
      rows: findings.long.map(({ model, minutes, frames, seconds, bytes, denseWeightBytes }) => [
        seen(model),
        `${number(minutes, 2)} min`,
        compact(frames),
        duration(seconds ?? NaN),
        number((60 * minutes) / (seconds ?? NaN)),
        mebibytes(bytes),
        model === "full" ? `${number(denseWeightBytes / 1e9)} GB` : "–",
      ]),
      note: "Times are the shortest of four passes on one thread (full attention: two for five minutes, one for ten); “times real time”: seconds of sound that a second handles. Peak memory is that of linear memory: frames, parameters and the activations of one layer.",
    },
  };
}

function byLength(findings: Findings): Section {
  const plot = (title: string, names: readonly ModelName[], log: boolean) => ({
    title,
    x: "minutes of sound",
    y: "seconds",
    log,
    series: names.map((name) => ({
      name,
      runs: [findings.long.filter(({ model }) => model === name).map(({ minutes, seconds }) => [minutes, seconds ?? NaN] as const)],
    })),
  });
  return {
    kind: "curves",
    title: "Time by length",
    caption: "The same times: all, where the axis of time is logarithmic, and those of the windows alone, where it is not.",
    plots: [
      plot("One forward pass", findings.windowed, true),
      plot(
        "The windows alone",
        findings.windowed.filter((name) => name !== "full"),
        false,
      ),
    ],
  };
}

function learning(findings: Findings): Section {
  return {
    kind: "curves",
    title: "Learning curves",
    caption:
      "On the test part, by the parameters that were best on the validation part so far. Lines: mean over seeds; bands: ± one standard deviation.",
    plots: tasks.map((task) => ({
      title: task,
      x: "epochs",
      y: "test accuracy",
      percent: true,
      series: findings.names
        .map((name) => ({
          name,
          runs: findings
            .trained(name, task)
            .map(({ evaluations }) => evaluations.map(({ epoch, metrics }) => [epoch ?? 0, metrics.accuracy ?? NaN] as const)),
        }))
        .filter(({ runs }) => runs.length > 0),
    })),
  };
}

function looks(findings: Findings): Section[] {
  const samples = findings.names.flatMap((name) => findings.details(name, "digit").flatMap(({ pictures = [] }) => pictures));
  if (samples.length === 0) return [];
  return [
    {
      kind: "attention",
      title: "Where attention lies in a recording",
      caption:
        "Test recordings. The spectrogram has time to the right and pitch upwards; bright is loud. On the copies beside it bright frames get much weight, dark ones little, and a line is drawn round the one with most. In the matrices each row is a frame that looks, each column one that is looked at; a window leaves a band along the diagonal.",
      samples,
    },
  ];
}

function confusions(findings: Findings): Section[] {
  const matrices = findings.names.flatMap((name) => {
    const all = findings.details(name, "digit").map(({ confusion }) => confusion);
    if (all.length === 0) return [];
    return [{ name, counts: all[0]!.map((row, i) => row.map((_, j) => all.reduce((sum, one) => sum + one[i]![j]!, 0))) }];
  });
  if (matrices.length === 0) return [];
  return [
    {
      kind: "confusion",
      title: "Which digit is taken for which",
      caption: "Rows are what was said, columns what was heard; the brighter, the larger the share of the row. Summed over seeds.",
      classes: Array.from({ length: 10 }, (_, digit) => String(digit)),
      matrices,
    },
  ];
}
