import type { Experiment, OutcomeContext, PlanContext, RunPlan, RunResult } from "../../experiment.ts";
import { compact, deviation, duration, mean, percent, percentWithDeviation } from "../../format.ts";
import type { Outcome } from "../../report/outcome.ts";

const models = ["gat", "gatv2"] as const;
export type ModelName = (typeof models)[number];

/** Who ranks keys anew for each query can look things up; who ranks them once cannot. */
export const dictionary: Experiment = {
  name: "dictionary",
  summary: "GATv2 looks things up in a dictionary, GAT cannot",
  description: `DictionaryLookup (Brody, Alon, Yahav 2022): nodes that ask see every entry of a dictionary, and are to say the value of the one with their key. Both
networks are one layer with one head, as wide as each other; dictionaries of test and training differ. GAT's score is the leaky ReLU of a sum of two numbers,
one from either end, so that every node ranks the entries alike.`,
  profiles: {
    smoke: {
      summary: "one seed, 400 dictionaries, 2 epochs: does it run?",
      seeds: 1,
      size: 10,
      train: 400,
      test: 100,
      epochs: 2,
      width: 64,
      batchSize: 50,
    },
    quick: {
      summary: "one seed, 4,000 dictionaries; under a minute",
      seeds: 1,
      size: 10,
      train: 4000,
      test: 1000,
      epochs: 20,
      width: 128,
      batchSize: 50,
    },
    full: {
      summary: "five seeds, 4,000 dictionaries; some minutes",
      seeds: 5,
      size: 10,
      train: 4000,
      test: 1000,
      epochs: 50,
      width: 128,
      batchSize: 50,
    },
  },
  options: [{ flags: "--size <keys>", description: "keys of a dictionary (default: 10)", parse: size }],
  stages: [{ name: "train", title: "train", plan }],
  runs: new URL("./runs.ts", import.meta.url),
  outcome,
};

function plan({ seeds, profile, settings }: PlanContext): readonly RunPlan[] {
  return seeds.flatMap((seed) =>
    models.map((model) => ({
      id: `${model}-seed-${seed}`,
      model,
      seed,
      config: {
        model,
        size: settings.options.size ?? profile.size!,
        train: profile.train!,
        test: profile.test!,
        epochs: profile.epochs!,
        width: profile.width!,
        batchSize: profile.batchSize!,
      },
    })),
  );
}

function outcome({ results, data }: OutcomeContext): Outcome {
  const groups = models.map((name) => ({ name, runs: results.filter((run) => run.model === name) }));
  const last = (runs: readonly RunResult[], key: string) =>
    runs.flatMap(({ evaluations }) => (evaluations.length === 0 ? [] : [evaluations.at(-1)!.metrics[key]!]));
  const summaries = groups.map(({ name, runs }) => ({
    name,
    parameters: runs[0]?.facts.parameters ?? null,
    accuracy: orNull(mean(last(runs, "accuracy"))),
    accuracyDeviation: deviation(last(runs, "accuracy")),
    trainAccuracy: orNull(mean(last(runs, "train"))),
    accuracies: last(runs, "accuracy"),
    trainSeconds: orNull(mean(runs.map(({ trainSeconds }) => trainSeconds))),
    finishedRuns: runs.filter(({ state }) => state === "done").length,
  }));
  const said = (value: number | null) => percent(value ?? NaN);
  const curve = (key: string) =>
    groups.map(({ name, runs }) => ({
      name,
      runs: runs.map(({ evaluations }) => evaluations.map(({ epoch, metrics }) => [epoch ?? 0, metrics[key] ?? NaN] as const)),
    }));
  const chance = { label: "chance", value: 1 / (data.size as number) };
  return {
    headline: `Test accuracy on ${data.name}: ${summaries.map(({ name, accuracy }) => `${name} ${said(accuracy)}`).join(", ")}; chance is ${percent(chance.value)}.`,
    models: summaries,
    table: {
      columns: [{ label: "model" }, ...["test", "training", "parameters", "time"].map((label) => ({ label, align: "right" as const }))],
      rows: summaries.map(({ name, accuracy, accuracyDeviation, trainAccuracy, parameters, trainSeconds }) => [
        name,
        percentWithDeviation(accuracy ?? NaN, accuracyDeviation),
        said(trainAccuracy),
        compact((parameters as number | null) ?? NaN),
        duration(trainSeconds ?? NaN),
      ]),
      note: "Share of the nodes that ask and get the right value; ± standard deviation over seeds where there are several.",
    },
    sections: [
      {
        kind: "curves",
        title: "Learning curves",
        caption: "Lines: mean over seeds; bands: ± one standard deviation.",
        plots: (["accuracy", "train"] as const).map((key) => ({
          title: key === "train" ? "Training dictionaries" : "Test dictionaries",
          x: "epochs",
          y: "right answers",
          percent: true,
          series: curve(key),
          references: [chance],
        })),
      },
      {
        kind: "scores",
        title: "Accuracy",
        label: "test accuracy",
        percent: true,
        references: [chance],
        caption: "Marker: mean over seeds. Dashed: guessing.",
        rows: groups.map(({ name, runs }) => ({ name, values: last(runs, "accuracy") })),
      },
    ],
  };
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function size(text: string): number {
  const keys = Number(text);
  if (!Number.isInteger(keys) || keys < 8 || keys > 100) throw new Error("must be a whole number from 8 to 100");
  return keys;
}
