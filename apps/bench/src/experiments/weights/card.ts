import type { Metrics, RunResult } from "../../experiment.ts";
import { number, percent, whole } from "../../format.ts";
import type { KeptModel } from "./kept-models.ts";

export interface Measured {
  readonly model: KeptModel;
  readonly result: RunResult;
  readonly bytes: number;
  readonly sha256: string;
  /** With the rounded parameters. */
  readonly rounded: Metrics;
  readonly command: string;
}

/** The model card: what it is, what it learned from whom, how well it does, and how to have it again. */
export function card({ model, result, bytes, sha256, rounded, command }: Measured): string {
  const { name, title, data, experiment, score } = model;
  const before = result.evaluations.at(-1)?.metrics ?? {};
  const rows = Object.entries(rounded).map(
    ([metric, value]) => `| ${metric} | ${shown(metric, value)} | ${shown(metric, before[metric] ?? NaN)} |`,
  );
  return `# ${name}

${title[0]!.toUpperCase()}${title.slice(1)}. Model \`${result.model}\` of \`bench ${experiment.name}\`.

| | |
| --- | --- |
| files | \`${name}.safetensors\`, ${whole(bytes)} bytes, float16; \`${name}.json\`: the model's shape, its classes and vocabularies |
| SHA-256 of the weights | \`${sha256}\` |
| parameters | ${whole(result.facts.parameters as number)} |
| data | ${data.homepage === undefined ? data.name : `[${data.name}](${data.homepage})`} |
| licence of the data | ${data.licence}; ${data.attribution} |
| licence of the weights | ${data.licence}: they are made from the data |
| made by | \`${command}\`, seed ${result.seed} |

## Score

${score[0]!.toUpperCase()}${score.slice(1)}: first row.

| | these weights | before rounding to float16 |
| --- | ---: | ---: |
${rows.join("\n")}

## What it is not

A model to look into, small and trained for minutes on one data set: not one to build on. It knows the words, voices and pictures of its data, with their biases.
`;
}

const shown = (metric: string, value: number): string =>
  Number.isNaN(value) ? "–" : /accuracy|validation/i.test(metric) && value <= 1 ? percent(value) : number(value);
