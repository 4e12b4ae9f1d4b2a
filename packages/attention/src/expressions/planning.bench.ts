import { tensor } from "@heed/tensor";
import { abs, maskMod, table, type PairVariables } from "../expressions.ts";

// How long masks written as expressions take to be planned at L = S = 65,536, the best of some runs, and how large their plans are.

const n = 65_536;
const ids = table(tensor(Int32Array.from({ length: n }, (_, at) => Math.floor(at / 1000))));
const context = { B: 1, H: 1, L: n, S: n, queryOffset: 0 };

const masks: Readonly<Record<string, (at: PairVariables) => ReturnType<typeof abs>>> = {
  causal: ({ position, j }) => j.lessEqual(position),
  "window ∧ causal ∧ document": ({ position, j }) =>
    position
      .sub(j)
      .less(256)
      .and(j.lessEqual(position))
      .and(ids.at(position).equal(ids.at(j))),
  "|i − j| ≤ 255 ∨ j < 16": ({ position, j }) => abs(position.sub(j)).lessEqual(255).or(j.less(16)),
  "blocks of 256": ({ position, j }) => position.floorDiv(256).equal(j.floorDiv(256)),
};

for (const [name, write] of Object.entries(masks)) {
  const mask = maskMod(write);
  let best = Infinity;
  let bytes = 0;
  for (let run = 0; run < 60; run++) {
    const start = performance.now();
    const form = mask.lower(context);
    best = Math.min(best, performance.now() - start);
    bytes = form.form === "ranges" ? form.bounds.byteLength : form.verdicts.byteLength + form.bitsAt.byteLength + form.bits.byteLength;
  }
  console.log(`${name.padEnd(28)} ${best.toFixed(1).padStart(6)} ms ${(bytes / 1024).toFixed(0).padStart(6)} KiB`);
}
