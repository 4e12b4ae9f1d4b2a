import type { Experiment } from "../experiment.ts";
import { dictionary } from "./dictionary/index.ts";
import { distance } from "./distance/index.ts";
import { graph } from "./graph/index.ts";
import { kernels } from "./kernels/index.ts";
import { molecules } from "./molecules/index.ts";
import { peers } from "./peers/index.ts";
import { recommend } from "./recommend/index.ts";
import { speech } from "./speech/index.ts";
import { sentiment } from "./sentiment/index.ts";
import { tagging } from "./tagging/index.ts";
import { translation } from "./translation/index.ts";
import { vision } from "./vision/index.ts";

/** Every experiment, in the order in which `bench list` names them. To add one: a folder here, and a line below. */
export const experiments: readonly Experiment[] = [
  vision,
  graph,
  molecules,
  dictionary,
  tagging,
  sentiment,
  translation,
  speech,
  recommend,
  distance,
  kernels,
  peers,
];
