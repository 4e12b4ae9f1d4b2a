import { classification, type ClassificationDetails } from "../../classification/classification.ts";
import type { Experiment, OutcomeContext, RunResult } from "../../experiment.ts";
import { deviation, mean, percentWithDeviation } from "../../format.ts";
import type { Outcome, Reference, Section, TableSection, WeightsSample } from "../../report/outcome.ts";
import { modelsBySeed } from "../models-by-seed.ts";

const costs = { "fully-connected": 1, window: 2, lstm: 3, attention: 8, "attention-no-positions": 8 };
export type ModelName = keyof typeof costs;
const { chosen: modelsOf, names: models, option, plan } = modelsBySeed(costs);
export { models };

/** What `finish` of a run returns. */
export interface TaggingDetails extends ClassificationDetails {
  /** The sentence with one word in two classes, and what the model says. */
  readonly shown: { readonly words: readonly string[]; readonly said: readonly string[] };
  /** Of that sentence. */
  readonly weights?: readonly WeightsSample[];
}

/** One label per vector: the class of each word, by models that see the word alone, a window, or the sentence. */
export const tagging: Experiment = {
  name: "tagging",
  summary: "who must see a word's neighbours to tell its class",
  description: `Universal part-of-speech tags of UD English-EWT by its official split: parameters are those that were best on the dev part, figures are of the test part.
All models get the same: an embedding of the word as it is written, learned here. No letters, no shapes, no vectors from elsewhere; by chance words become
unknown in training, rare ones more often. Fully connected: the word alone. Window: five words before and after, by two layers that look at two neighbours and at three on either side. LSTM: both directions. Attention: two layers of
an encoder, with a learned number per head and distance added to its scores, and without it. To compare with: each word's most frequent tag, NOUN for unknown ones.
Without --data it looks into ../shared/data/ud-english-ewt beside the repository.`,
  data: "a folder with …-train.conllu, …-dev.conllu and …-test.conllu, or those with .gz",
  profiles: {
    smoke: { summary: "one seed, 150 sentences, 2 epochs: does it run?", seeds: 1, limit: 150, epochs: 2 },
    quick: { summary: "one seed, 5 epochs; some minutes", seeds: 1, limit: 0, epochs: 5 },
    full: { summary: "three seeds, 10 epochs; about twenty minutes", seeds: 3, limit: 0, epochs: 10 },
  },
  options: [option],
  stages: [{ name: "train", title: "train", plan }],
  runs: new URL("./runs.ts", import.meta.url),
  outcome,
};

function outcome(context: OutcomeContext): Outcome {
  const { results, data } = context;
  const references = (data.references ?? []) as unknown as readonly Reference[];
  const groups = modelsOf(context).map((name) => ({ name, runs: results.filter(({ model }) => model === name) }));
  const of = classification({ ...context, models: modelsOf(context), references, examples: "words" });
  const [accuracy, ...rest] = of.sections;
  return { ...of, sections: [accuracy!, ...shownSentence(groups), knownAndUnknown(groups), ...rest] };
}

type Groups = readonly { readonly name: ModelName; readonly runs: readonly RunResult[] }[];

const detailsOf = ({ details }: RunResult): TaggingDetails | undefined => details as TaggingDetails | undefined;

function shownSentence(groups: Groups): Section[] {
  const rows = groups.flatMap(({ name, runs }) =>
    runs.flatMap((run) => {
      const shown = detailsOf(run)?.shown;
      return shown === undefined ? [] : [{ words: shown.words, row: [name, String(run.seed), ...shown.said] }];
    }),
  );
  if (rows.length === 0) return [];
  const { words } = rows[0]!;
  const table: TableSection = {
    kind: "table",
    title: words.join(" "),
    caption:
      "One word in two classes. Who sees the word alone must say the same of both; so must attention that does not know who stands where, since two equal words then see the same.",
    table: { columns: ["model", "seed", ...words].map((label) => ({ label })), rows: rows.map(({ row }) => row) },
  };
  const samples = groups.flatMap(({ name, runs }) =>
    (runs.map(detailsOf).find((details) => details?.weights)?.weights ?? []).map((sample) => ({
      ...sample,
      title: `${name}, ${sample.title}`,
    })),
  );
  if (samples.length === 0) return [table];
  const caption =
    "Attention weights, of the first seed: each row is a word, and where it looks. Without positions equal words have equal rows.";
  return [table, { kind: "weights", title: `Who looks where in ${words.join(" ")}`, caption, samples }];
}

function knownAndUnknown(groups: Groups): Section {
  const told = (runs: readonly RunResult[], key: string) => {
    const values = runs.flatMap(({ evaluations }) => evaluations.at(-1)?.metrics[key] ?? []);
    return percentWithDeviation(mean(values), deviation(values));
  };
  return {
    kind: "table",
    title: "Known and unknown words",
    caption:
      "Test accuracy on words that occur in the training part, and on those that do not: of these the model sees only that they are unknown, and their neighbours.",
    table: {
      columns: [{ label: "model" }, ...["known", "unknown", "all, dev part"].map((label) => ({ label, align: "right" as const }))],
      rows: groups.map(({ name, runs }) => [name, told(runs, "known"), told(runs, "unknown"), told(runs, "validation")]),
    },
  };
}
