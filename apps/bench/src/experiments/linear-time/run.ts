import { writeFileSync } from "node:fs";
import { attention } from "@heed/attention";
import { linearAttention, linformer, orthogonalFeatures, performer, recurrentAttention, reformer } from "@heed/attention/linear-time";
import { causal } from "@heed/masks";
import { abs, full, mean, noGrad, normal, randomKey, scope, sub, type Tensor } from "@heed/tensor";
import type { Json } from "../../experiment.ts";
import { crossing, type Times } from "./crossing.ts";

const [H, D] = [8, 64];
const key = randomKey(7);
/** Rounds of samples; each takes the fastest, since a busy machine only ever makes a sample slower. */
const ROUNDS = 5;

interface Operands {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  /** k of length 1 or so, as the delta rule wants it. */
  readonly unit: Tensor;
  /** `[256, L]` */
  readonly projection: Tensor;
  readonly beta: Tensor;
}

interface Variant {
  readonly name: string;
  readonly causal: boolean;
  /** Of softmax attention, so that its error says something. */
  readonly approximates: boolean;
  run(operands: Operands): Tensor;
}

const directions = orthogonalFeatures(key.split("directions"), 256, D);
const variants: readonly Variant[] = [false, true].flatMap((isCausal): Variant[] => {
  const mask = isCausal ? { mask: causal() } : {};
  const variant = (name: string, approximates: boolean, run: Variant["run"]): Variant => ({ name, causal: isCausal, approximates, run });
  return [
    variant("linearAttention", false, ({ q, k, v }) => linearAttention(q, k, v, mask)),
    variant("performer, 256 features", true, ({ q, k, v }) => performer(q, k, v, { ...mask, directions })),
    variant("reformer, 2 rounds", true, ({ q, k, v }) => reformer(q, k, v, { ...mask, key })),
    ...(isCausal
      ? [
          variant("delta rule", false, ({ q, unit, v, beta }) => recurrentAttention(q, unit, v, { updateRule: "delta", beta })),
          variant("linear rule", false, ({ q, k, v }) => recurrentAttention(q, k, v, { updateRule: "linear" })),
        ]
      : [variant("linformer, rank 256", false, ({ q, k, v, projection }) => linformer(q, k, v, { keyProjection: projection }))]),
  ];
});

interface Row {
  readonly name: string;
  readonly causal: boolean;
  /** Per length, milliseconds of ours and of exact attention. */
  readonly times: Times[];
  /** Mean |y − exact| over mean |exact|, at the first length; of approximations. */
  readonly error: number | undefined;
  readonly from: number | undefined;
}

/** Prints a table as lengths go on, then the crossings. */
export async function run(
  options: Readonly<Record<string, Json>>,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  const lengths = [...(options.lengths as readonly number[])].sort((a, b) => a - b);
  const collected = variants.map((): { times: Times[]; error: number | undefined } => ({ times: [], error: undefined }));
  write(`Milliseconds at B = 1, ${H} heads of ${D}, forward, one thread; the fastest of ${ROUNDS} samples\n`);
  for (const length of lengths) {
    const operands = operandsOf(length);
    const { q, k, v } = operands;
    const exact = [() => attention(q, k, v), () => attention(q, k, v, { mask: causal() })] as const;
    const all = [...exact, ...variants.map((variant) => () => variant.run(operands))];
    const best = all.map(() => Infinity);
    for (let round = 0; round < ROUNDS; round++) all.forEach((work, at) => (best[at] = Math.min(best[at]!, sample(work))));
    variants.forEach((variant, at) => {
      const of = collected[at]!;
      of.times.push({ length, ours: best[at + 2]!, exact: best[variant.causal ? 1 : 0]! });
      if (variant.approximates) of.error ??= errorOf(variant.run(operands), exact[variant.causal ? 1 : 0]());
    });
    write(`L = ${length}: exact ${best[0]!.toFixed(1)}, causal ${best[1]!.toFixed(1)}\n`);
    variants.forEach(({ name, causal: isCausal }, at) => write(`  ${label(name, isCausal).padEnd(34)} ${best[at + 2]!.toFixed(1)}\n`));
  }
  const rows = variants.map(({ name, causal: isCausal }, at): Row => {
    const { times, error } = collected[at]!;
    return { name, causal: isCausal, times, error, from: crossing(times) };
  });
  write("\nFaster than exact streaming attention from L on\n");
  for (const { name, causal: isCausal, from, error } of rows) {
    const where = from === undefined ? `not up to ${lengths.at(-1)}` : `${from <= lengths[0]! ? "≤ " : ""}${Math.round(from)}`;
    const quality = error === undefined ? "a function of its own" : `off by ${(100 * error).toFixed(0)} % on random operands`;
    write(`  ${label(name, isCausal).padEnd(34)} ${where.padEnd(16)} ${quality}\n`);
  }
  if (typeof options.json === "string") writeFileSync(options.json, `${JSON.stringify({ heads: H, width: D, rows }, null, 2)}\n`);
  return Promise.resolve(0);
}

const label = (name: string, isCausal: boolean): string => (isCausal ? `${name}, causal` : name);

/** Queries and keys of deviation ½: longer ones, e^{|q′ + k′|²} of 256 features says nothing about any more. */
function operandsOf(L: number): Operands {
  const draw = (name: string, deviation: number) => normal(key.split(name), [1, H, L, D], { deviation });
  return {
    q: draw("q", 0.5),
    k: draw("k", 0.5),
    v: draw("v", 1),
    unit: draw("k", 1 / 8),
    projection: normal(key.split("projection"), [256, L], { deviation: 1 / 16 }),
    beta: full([1, H, L], 0.5),
  };
}

function sample(work: () => Tensor): number {
  const start = performance.now();
  noGrad(() => scope(work));
  return performance.now() - start;
}

function errorOf(y: Tensor, exact: Tensor): number {
  return (mean(abs(sub(y, exact))).item() as number) / (mean(abs(exact)).item() as number);
}
