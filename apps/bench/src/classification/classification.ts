/**
 * The report of experiments that sort things into classes. Runs of the stage `train` count; their evaluations have
 * `accuracy`, `perClassAccuracy` (mean over classes) and `loss`, their facts `parameters` and `flops`, their details
 * those of `ClassificationDetails`.
 */
import type { DataDescription, JsonObject, RunResult } from "../experiment.ts";
import { compact, deviation, duration, mean, number, percent, percentWithDeviation, quantile, whole } from "../format.ts";
import type { AttentionSample, CurvesSection, ModelSummary, Outcome, Reference, Section, Table } from "../report/outcome.ts";

/** What `finish` of a classifying run returns. */
export interface ClassificationDetails {
  /** `[true class][predicted class]` on the test set. */
  readonly confusion: readonly (readonly number[])[];
  readonly attention?: readonly AttentionSample[];
}

export interface ClassificationOptions {
  readonly results: readonly RunResult[];
  readonly data: DataDescription;
  /** Models in the order of the report. */
  readonly models: readonly string[];
  /** Known accuracies to compare with: the largest class, nearest neighbour. */
  readonly references?: readonly Reference[];
  readonly stage?: string;
  /** What one example is called: `images`. */
  readonly examples?: string;
}

/** Steps at the beginning of a run that compile and warm up; not counted in times per step. */
const warmUpSteps = 3;
const curvePoints = 60;

export function classification({
  results,
  data,
  models,
  references = [],
  stage = "train",
  examples = "images",
}: ClassificationOptions): Outcome {
  const groups = models.map((name) => ({ name, runs: results.filter((run) => run.model === name && run.stage === stage) }));
  const summaries = groups.map(({ name, runs }) => summarise(name, runs, examples));
  return { headline: headline(summaries, data, references), models: summaries, table: table(summaries, examples), sections: sections() };

  function sections(): Section[] {
    const of = (runs: readonly RunResult[]) => runs.map((run) => run.details as unknown as ClassificationDetails | undefined);
    const matrices = groups.flatMap(({ name, runs }) => {
      const all = of(runs).flatMap((details) => (details ? [details.confusion] : []));
      return all.length === 0 ? [] : [{ name, counts: sumMatrices(all) }];
    });
    const samples = groups.flatMap(({ runs }) => of(runs).find((details) => details?.attention)?.attention ?? []);
    const runCount = Math.max(...groups.map(({ runs }) => runs.length));
    return [
      {
        kind: "scores",
        title: "Accuracy",
        label: "test accuracy",
        percent: true,
        references,
        caption: `Marker: mean over ${runCount} ${runCount === 1 ? "seed" : "seeds"}${runCount > 1 ? ". Bar: ± one standard deviation. Rings: single runs" : ""}.${references.length > 0 ? " Dashed: what can be had without learning a network." : ""}`,
        rows: groups.map(({ name, runs }) => ({ name, values: finals(runs, "accuracy") })),
      },
      curves(groups, references),
      ...(matrices.length > 0 && data.classes
        ? [
            {
              kind: "confusion" as const,
              title: "What is taken for what",
              classes: data.classes,
              matrices,
              caption:
                "Rows are the true classes, columns what the model says; the brighter, the larger the share of the row. Summed over seeds.",
            },
          ]
        : []),
      ...(samples.length > 0
        ? [
            {
              kind: "attention" as const,
              title: "Where the class token looks",
              samples,
              caption:
                "Weights of the class token over the patches of test images. Bright patches get much, dark ones little; the frame marks the patch with most.",
            },
          ]
        : []),
      {
        kind: "durations",
        title: "Time per training step",
        label: "milliseconds per step",
        caption:
          "Box: the middle half of all steps, stroke: the median, whiskers: from 10 % to 90 %. Runs side by side share memory and caches, so these are times of this run, not of an idle machine.",
        rows: groups.map(({ name, runs }) => ({ name, values: runs.flatMap((run) => run.stepMilliseconds.slice(warmUpSteps)) })),
      },
    ];
  }
}

function summarise(name: string, runs: readonly RunResult[], examples: string): ModelSummary {
  const done = runs.filter(({ state }) => state === "done");
  const accuracy = finals(runs, "accuracy");
  const perClass = finals(runs, "perClassAccuracy");
  const facts: JsonObject = runs.find((run) => run.facts.parameters !== undefined)?.facts ?? {};
  const trained = runs.reduce((sum, run) => sum + run.trainSeconds, 0);
  const seen = runs.reduce((sum, run) => sum + run.examples, 0);
  return {
    name,
    parameters: facts.parameters ?? null,
    flops: facts.flops ?? null,
    accuracy: orNull(mean(accuracy)),
    accuracyDeviation: deviation(accuracy),
    perClassAccuracy: orNull(mean(perClass)),
    perClassAccuracyDeviation: deviation(perClass),
    [`${examples}PerSecond`]: orNull(seen / trained),
    millisecondsPerStep: orNull(
      quantile(
        runs.flatMap((run) => run.stepMilliseconds.slice(warmUpSteps)),
        0.5,
      ),
    ),
    trainSeconds: orNull(mean(runs.filter(({ step }) => step > 0).map((run) => run.trainSeconds))),
    accuracies: accuracy,
    seeds: runs.map(({ seed }) => seed),
    finishedRuns: done.length,
    ...Object.fromEntries(Object.entries(facts).filter(([key]) => key !== "parameters" && key !== "flops")),
  };
}

function table(models: readonly ModelSummary[], examples: string): Table {
  const value = (model: ModelSummary, key: string) => (typeof model[key] === "number" ? (model[key] as number) : NaN);
  const optional = (model: ModelSummary, key: string) => (typeof model[key] === "number" ? (model[key] as number) : null);
  const counted = models.some((model) => typeof model.flops === "number");
  const labels = ["accuracy", "mean per class", "parameters", ...(counted ? ["FLOPs"] : []), `${examples}/s`, "ms per step", "training"];
  return {
    columns: [{ label: "model" }, ...labels.map((label) => ({ label, align: "right" as const }))],
    rows: models.map((model) => [
      `${model.name}${value(model, "finishedRuns") < (model.seeds as unknown as number[]).length ? " (unfinished)" : ""}`,
      percentWithDeviation(value(model, "accuracy"), optional(model, "accuracyDeviation")),
      percentWithDeviation(value(model, "perClassAccuracy"), optional(model, "perClassAccuracyDeviation")),
      compact(value(model, "parameters")),
      ...(counted ? [compact(value(model, "flops"))] : []),
      whole(value(model, `${examples}PerSecond`)),
      number(value(model, "millisecondsPerStep")),
      duration(value(model, "trainSeconds")),
    ]),
    note: `Accuracy on the test set, ± standard deviation over seeds where there are several.${counted ? ` FLOPs: of the matrix products of one forward pass for one of the ${examples}, a multiply-add counted as two.` : ""} ${examples}/s and training time are of training steps, per run; ms per step is the median.`,
  };
}

function headline(models: readonly ModelSummary[], data: DataDescription, references: readonly Reference[]): string {
  const ranked = models
    .filter((model) => typeof model.accuracy === "number")
    .sort((a, b) => (b.accuracy as number) - (a.accuracy as number));
  if (ranked.length === 0) return "No model was evaluated before the interruption.";
  const told = ranked.map(
    (model) => `${model.name} ${percentWithDeviation(model.accuracy as number, model.accuracyDeviation as number | null)}`,
  );
  const classes = data.classes ? ` over ${data.classes.length} classes` : "";
  const compared =
    references.length === 0 ? "" : ` Without a network: ${references.map(({ label, value }) => `${label} ${percent(value)}`).join(", ")}.`;
  return `Test accuracy${classes} on ${data.name}: ${told.join(", ")}.${compared}`;
}

function curves(groups: readonly { name: string; runs: readonly RunResult[] }[], references: readonly Reference[]): CurvesSection {
  const evaluations = (key: string, at: (evaluation: RunResult["evaluations"][number]) => number) =>
    groups.map(({ name, runs }) => ({
      name,
      runs: runs.map((run) => run.evaluations.map((evaluation) => [at(evaluation), evaluation.metrics[key] ?? NaN] as const)),
    }));
  const epoch = ({ epoch: value, step }: RunResult["evaluations"][number]) => value ?? step;
  const unit = groups.some(({ runs }) => runs.some((run) => run.stepsPerEpoch !== undefined)) ? "epochs" : "steps";
  return {
    kind: "curves",
    title: "Learning curves",
    caption: "Lines: mean over seeds; bands: ± one standard deviation. The last plot asks what a second of training buys.",
    plots: [
      {
        title: "Training loss",
        x: unit,
        y: "cross-entropy",
        series: groups.map(({ name, runs }) => ({ name, runs: runs.map(lossCurve) })),
      },
      { title: "Test accuracy", x: unit, y: "test accuracy", percent: true, series: evaluations("accuracy", epoch), references },
      {
        title: "Test accuracy by time",
        x: "seconds of training",
        y: "test accuracy",
        percent: true,
        series: evaluations("accuracy", ({ trainSeconds }) => trainSeconds),
      },
    ],
  };
}

/** The loss of every step, averaged over windows, against epochs. */
function lossCurve({ losses, stepsPerEpoch = 1, totalSteps }: RunResult): (readonly [number, number])[] {
  const window = Math.max(1, Math.ceil(totalSteps / curvePoints));
  const points: (readonly [number, number])[] = [];
  for (let start = 0; start < losses.length; start += window) {
    const part = losses.slice(start, start + window);
    points.push([(start + part.length / 2) / stepsPerEpoch, mean(part)]);
  }
  return points;
}

function finals(runs: readonly RunResult[], key: string): number[] {
  return runs.flatMap((run) => {
    const value = run.evaluations.at(-1)?.metrics[key];
    return value === undefined ? [] : [value];
  });
}

function sumMatrices(matrices: readonly (readonly (readonly number[])[])[]): number[][] {
  return matrices[0]!.map((row, i) => row.map((_, j) => matrices.reduce((sum, matrix) => sum + matrix[i]![j]!, 0)));
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
