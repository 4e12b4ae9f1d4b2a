// The sparse patterns of the literature: each is a mask, and masks combine. Give a folder to get their pictures.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  and,
  causal,
  dilated,
  document,
  fixed,
  globalTokens,
  graph,
  neighbourhood,
  or,
  prefix,
  randomBlocks,
  strided,
  window,
  type DrawableMask,
} from "@heed/masks";
import { randomKey, tensor } from "@heed/tensor";

const n = 32;
const ring = Array.from({ length: n }, (_, node) => [node, (node + 1) % n]);
const patterns: Readonly<Record<string, DrawableMask>> = {
  "causal-window": and(causal(), window(5, 0)),
  prefix: prefix([9]), // a prompt that reads itself both ways
  documents: and(causal(), document(Array.from({ length: n }, (_, j) => Math.floor(j / 11)))),
  dilated: dilated(3, 4),
  strided: strided(6), // Sparse Transformer
  fixed: fixed(8, 2),
  longformer: or(window(2, 2), globalTokens([0, 16])),
  "big-bird": or(window(2, 2), globalTokens([0, 1]), randomBlocks({ key: randomKey(7), block: 4, count: 1 })),
  neighbourhood: neighbourhood({ grid: [4, 8], radius: 1 }), // pixels of a 4 × 8 image
  graph: graph(tensor([ring.map(([from]) => from!), ring.map(([, to]) => to!)], { dtype: "int32" }), { selfLoops: true }),
};

const folder = process.argv[2];
if (folder !== undefined) mkdirSync(folder, { recursive: true });
for (const [name, mask] of Object.entries(patterns)) {
  const open = mask.toTensor(n, n).toTypedArray().filter(Boolean).length;
  const { verdicts } = mask.tiles(n, n, { rows: 8, columns: 8 });
  const skipped = verdicts.filter((verdict) => verdict === 0).length;
  console.log(`${name}: ${mask.name}; ${open} of ${n * n} pairs, ${skipped} of ${verdicts.length} tiles of 8 × 8 skipped`);
  if (folder !== undefined) writeFileSync(join(folder, `${name}.svg`), mask.toSVG(n, n));
}
console.log(patterns.longformer!.toString(n, n));
