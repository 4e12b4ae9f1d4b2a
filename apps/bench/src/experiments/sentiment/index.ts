import { classification, type ClassificationDetails } from "../../classification/classification.ts";
import type { Experiment, OutcomeContext } from "../../experiment.ts";
import type { Outcome, Reference, Section, WordsSample } from "../../report/outcome.ts";
import { modelsBySeed } from "../models-by-seed.ts";

const costs = { "bag-of-words": 2, lstm: 3, "attention-pooling": 3, "attention-pooling-from-chance": 3, encoder: 4 };
export type ModelName = keyof typeof costs;
const { chosen: modelsOf, names: models, option, plan } = modelsBySeed(costs);
export { models };

/** What `finish` of a run returns. */
export interface SentimentDetails extends ClassificationDetails {
  /** Test sentences with the weight of each word. */
  readonly weighed?: readonly WordsSample[];
}

/** One label per sequence: whether a sentence praises or damns a film. */
export const sentiment: Experiment = {
  name: "sentiment",
  summary: "which words decide whether a film is praised",
  description: `Sentence polarity (Pang and Lee 2005): every tenth line of each file is for testing, every tenth of the rest for validation; parameters are those that were best
there. Nothing comes from elsewhere: a word's vector is the sum of a row of its own, if training met it twice, and of rows that its sequences of three and four
letters share by a hash. These rows begin with what naive Bayes counts in the training part (how much more often positive sentences have the piece), along one
direction by chance, and are learned from there, by all models alike; "attention-pooling-from-chance" has no such start. Three words in ten are forgotten in training.
To compare with: naive Bayes on the presence of words, with training and validation part.
Without --data it looks into ../shared/data/sentence-polarity beside the repository.`,
  data: "a folder with rt-polarity.neg and rt-polarity.pos, a sentence a line, in Latin-1",
  profiles: {
    smoke: { summary: "one seed, 200 sentences of either class, 2 epochs: does it run?", seeds: 1, limit: 200, epochs: 2 },
    quick: { summary: "one seed, 4 epochs; a few minutes", seeds: 1, limit: 0, epochs: 4 },
    full: { summary: "three seeds, 6 epochs; about ten minutes", seeds: 3, limit: 0, epochs: 6 },
  },
  options: [option],
  stages: [{ name: "train", title: "train", plan }],
  runs: new URL("./runs.ts", import.meta.url),
  outcome,
};

function outcome(context: OutcomeContext): Outcome {
  const references = (context.data.references ?? []) as unknown as readonly Reference[];
  const of = classification({ ...context, models: modelsOf(context), references, examples: "sentences" });
  const weighed = modelsOf(context).flatMap((name): Section[] => {
    const samples = context.results
      .filter(({ model }) => model === name)
      .map(({ details }) => (details as SentimentDetails | undefined)?.weighed)
      .find((found) => found !== undefined);
    if (samples === undefined) return [];
    const caption =
      "The first test sentences of either class with 8 to 18 words, by the first seed; the stronger the colour, the larger the word's share of the sum that the model judges.";
    return [{ kind: "words", title: `What ${name} weighs`, caption, samples }];
  });
  const [accuracy, ...rest] = of.sections;
  return { ...of, sections: [accuracy!, ...weighed, ...rest] };
}
