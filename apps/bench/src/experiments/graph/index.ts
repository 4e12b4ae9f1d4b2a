import { classification } from "../../classification/classification.ts";
import type { Experiment, PlanContext, RunPlan } from "../../experiment.ts";
import type { Reference } from "../../report/outcome.ts";
import { wholeNumber } from "../whole-number.ts";
import { someOf } from "../some-of.ts";

const models = ["gat", "gatv2", "no-edges"] as const;
export type ModelName = (typeof models)[number];

/** Graph attention sorts the nodes of a citation graph, by the recipe of its paper. */
export const graph: Experiment = {
  name: "graph",
  summary: "graph attention sorts the papers of a citation graph",
  description: `Two layers of 8 heads of 8 features (then one head per class), dropout 0.6 of features and weights, ELU, Adam with rate 5e-3 and L2 of 5e-4,
stopped when neither accuracy nor loss on the validation nodes got better for 100 epochs; the best parameters count (Veličković et al. 2018: 83.0 ± 0.7 %
on Cora). GATv2 is trained alike; "no-edges" is the same network where every node sees itself alone: what the words say without the links.
Without --data it looks for Cora in ../shared/data/cora beside the repository.`,
  data: "a folder with a graph in the Planetoid sets' plain form (one .safetensors file, and a .json of its name if there is one)",
  profiles: {
    smoke: { summary: "one seed, 5 epochs: does it run?", seeds: 1, epochs: 5, patience: 100, models: ["gat", "gatv2", "no-edges"] },
    quick: { summary: "three seeds; about a minute", seeds: 3, epochs: 1000, patience: 100, models: ["gat", "gatv2", "no-edges"] },
    full: { summary: "twenty seeds; some minutes", seeds: 20, epochs: 1000, patience: 100, models: ["gat", "gatv2", "no-edges"] },
  },
  options: [
    { flags: "--models <names>", description: `some of ${models.join(", ")}, separated by commas`, parse: someOf(models) },
    { flags: "--seeds <count>", description: "how many seeds (default: by profile)", parse: wholeNumber },
  ],
  stages: [{ name: "train", title: "train", plan }],
  runs: new URL("./runs.ts", import.meta.url),
  outcome(context) {
    const references = (context.data.references ?? []) as unknown as readonly Reference[];
    return classification({ ...context, models: modelsOf(context), references, examples: "nodes" });
  },
};

function modelsOf({ settings, profile }: PlanContext): readonly ModelName[] {
  return (settings.options.models ?? profile.models) as readonly ModelName[];
}

function plan(context: PlanContext): readonly RunPlan[] {
  const { settings, profile } = context;
  const count = (settings.options.seeds as number | undefined) ?? profile.seeds;
  return Array.from({ length: count }, (_, i) => settings.seed + i).flatMap((seed) =>
    modelsOf(context).map((model) => ({
      id: `${model}-seed-${seed}`,
      model,
      seed,
      cost: model === "gatv2" ? 2 : 1,
      config: { model, epochs: profile.epochs!, patience: profile.patience! },
    })),
  );
}
