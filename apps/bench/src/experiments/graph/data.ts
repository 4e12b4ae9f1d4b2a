import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parsePlanetoid, type NodeGraph } from "@heed/datasets";
import type { PrepareContext, Prepared, Settings } from "../../experiment.ts";
import { UserError } from "../../errors.ts";

/** Bytes of the files: each run parses them, which takes milliseconds. */
export interface GraphData {
  readonly bytes: Uint8Array;
  readonly description: string | undefined;
}

const cora = fileURLToPath(new URL("../../../../../../shared/data/cora", import.meta.url));

export async function prepareGraph(settings: Settings, { progress }: PrepareContext): Promise<Prepared<GraphData>> {
  const folder = settings.data ?? cora;
  if (!existsSync(folder)) {
    throw new UserError("Cora is not in ../shared/data/cora: pass --data with a folder that holds a graph in plain form.");
  }
  const files = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  if (files.length !== 1) throw new UserError(`${folder} must hold one .safetensors file, and holds ${files.length}.`);
  const name = basename(files[0]!, ".safetensors");
  progress(`read ${name}`);
  const read = await readFile(join(folder, files[0]!));
  const bytes = new Uint8Array(new SharedArrayBuffer(read.length));
  bytes.set(read);
  const beside = join(folder, `${name}.json`);
  const description = existsSync(beside) ? await readFile(beside, "utf8") : undefined;
  const graph = parsePlanetoid(bytes.slice(), description);
  return {
    description: {
      name,
      classes: graph.classNames ?? Array.from({ length: graph.classCount }, (_, i) => `class ${i}`),
      nodes: graph.nodeCount,
      edges: graph.edgeIndex.shape[1]!,
      features: graph.features.shape[1],
      split: [graph.train.length, graph.validation.length, graph.test.length].join(" / "),
      references: [{ label: "largest class", value: largestClass(graph) }],
      fingerprint: createHash("sha256")
        .update(read)
        .update(description ?? "")
        .digest("hex")
        .slice(0, 16),
    },
    data: { bytes, description },
  };
}

/** The share of the test nodes that have the class most of the training nodes have; of several such classes the first. */
function largestClass({ labels, train, test, classCount }: NodeGraph): number {
  const counts = new Array<number>(classCount).fill(0);
  for (const node of train) counts[labels[node]!]!++;
  const most = counts.indexOf(Math.max(...counts));
  return test.reduce((sum, node) => sum + Number(labels[node] === most), 0) / test.length;
}
