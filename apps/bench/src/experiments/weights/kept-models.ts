import type { Experiment, Profile, RunPlan } from "../../experiment.ts";
import { sentiment } from "../sentiment/index.ts";
import { speech } from "../speech/index.ts";
import { tagging } from "../tagging/index.ts";
import { translation } from "../translation/index.ts";
import { vision } from "../vision/index.ts";

/** A model that is kept: which run of which experiment it comes from, and whose data it learned. */
export interface KeptModel {
  /** Of its files. */
  readonly name: string;
  readonly title: string;
  readonly experiment: Experiment;
  readonly profile: Profile;
  /** The first planned run that it says yes to. */
  readonly isIt: (plan: RunPlan) => boolean;
  /** Its folder among the data sets; absent: the data are drawn. */
  readonly folder?: string;
  readonly data: DataCard;
  /** How the first metric reads. */
  readonly score: string;
}

export interface DataCard {
  readonly name: string;
  readonly licence: string;
  readonly attribution: string;
  readonly homepage?: string;
}

export const keptModels: readonly KeptModel[] = [
  {
    name: "tagging",
    title: "parts of speech of English words, by self-attention with positions",
    experiment: tagging,
    profile: "full",
    isIt: ({ model }) => model === "attention",
    folder: "ud-english-ewt",
    data: {
      name: "Universal Dependencies English Web Treebank 2.16",
      licence: "CC-BY-SA-4.0",
      attribution:
        "© 2013–2021 The Board of Trustees of The Leland Stanford Junior University; Silveira et al., A Gold Standard Dependency Corpus for English, LREC 2014",
      homepage: "https://github.com/UniversalDependencies/UD_English-EWT",
    },
    score: "words of the test split whose tag is right",
  },
  {
    name: "translation-fr-en",
    title: "French to English, by a recurrent encoder and decoder with additive attention",
    experiment: translation,
    profile: "full",
    isIt: ({ model, config }) => model === "longer" && config.direction === "fr-en",
    folder: "tatoeba-eng-fra",
    data: {
      name: "Tatoeba English–French sentence pairs",
      licence: "CC-BY-2.0",
      attribution: "tatoeba.org, by way of www.manythings.org/anki",
      homepage: "https://www.manythings.org/anki/",
    },
    score: "BLEU on sentences kept aside",
  },
  {
    name: "speech",
    title: "which digit is said, by self-attention over log-mel frames",
    experiment: speech,
    profile: "full",
    isIt: ({ config }) => config.task === "digit" && config.name === "full",
    folder: "fsdd",
    data: {
      name: "Free Spoken Digit Dataset (half)",
      licence: "CC-BY-SA-4.0",
      attribution: "Zohar Jackson, César Souza, Jason Flaks, Yuxin Pan, Hereman Nicolas, Adhish Thite (DOI 10.5281/zenodo.1342401)",
      homepage: "https://github.com/Jakobovski/free-spoken-digit-dataset",
    },
    score: "recordings of the official test split whose digit is right",
  },
  {
    name: "sentiment",
    title: "whether a sentence of a film review is positive, by attention pooling",
    experiment: sentiment,
    profile: "full",
    isIt: ({ model }) => model === "attention-pooling",
    folder: "sentence-polarity",
    data: {
      name: "Sentence polarity dataset v1.0 (MR)",
      licence: "CC-BY-4.0",
      attribution: "© 2005 Bo Pang and Lillian Lee; Seeing Stars, ACL 2005",
      homepage: "https://www.cs.cornell.edu/people/pabo/movie-review-data/",
    },
    score: "test sentences whose polarity is right",
  },
  {
    name: "vision",
    title: "procedural pictures, by a vision transformer on patches of 16 × 16",
    experiment: vision,
    profile: "quick",
    isIt: ({ model }) => model === "attention",
    data: {
      name: "patchworks, drawn by @heed/datasets",
      licence: "MIT",
      attribution: "the authors of heed",
    },
    score: "test pictures whose class is right",
  },
];
