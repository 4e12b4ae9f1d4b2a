import { activeBuild, defineFamily, HeedError } from "@heed/kernels";
import { wasm as forwardOf } from "../streaming/generate.ts";
import { reference as forwardReference } from "../streaming/reference.ts";
import type { ScoreModKernels } from "../streaming/score-pass.ts";
import type { StreamingKernels } from "../streaming/compiled.ts";
import { wasm as backwardOf } from "../streaming-backward/generate.ts";
import { reference as backwardReference } from "../streaming-backward/reference.ts";
import type { StreamingBackwardKernels } from "../streaming-backward/streaming-backward.ts";
import { evaluate, wholeRegion } from "./evaluate.ts";
import type { Expr } from "./expr.ts";
import { formOf } from "./form.ts";
import { passOf } from "./pass.ts";
import { passLayout, writePass } from "./record.ts";
import { structureOf, type Structure } from "./structure.ts";

type Kernels = Pick<ScoreModKernels, "forward" | "backward" | "obstacle">;

/** By the key of their structure; a program has few. */
let made: Map<string, Kernels> | undefined;

/** Streaming attention with an expression as one of its passes. Assembled and compiled at first use, once for each structure. */
export function kernelsOf(root: Expr): ScoreModKernels {
  const { key, structure, numbers, tables } = structureOf(root);
  made ??= new Map();
  let kernels = made.get(key);
  if (kernels === undefined) made.set(key, (kernels = makeKernels(structure)));
  const form = formOf(root);
  return {
    ...kernels,
    tables,
    write: (pointer, records) => writePass(pointer, numbers, records),
    bytes: Math.max(passLayout(structure.numbers, structure.ranks).bytes, 8),
    axes: tables.map((_, table) => axesOf(structure, table)),
    dense: (scores, context, given) => evaluate({ ...form, tables: given }, scores, wholeRegion(context)),
  };
}

function makeKernels(structure: Structure): Kernels {
  const pass = passOf(structure);
  const forward = defineFamily<StreamingKernels>(
    "streaming with a scoreMod",
    (build) => forwardOf(build, pass),
    (views) => forwardReference(views, pass),
  );
  const backward = defineFamily<StreamingBackwardKernels>(
    "streaming-backward with a scoreMod",
    (build) => backwardOf(build, pass),
    (views) => backwardReference(views, pass),
  );
  let refusal: string | undefined;
  return {
    forward,
    backward,
    obstacle() {
      try {
        if (refusal === undefined) forward.implementation(activeBuild());
      } catch (error) {
        if (error instanceof HeedError) throw error;
        refusal = `this engine compiles no WebAssembly at run time (${(error as Error).message})`;
      }
      return refusal;
    },
  };
}

/** Axes of a table whose index is b, or h, in every place where it is read: samples, or heads, may then write their gradients apart. */
function axesOf({ parts }: Structure, table: number): ScoreModKernels["axes"][number] {
  const lookups = parts.filter((x) => x.op === "lookup").filter((x) => x.table === table);
  const axisOf = (name: string) => {
    const axes = new Set(lookups.map(({ indices }) => indices.findIndex((x) => x.op === "variable" && x.name === name)));
    const [axis] = axes;
    return axes.size === 1 && axis >= 0 ? axis : undefined;
  };
  return { sample: axisOf("b"), head: axisOf("h") };
}
