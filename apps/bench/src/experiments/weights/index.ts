import type { Tool } from "../../tool.ts";
import { wholeNumber } from "../whole-number.ts";

export const weights: Tool = {
  name: "weights",
  summary: "trains the small models that the playground loads, and writes them with a card each",
  description: `Tagging, translation from French to English, speech, sentiment and vision: one run of each experiment, its best parameters rounded to float16
and written as safetensors; beside them the model's shape and vocabularies as JSON, and a card that states data, licence and score. The score is measured
anew, with the rounded parameters. Runs that \`bench <experiment>\` has finished already, with the same profile and seed, are taken from bench-results; the
others train now, and go on from where they were if they were cut off.`,
  options: [
    { flags: "--only <names>", description: "some of tagging, translation-fr-en, speech, sentiment, vision, separated by commas" },
    { flags: "--data <folder>", description: "holds the data sets, one folder each (default: where each experiment looks by itself)" },
    { flags: "--out <folder>", description: "where weights and cards go", default: "apps/playground/public/weights" },
    { flags: "--profile <name>", description: "smoke, quick or full, for all models (default: what each model was meant to have)" },
    { flags: "--seed <n>", description: "of the trainings", default: 1, parse: wholeNumber },
  ],
  run: async (options) => (await import("./run.ts")).run(options),
};
