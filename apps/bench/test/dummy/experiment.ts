import type { Experiment, PlanContext, RunPlan } from "../../src/experiment.ts";
import { classification } from "../../src/classification/classification.ts";
import { number, percent } from "../../src/format.ts";

const models = ["attention", "rnn", "cnn"];

/** A tiny real training in plain loops, to test the shell: softmax regression on drawn shapes, three "models" that see different features. */
export const dummy: Experiment = {
  name: "dummy",
  summary: "three linear models learn to tell drawn shapes apart",
  data: "a folder; one named *empty* is refused, to test refusals",
  profiles: {
    smoke: { summary: "one seed, 12 steps", seeds: 1, steps: 12, rates: [0.5] },
    quick: { summary: "two seeds, 40 steps", seeds: 2, steps: 40, rates: [0.1, 0.5] },
    full: { summary: "five seeds, 400 steps", seeds: 5, steps: 400, rates: [0.02, 0.1, 0.5] },
  },
  options: [
    { flags: "--step-ms <ms>", description: "makes steps take at least so long", default: 0, parse: wholeMilliseconds },
    { flags: "--fail-at <step>", description: "fails there", parse: Number },
    { flags: "--momentum <value>", description: "of the optimiser", default: 0.9, parse: Number },
  ],
  stages: [
    {
      name: "search",
      title: "search the learning rate",
      plan: (context) =>
        models.flatMap((model) =>
          ratesOf(context).map((rate, index) => plan(context, model, context.seeds[0]!, rate, 0.25, `search-${model}-${index}`)),
        ),
    },
    {
      name: "train",
      title: "train",
      plan: (context) =>
        models.flatMap((model) =>
          context.seeds.map((seed) => plan(context, model, seed, bestRate(context, model), 1, `${model}-seed-${seed}`)),
        ),
    },
  ],
  runs: new URL("./runs.ts", import.meta.url),
  outcome(context) {
    const outcome = classification({
      ...context,
      models,
      references: [
        { label: "largest class", value: 0.125 },
        { label: "nearest neighbour", value: 0.55 },
      ],
    });
    const rates = ratesOf(context);
    const searched = context.results.filter(({ stage }) => stage === "search");
    return {
      ...outcome,
      sections: [
        ...outcome.sections,
        {
          kind: "table",
          title: "Schedule search",
          caption: "A quarter of the steps with each learning rate, seed 1, judged on the validation split; the best one trains.",
          table: {
            columns: [
              { label: "model" },
              ...rates.map((rate) => ({ label: `rate ${rate}`, align: "right" as const })),
              { label: "chosen", align: "right" },
            ],
            rows: models.map((model) => [
              model,
              ...rates.map((rate) =>
                percent(
                  searched.find((run) => run.model === model && run.config.rate === rate)?.evaluations.at(-1)?.metrics.accuracy ?? NaN,
                ),
              ),
              number(bestRate(context, model)),
            ]),
          },
        },
      ],
    };
  },
};

function plan({ settings, profile }: PlanContext, model: string, seed: number, rate: number, share: number, id: string): RunPlan {
  const steps = Math.ceil((profile.steps as number) * share);
  return { id, model, seed, cost: steps, config: { model, seed, rate, steps, final: share === 1, ...settings.options } };
}

const ratesOf = ({ profile }: PlanContext): readonly number[] => profile.rates as readonly number[];

function bestRate({ results }: PlanContext, model: string): number {
  const accuracy = (run: (typeof results)[number]) => run.evaluations.at(-1)?.metrics.accuracy ?? 0;
  const [best] = results.filter((run) => run.stage === "search" && run.model === model).sort((a, b) => accuracy(b) - accuracy(a));
  return (best?.config.rate as number | undefined) ?? NaN;
}

function wholeMilliseconds(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error("must be a whole number of milliseconds");
  return Number(text);
}
