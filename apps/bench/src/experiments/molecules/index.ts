import type { Experiment, OutcomeContext, PlanContext, RunPlan, RunResult } from "../../experiment.ts";
import { compact, deviation, duration, mean, number } from "../../format.ts";
import type { GraphSample, Outcome, Section } from "../../report/outcome.ts";
import { someOf } from "../some-of.ts";

export const tasks = ["esol", "tox21"] as const;
export type TaskName = (typeof tasks)[number];

/** What `finish` of a run returns. */
export interface MoleculeDetails {
  readonly samples?: readonly GraphSample[];
  /** Of each assay, where there are several. */
  readonly perAssay?: Readonly<Record<string, number>>;
}

/** Attention along bonds predicts how well molecules dissolve, and which assays call them toxic. */
export const molecules: Experiment = {
  name: "molecules",
  summary: "attention along bonds tells solubility and toxicity of molecules",
  description: `ESOL: the logarithm of the solubility in water of 1,128 compounds, judged by the root of the mean square error (RMSE, log mol/L) and compared with
predicting the mean. Tox21: twelve yes-or-no assays of 7,831 compounds, judged by the mean area under the ROC curve. Atoms see their bonded neighbours in three
layers of the Transformer's attention with bonds as edge features; attention over the atoms sums them up. The split is random, 80 / 10 / 10 % by seed, with
equal molecules in one part; parameters are those that were best on the validation part.
Without --data it looks into ../shared/data/molecules beside the repository.`,
  data: "a folder with delaney-processed.csv and tox21.csv.gz (of MoleculeNet, as DeepChem keeps them)",
  profiles: {
    smoke: { summary: "one seed, 120 molecules each, 2 epochs: does it run?", seeds: 1, limit: 120, esol: 2, tox21: 2, width: 32 },
    quick: { summary: "one seed, fewer epochs; a few minutes", seeds: 1, limit: 0, esol: 60, tox21: 12, width: 64 },
    full: { summary: "three seeds; about twenty minutes", seeds: 3, limit: 0, esol: 120, tox21: 30, width: 64 },
  },
  options: [{ flags: "--tasks <names>", description: `some of ${tasks.join(", ")}, separated by commas`, parse: someOf(tasks) }],
  stages: [{ name: "train", title: "train", plan }],
  runs: new URL("./runs.ts", import.meta.url),
  outcome,
};

export const tasksOf = ({ options }: PlanContext["settings"]): readonly TaskName[] => (options.tasks ?? tasks) as readonly TaskName[];

function plan({ settings, profile, seeds }: PlanContext): readonly RunPlan[] {
  return seeds.flatMap((seed) =>
    tasksOf(settings).map((task) => ({
      id: `${task}-seed-${seed}`,
      model: task,
      seed,
      cost: (task === "tox21" ? 7 : 1) * (profile[task] as number),
      config: { task, epochs: profile[task]!, width: profile.width!, draw: seed === seeds[0] },
    })),
  );
}

const titles = {
  esol: { title: "ESOL", measure: "RMSE, log mol/L", key: "rmse", split: "test RMSE" },
  tox21: { title: "Tox21", measure: "mean ROC-AUC", key: "auc", split: "test ROC-AUC" },
} as const;

function outcome({ results, settings, data }: OutcomeContext): Outcome {
  const groups = tasksOf(settings).map((task) => ({ task, ...titles[task], runs: results.filter(({ model }) => model === task) }));
  const last = (runs: readonly RunResult[], key: string) =>
    runs.flatMap(({ evaluations }) => (evaluations.length === 0 ? [] : [evaluations.at(-1)!.metrics[key]!]));
  const told = (values: readonly number[]) => {
    const spread = deviation(values);
    return `${number(mean(values))}${spread === null ? "" : ` ± ${number(spread, 2)}`}`;
  };
  const summaries = groups.map(({ task, key, runs }) => ({
    name: task,
    parameters: runs[0]?.facts.parameters ?? null,
    [key]: orNull(mean(last(runs, key))),
    [`${key}Deviation`]: deviation(last(runs, key)),
    baseline: orNull(mean(last(runs, "baseline"))),
    values: last(runs, key),
    trainSeconds: orNull(mean(runs.map(({ trainSeconds }) => trainSeconds))),
    finishedRuns: runs.filter(({ state }) => state === "done").length,
  }));
  const samples = results.flatMap(({ details }) => (details as MoleculeDetails | undefined)?.samples ?? []);
  const assays: readonly Readonly<Record<string, number>>[] = results
    .map(({ details }) => (details as MoleculeDetails | undefined)?.perAssay)
    .filter((areas) => areas !== undefined);
  const sections: Section[] = [
    {
      kind: "curves",
      title: "Learning curves",
      caption:
        "Lines: mean over seeds; bands: ± one standard deviation. Of the validation part, and of the best parameters so far on the test part.",
      plots: groups.flatMap(({ task, title, measure, key, split, runs }) =>
        [
          { title: `${title}: ${split}`, of: key },
          { title: `${title}: validation`, of: "validation" },
        ].map(({ title: name, of }) => ({
          title: name,
          x: "epochs",
          y: measure,
          series: [
            {
              name: task,
              runs: runs.map(({ evaluations }) => evaluations.map(({ epoch, metrics }) => [epoch ?? 0, metrics[of] ?? NaN] as const)),
            },
          ],
        })),
      ),
    },
    ...(assays.length > 0
      ? [
          {
            kind: "table" as const,
            title: "Assays of Tox21",
            caption: "Area under the ROC curve on the test part, mean over seeds.",
            table: {
              columns: [{ label: "assay" }, { label: "ROC-AUC", align: "right" as const }],
              rows: Object.keys(assays[0]!).map((name) => [name, told(assays.flatMap((areas) => areas[name] ?? []))]),
            },
          },
        ]
      : []),
    ...(samples.length > 0
      ? [
          {
            kind: "graphs" as const,
            title: "Where attention lies on molecules",
            caption:
              "Test molecules. Colour of an atom: its weight in the attention that sums the atoms up, relative to the largest. Width of a bond: its weight in the last layer, mean of heads and both directions.",
            samples,
          },
        ]
      : []),
  ];
  const names = groups.map(({ title, measure, key, runs }) => `${title} ${told(last(runs, key))} (${measure})`);
  return {
    headline: `On molecules kept aside: ${names.join(", ")}.`,
    models: summaries,
    table: {
      columns: [
        { label: "task" },
        ...["measure", "test", "without a network", "molecules", "parameters", "time"].map((label) => ({ label, align: "right" as const })),
      ],
      rows: groups.map(({ task, title, measure, key, runs }, i) => [
        title,
        measure,
        told(last(runs, key)),
        number(mean(last(runs, "baseline"))),
        compact(((data.counts ?? {}) as Record<string, number>)[task] ?? NaN),
        compact((summaries[i]!.parameters as number | null) ?? NaN),
        duration((summaries[i]!.trainSeconds as number | null) ?? NaN),
      ]),
      note: "Random split by seed, 80 / 10 / 10 %. Without a network: the mean of the training part (ESOL), chance (Tox21). ± standard deviation over seeds where there are several.",
    },
    sections,
  };
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
