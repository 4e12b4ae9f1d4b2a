import { classification } from "../../classification/classification.ts";
import type { Experiment, PlanContext, RunPlan, RunResult } from "../../experiment.ts";
import { percent } from "../../format.ts";
import type { Reference, Section } from "../../report/outcome.ts";
import { wholeNumber } from "../whole-number.ts";

const models = ["attention", "rnn", "cnn"] as const;
type ModelName = (typeof models)[number];

/** Durations of a step, relative to one another: what goes side by side is planned by them. */
const stepCosts: Readonly<Record<ModelName, number>> = { attention: 3, rnn: 2, cnn: 8 };

/** Where no search is made: what served each model best in trials on patchworks. */
const knownRates: Readonly<Record<ModelName, number>> = { attention: 1e-3, rnn: 2e-3, cnn: 4e-3 };

/** Self-attention, a recurrence and a convolution of one size learn the same pictures. */
export const vision: Experiment = {
  name: "vision",
  summary: "self-attention, an RNN and a CNN of one size learn the same pictures",
  description: `Pictures are cut into patches of 16 × 16 pixels, each a vector: attention (a vision transformer) and the RNN (a
bidirectional LSTM in reading order) see those vectors, the CNN (a small ResNet) the pixels of the same pictures. Parameter counts
are matched to the attention model's. All train alike: AdamW, the same epochs, batches, augmentation, warm-up and cosine decay; the
profile full searches the learning rate of each model over the same grid, on a part of the training pictures kept aside.
Without --data the pictures are procedural ("patchworks"): a class is told by local textures and the relation of distant places.`,
  data: "a folder with one folder of pictures per class (JPEG, PNG; train.txt and test.txt beside it if there are any), or IDX files",
  profiles: {
    smoke: {
      summary: "one seed, 320 small pictures, 2 epochs: does it run?",
      seeds: 1,
      epochs: 2,
      train: 320,
      test: 160,
      limitPerClass: 12,
      embedDim: 48,
      depth: 2,
      numHeads: 4,
      batchSize: 32,
      rates: [],
    },
    quick: {
      summary: "one seed, 3,072 procedural pictures of 64 × 64, 24 epochs; a few minutes",
      seeds: 1,
      epochs: 24,
      train: 3072,
      test: 768,
      limitPerClass: 0,
      embedDim: 64,
      depth: 3,
      numHeads: 4,
      batchSize: 32,
      rates: [],
    },
    full: {
      summary: "three seeds after a search of the learning rate, 20 epochs; half an hour or more",
      seeds: 3,
      epochs: 20,
      train: 6144,
      test: 1536,
      limitPerClass: 0,
      embedDim: 96,
      depth: 4,
      numHeads: 4,
      batchSize: 32,
      rates: [7e-4, 1.5e-3, 3e-3],
    },
  },
  options: [
    { flags: "--size <pixels>", description: "side of the pictures, a multiple of 16 (default: 64, with --data 128)", parse: side },
    { flags: "--epochs <count>", description: "passes over the training pictures (default: by profile)", parse: wholeNumber },
    { flags: "--rate <rate>", description: "learning rate of every model, in place of the search", parse: positive },
  ],
  stages: [
    { name: "search", title: "search the learning rate", plan: search },
    { name: "train", title: "train", plan: train },
  ],
  runs: new URL("./runs.ts", import.meta.url),
  outcome(context) {
    const references = (context.data.references ?? []) as unknown as readonly Reference[];
    const outcome = classification({ ...context, models, references });
    const rates = context.profile.rates as readonly number[];
    const searched = context.results.filter(({ stage }) => stage === "search");
    return searched.length === 0 ? outcome : { ...outcome, sections: [...outcome.sections, searchTable(context, rates, searched)] };
  },
};

/** A fifth of the epochs with each rate, judged on training pictures kept aside. */
function search(context: PlanContext): readonly RunPlan[] {
  const rates = context.settings.options.rate === undefined ? (context.profile.rates as readonly number[]) : [];
  return models.flatMap((model) =>
    rates.map((rate, i) => plan(context, model, context.seeds[0]!, rate, `search-${model}-${i}`, { validate: true, share: 0.2 })),
  );
}

function train(context: PlanContext): readonly RunPlan[] {
  return context.seeds.flatMap((seed) =>
    models.map((model) => plan(context, model, seed, rateOf(context, model), `${model}-seed-${seed}`, { validate: false, share: 1 })),
  );
}

function plan(
  { settings, profile, seeds, data }: PlanContext,
  model: ModelName,
  seed: number,
  rate: number,
  id: string,
  { validate, share }: { validate: boolean; share: number },
): RunPlan {
  const epochs = Math.max(1, Math.round(((settings.options.epochs as number | undefined) ?? (profile.epochs as number)) * share));
  return {
    id,
    model,
    seed,
    cost: epochs * stepCosts[model],
    config: {
      model,
      rate,
      epochs,
      validate,
      drawAttention: !validate && seed === seeds[0],
      imageSize: data.imageSize!,
      embedDim: profile.embedDim!,
      depth: profile.depth!,
      numHeads: profile.numHeads!,
      batchSize: profile.batchSize!,
      start: settings.data === undefined ? "places" : "timm",
    },
  };
}

function rateOf({ settings, results }: PlanContext, model: ModelName): number {
  if (settings.options.rate !== undefined) return settings.options.rate as number;
  const [best] = results.filter((run) => run.stage === "search" && run.model === model).sort((a, b) => accuracyOf(b) - accuracyOf(a));
  return (best?.config.rate as number | undefined) ?? knownRates[model];
}

const accuracyOf = (run: RunResult): number => run.evaluations.at(-1)?.metrics.accuracy ?? 0;

function searchTable(context: PlanContext, rates: readonly number[], searched: readonly RunResult[]): Section {
  return {
    kind: "table",
    title: "Schedule search",
    caption:
      "Accuracy on training pictures kept aside, after a fifth of the epochs with each learning rate (each with its own warm-up and decay), first seed. The best one trains, on all training pictures.",
    table: {
      columns: [
        { label: "model" },
        ...rates.map((rate) => ({ label: `rate ${rate}`, align: "right" as const })),
        { label: "chosen", align: "right" },
      ],
      rows: models.map((model) => [
        model,
        ...rates.map((rate) => {
          const run = searched.find((one) => one.model === model && one.config.rate === rate);
          return run === undefined ? "–" : percent(accuracyOf(run));
        }),
        String(rateOf(context, model)),
      ]),
    },
  };
}

function side(text: string): number {
  const pixels = Number(text);
  if (!Number.isInteger(pixels) || pixels < 32 || pixels > 512 || pixels % 16 !== 0)
    throw new Error("must be a multiple of 16, from 32 to 512");
  return pixels;
}

function positive(text: string): number {
  if (!(Number(text) > 0)) throw new Error("must be a number above 0");
  return Number(text);
}
