// node --conditions=@heed/source src/expressions/expressions.bench.ts [rounds]
import { configure } from "@heed/kernels";
import { grad, normal, randomKey, scope, sum, tensor, type Tensor } from "@heed/tensor";
import { attention, type AttentionOptions } from "../index.ts";
import { abs, maskMod, scoreMod, table, tanh, type Expr, type PairVariables, type ScoreVariables } from "../expressions.ts";

// Best of many short samples, works in turn: a busy machine disturbs them little.
const rounds = Number(process.argv[2] ?? 60);
configure({ threads: 1 });

function bestOf(works: Readonly<Record<string, () => void>>): Record<string, number> {
  const best: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      const start = performance.now();
      work();
      best[name] = Math.min(best[name] ?? Infinity, performance.now() - start);
    }
  }
  return best;
}

// How long masks written as expressions take to be planned at L = S = 65,536, and how large their plans are.
const n = 65_536;
const ids = table(tensor(Int32Array.from({ length: n }, (_, at) => Math.floor(at / 1000))));
const masks: Readonly<Record<string, (at: PairVariables) => Expr>> = {
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
const bytes: Record<string, number> = {};
const planning = Object.entries(masks).map(([name, write]): [string, () => void] => {
  const mask = maskMod(write);
  return [
    name,
    () => {
      const form = mask.lower({ B: 1, H: 1, L: n, S: n, queryOffset: 0 });
      bytes[name] =
        form.form === "ranges" ? form.bounds.byteLength : form.verdicts.byteLength + form.bitsAt.byteLength + form.bits.byteLength;
    },
  ];
});
console.log("planning, L = S = 65,536");
for (const [name, time] of Object.entries(bestOf(Object.fromEntries(planning)))) {
  console.log(`${name.padEnd(40)} ${time.toFixed(2).padStart(8)} ms ${(bytes[name] / 1024).toFixed(0).padStart(6)} KiB`);
}

// What a scoreMod costs in the kernel, beside the option that it could stand for.
const [H, L, D] = [2, 384, 64];
const [q, k, v] = ["q", "k", "v"].map((name) => normal(randomKey(7).split(name), [1, H, L, D]));
const slopes = tensor([0.5, 0.25]);
const distances = tensor(new Float32Array(H * 64).fill(0.1), { shape: [H, 64] });
const calls: [name: string, of: Tensor, options: (of: Tensor) => AttentionOptions][] = [
  ["plain", q, () => ({})],
  ["softcap", q, () => ({ softcap: 20 })],
  ["scoreMod 20 tanh(s / 20)", q, () => modified(({ score }) => tanh(score.div(20)).mul(20))],
  [
    "scoreMod ALiBi, learned slopes",
    slopes,
    (of) => modified(({ score, h, position, j }) => score.add(table(of).at(h).mul(j.sub(position)))),
  ],
  [
    "scoreMod learned table by distance",
    distances,
    (of) => modified(({ score, h, position, j }) => score.add(table(of).at(h, position.sub(j)))),
  ],
];
const modified = (write: (at: ScoreVariables) => Expr): AttentionOptions => ({ scoreMod: scoreMod(write), strict: true });
const works = calls.flatMap(([name, of, options]): [string, () => void][] => [
  [name, () => scope(() => void attention(q, k, v, options(of)))],
  [`${name}, with gradients`, () => void grad((at: Tensor[]) => sum(attention(at[0], k, v, options(at[1]))))([q, of])],
]);
console.log(`attention, ${H} heads, L = S = ${L}, D = ${D}, one thread`);
for (const [name, time] of Object.entries(bestOf(Object.fromEntries(works)))) {
  console.log(`${name.padEnd(52)} ${time.toFixed(2).padStart(8)} ms`);
}
