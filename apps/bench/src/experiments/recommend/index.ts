import type { Experiment, OutcomeContext, PlanContext, RunPlan, RunResult } from "../../experiment.ts";
import { compact, deviation, mean, percentWithDeviation } from "../../format.ts";
import type { Outcome, Section, WeightsSample } from "../../report/outcome.ts";
import { someOf } from "../some-of.ts";

export const countingModels = ["popularity", "markov"] as const;
export const networks = ["gru", "narm", "self-attention"] as const;
export type CountingName = (typeof countingModels)[number];
export type NetworkName = (typeof networks)[number];
const models = [...countingModels, ...networks] as const;
type ModelName = (typeof models)[number];

/** What `finish` of NARM returns, of the first seed. */
export interface RecommendDetails {
  readonly weights?: readonly WeightsSample[];
}

/** As many labels as there are clicks: what each session of a shop looks at next. */
export const recommend: Experiment = {
  name: "recommend",
  summary: "what visitors of a shop click on next",
  description: `Clicks in a shop for maternity clothing, April to August 2008: after each click of a session, all 217 items are put in order, and judged by where the next
one stands: among the first 20 (Recall@20), the mean of 1 / rank (MRR@20, 0 beyond 20), at the top (Recall@1). Tested on the sessions that begin in August;
networks train on April to 21 July and keep the parameters with the best MRR@20 on the rest of July; counts take all before August. Popularity: how often an item was
clicked on. Markov: how often it followed the last click, ties by popularity. GRU, NARM (a GRU and attention over the session) and causal self-attention (two
layers, ALiBi) read items as a vector of their own plus one for each thing the shop says: category, page, location on it, colour, photography, price, and the
pair of category and page; the same vectors score them. In training, sessions are cut into pieces of at most 30 steps.
Without --data it looks into ../shared/data/eshop-clickstream beside the repository.`,
  data: 'a folder with "e-shop clothing 2008.csv.gz" (UCI data set 553)',
  profiles: {
    smoke: { summary: "one seed, 200 sessions of each part, 2 epochs: does it run?", seeds: 1, limit: 200, epochs: 2, width: 32 },
    quick: { summary: "one seed, 4 epochs; some minutes", seeds: 1, limit: 0, epochs: 4, width: 128 },
    full: { summary: "three seeds, 10 epochs; about half an hour", seeds: 3, limit: 0, epochs: 10, width: 128 },
  },
  options: [{ flags: "--models <names>", description: `some of ${models.join(", ")}, separated by commas`, parse: someOf(models) }],
  stages: [{ name: "train", title: "train", plan }],
  runs: new URL("./runs.ts", import.meta.url),
  outcome,
};

const modelsOf = ({ settings }: PlanContext): readonly ModelName[] => (settings.options.models ?? models) as readonly ModelName[];
const counts = (name: ModelName): name is CountingName => (countingModels as readonly string[]).includes(name);
const costs: Readonly<Record<ModelName, number>> = { popularity: 0.01, markov: 0.01, gru: 1, narm: 1.5, "self-attention": 3 };

function plan(context: PlanContext): readonly RunPlan[] {
  const { seeds, profile } = context;
  return seeds.flatMap((seed) =>
    modelsOf(context)
      // Counting draws nothing.
      .filter((model) => !counts(model) || seed === seeds[0])
      .map((model) => ({
        id: `${model}-seed-${seed}`,
        model,
        seed,
        cost: costs[model],
        config: counts(model) ? { model } : { model, epochs: profile.epochs!, width: profile.width!, draw: seed === seeds[0] },
      })),
  );
}

const measures = [
  { key: "recall20", label: "Recall@20" },
  { key: "mrr20", label: "MRR@20" },
  { key: "recall1", label: "Recall@1" },
] as const;

function outcome(context: OutcomeContext): Outcome {
  const groups = modelsOf(context).map((name) => ({ name, runs: context.results.filter(({ model }) => model === name) }));
  const last = (runs: readonly RunResult[], key: string) => runs.flatMap(({ evaluations }) => evaluations.at(-1)?.metrics[key] ?? []);
  const told = (runs: readonly RunResult[], key: string) => percentWithDeviation(mean(last(runs, key)), deviation(last(runs, key)));
  const markov = groups.find(({ name }) => name === "markov")?.runs ?? [];
  const trained = groups.filter(({ name }) => !counts(name));
  const samples = context.results.flatMap(({ details }) => (details as RecommendDetails | undefined)?.weights ?? []);
  const sections: Section[] = [
    {
      kind: "curves",
      title: "Learning curves",
      caption:
        "Of the best parameters so far (by MRR@20 at the end of July), on August. Lines: mean over seeds; bands: ± one standard deviation.",
      plots: measures.slice(0, 2).map(({ key, label }) => ({
        title: `${label}, August`,
        x: "epochs",
        y: label,
        percent: true,
        series: trained.map(({ name, runs }) => ({
          name,
          runs: runs.map(({ evaluations }) => evaluations.map(({ epoch, metrics }) => [epoch ?? 0, metrics[key] ?? NaN] as const)),
        })),
        references: last(markov, key).map((value) => ({ label: "Markov", value })),
      })),
    },
    ...(samples.length > 0
      ? [
          {
            kind: "weights" as const,
            title: "Where NARM looks in a session",
            caption:
              "Sessions of August. Each row: a click, the next one, and at which place NARM put it; the weights of the clicks until then, relative to the largest of the row.",
            samples,
          },
        ]
      : []),
  ];
  const best = trained
    .filter(({ runs }) => last(runs, "mrr20").length > 0)
    .sort((a, b) => mean(last(b.runs, "mrr20")) - mean(last(a.runs, "mrr20")))[0];
  return {
    headline:
      best === undefined
        ? "No network has been measured."
        : `${best.name} finds the next click among its first 20 in ${told(best.runs, "recall20")} of the steps of August, at MRR ${told(best.runs, "mrr20")}; a Markov chain in ${told(markov, "recall20")}, at ${told(markov, "mrr20")}.`,
    models: groups.map(({ name, runs }) => ({
      name,
      parameters: runs[0]?.facts.parameters ?? null,
      ...Object.fromEntries(
        measures.flatMap(({ key }) => [
          [key, orNull(mean(last(runs, key)))],
          [`${key}Deviation`, deviation(last(runs, key))],
        ]),
      ),
      validation: orNull(mean(last(runs, "validation"))),
      finishedRuns: runs.filter(({ state }) => state === "done").length,
    })),
    table: {
      columns: [
        { label: "model" },
        ...[...measures.map(({ label }) => label), "MRR@20, July", "parameters"].map((label) => ({ label, align: "right" as const })),
      ],
      rows: groups.map(({ name, runs }) => [
        name,
        ...measures.map(({ key }) => told(runs, key)),
        told(runs, "validation"),
        compact((runs[0]?.facts.parameters as number | undefined) ?? NaN),
      ]),
      note: "Of all steps from one click to the next in the sessions of August. MRR@20, July: of the sessions kept aside, by which parameters are chosen. ± standard deviation over seeds.",
    },
    sections,
  };
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
