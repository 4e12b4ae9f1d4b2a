import type { Experiment, PlanContext, RunPlan } from "../../experiment.ts";
import { translationOutcome } from "./outcome.ts";
import { someOf } from "../some-of.ts";

/** "longer" is "attention" with more epochs, of the first direction alone: the one that others may load. */
export const models = ["attention", "fixed", "transformer", "longer"] as const;
export type ModelName = (typeof models)[number];
export const directions = ["fr-en", "en-fr"] as const;
export type Direction = (typeof directions)[number];

/** Words of the source, punctuation not counted. */
export const lengthClasses = [
  { label: "1–5", least: 1, most: 5 },
  { label: "6–10", least: 6, most: 10 },
  { label: "11–15", least: 11, most: 15 },
  { label: "16–30", least: 16, most: 30 },
] as const;

/** A translation's weights over its source, `[target][source]`. */
export interface Alignment {
  readonly source: readonly string[];
  readonly target: readonly string[];
  readonly weights: readonly (readonly number[])[];
}

/** What `finish` of a run returns. */
export interface TranslationDetails {
  /** BLEU on the test sentences drawn from all, by greedy and by beam search. */
  readonly greedy: number;
  readonly beam: number;
  /** The same by sacreBLEU itself, where there is one. */
  readonly library?: { readonly score: number; readonly signature: string };
  /** Of each of `lengthClasses`, on all test sentences, by beam search. */
  readonly byLength: readonly { readonly sentences: number; readonly bleu: number | null }[];
  readonly examples: readonly { readonly source: string; readonly reference: string; readonly said: string }[];
  readonly alignments: readonly Alignment[];
}

/** Attention finds in the source what the next word needs; without it one vector must hold all. */
export const translation: Experiment = {
  name: "translation",
  summary: "attention against one vector per sentence, in translation",
  description: `Three translators from French to English and back: GRUs with additive attention (Bahdanau), the same GRUs where the decoder sees the sentence as one
vector, the last states of the encoder, and a Transformer; one of the first is trained longer, for others to load. They read and write pieces of words (byte pairs learned from the training part), lower-case, and are
judged by BLEU on sentences kept aside, split by English sentence: no test sentence, English or French, is trained on. BLEU is computed as sacreBLEU does, and by
sacreBLEU itself where --python has it. Lengths that are rare have test sentences of their own, so that BLEU by length says something of long ones.
Without --data it looks into ../shared/data/tatoeba-eng-fra beside the repository.`,
  data: "a folder with one gzipped file of sentence pairs, English and French separated by a tab (Tatoeba, as manythings.org keeps it)",
  profiles: {
    smoke: {
      summary: "French to English, 600 short pairs, 2 epochs: does it run?",
      seeds: 1,
      directions: ["fr-en"],
      amounts: { pairs: 600, longest: 8, merges: 150, test: 20, validation: 20, perClass: 10 },
      training: { epochs: 2, longer: 3, width: 16, hidden: 16, transformerWidth: 16, layers: 1, dropoutP: 0 },
    },
    quick: {
      summary: "French to English, 30,000 pairs of up to 12 words, small models; some minutes",
      seeds: 1,
      directions: ["fr-en"],
      amounts: { pairs: 30_000, longest: 12, merges: 1000, test: 400, validation: 200, perClass: 80 },
      training: { epochs: 5, longer: 10, width: 48, hidden: 64, transformerWidth: 64, layers: 2, dropoutP: 0.1 },
    },
    full: {
      summary: "both directions, 100,000 pairs of up to 30 words, one seed; about an hour",
      seeds: 1,
      directions: ["fr-en", "en-fr"],
      amounts: { pairs: 100_000, longest: 30, merges: 2200, test: 1000, validation: 500, perClass: 250 },
      training: { epochs: 2, longer: 6, width: 64, hidden: 128, transformerWidth: 96, layers: 2, dropoutP: 0 },
    },
  },
  options: [
    { flags: "--models <names>", description: `some of ${models.join(", ")}, separated by commas`, parse: someOf(models) },
    {
      flags: "--directions <names>",
      description: `some of ${directions.join(", ")}, separated by commas`,
      parse: someOf(directions),
    },
    { flags: "--python <program>", description: "a Python; where it has sacrebleu, that judges too", default: "python3" },
  ],
  stages: [{ name: "train", title: "train", plan }],
  runs: new URL("./runs.ts", import.meta.url),
  outcome: translationOutcome,
};

function plan({ settings, profile, seeds }: PlanContext): readonly RunPlan[] {
  const named = {
    models: (settings.options.models ?? models) as readonly ModelName[],
    directions: (settings.options.directions ?? profile.directions) as readonly Direction[],
  };
  const { epochs, longer, layers, dropoutP, ...sizes } = profile.training as Readonly<Record<string, number>>;
  const first = named.directions[0];
  return seeds.flatMap((seed) =>
    named.directions.flatMap((direction) =>
      named.models
        .filter((model) => model !== "longer" || direction === first)
        .map((model) => {
          const width = model === "transformer" ? sizes.transformerWidth! : sizes.width!;
          const hidden = model === "transformer" ? 2 * width : sizes.hidden!;
          const passes = model === "longer" ? longer! : epochs!;
          const config = { direction, model, epochs: passes, width, hidden, layers: layers!, dropoutP: dropoutP! };
          return { id: `${model}-${direction}-seed-${seed}`, model, seed, cost: passes / epochs!, config };
        }),
    ),
  );
}
