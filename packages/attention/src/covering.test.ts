import { describe, expect, it } from "vitest";
import { cast, randomKey, tensor, UnsupportedError, type Tensor } from "@heed/tensor";
import type { ScoreMod } from "@heed/tensor/terms";
import { eachBackend, expectClose, randomTensor } from "@heed/tensor/testing";
import { and, causal, document, fromTensor, not, padding, window } from "@heed/masks";
import { alibi, gridBias } from "@heed/positional";
import { additive, bilinear, dot, gaussian, scaledDot } from "@heed/scoring";
import { differencesFromDense } from "../test/against-dense.ts";
import { scoreMod, table, tanh } from "./expressions.ts";
import { attention, explain, weightsOf, type AttentionOptions } from "./index.ts";
import { entmax15, hard, identity, relu, sigmoid, sparsemax, topK } from "./normalisers.ts";

/** Choices per option: every pair of choices of two options comes up in some call. */
const choices = {
  score: ["scaledDot", "scaledDot", "scale per head", "dot", "bilinear", "bilinear", "gaussian", "additive"],
  mask: ["none", "causal", "window", "lengths", "document", "not window", "random", "per head"],
  bias: ["none", "keys", "all pairs", "alibi", "grid", "two, one with −∞"],
  normaliser: [
    "softmax",
    "softmax",
    "relu count",
    "relu sum",
    "sigmoid",
    "identity",
    "hard",
    "straight through",
    "topK",
    "sparsemax",
    "entmax15",
  ],
  softcap: ["none", "2"],
  dropout: ["none", "0.3"],
  sink: ["none", "sink"],
  valueTable: ["none", "none", "table"],
  scoreMod: ["none", "none", "squares", "table"],
  group: ["1", "2"],
  offset: ["default", "0", "per sample"],
  layout: ["bhld", "blhd", "packed"],
  L: ["1", "7", "65", "134"],
  S: ["1", "13", "64", "141"],
  D: ["1", "5", "8", "32"],
  E: ["1", "6", "16"],
} as const;
type Name = keyof typeof choices;
type Row = Record<Name, string>;

/** Rows until every pair of choices was met: each is the best of some random ones. */
function coveringArray(): Row[] {
  let state = 1;
  const next = (n: number) => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8) % n;
  const names = Object.keys(choices) as Name[];
  const key = (a: Name, x: string, b: Name, y: string) => `${a}=${x}&${b}=${y}`;
  const missing = new Set<string>();
  names.forEach((a, i) =>
    names.slice(i + 1).forEach((b) => choices[a].forEach((x) => choices[b].forEach((y) => missing.add(key(a, x, b, y))))),
  );
  const pairs = (row: Row) => names.flatMap((a, i) => names.slice(i + 1).map((b) => key(a, row[a], b, row[b])));
  const rows: Row[] = [];
  while (missing.size > 0) {
    let best: Row | undefined;
    let most = -1;
    for (let trial = 0; trial < 40; trial++) {
      const row = Object.fromEntries(names.map((name) => [name, choices[name][next(choices[name].length)]])) as Row;
      if (trial % 2 === 0) {
        const [one, other] = [...missing][next(missing.size)].split("&").map((part) => part.split("="));
        row[one[0] as Name] = one[1];
        row[other[0] as Name] = other[1];
      }
      const count = pairs(row).filter((pair) => missing.has(pair)).length;
      if (count > most) [best, most] = [row, count];
    }
    pairs(best!).forEach((pair) => missing.delete(pair));
    rows.push(best!);
  }
  return rows;
}

const scoreMods: Record<string, (at: Record<string, Tensor>) => ScoreMod> = {
  squares: () => scoreMod(({ score: s, i, j }) => s.add(s.mul(s).mul(0.1)).add(i.sub(j).mul(0.01))),
  table: ({ distances }) => scoreMod(({ score: s, h, position, j }) => s.add(tanh(s).mul(table(distances).at(h, j.sub(position).add(4))))),
};

const [B, Hkv] = [2, 2];

/** The tensors of a row, and a call of them. */
function caseOf(row: Row, seed: number) {
  const [L, S, D, E, group] = [Number(row.L), Number(row.S), Number(row.D), Number(row.E), Number(row.group)];
  const H = Hkv * group;
  const packed = row.layout === "packed";
  // Two sequences, one shorter.
  const [Ls, Ss] = [
    [L, Math.ceil(L / 2)],
    [Math.ceil(S / 3), S],
  ];
  const total = (list: number[]) => list.reduce((a, b) => a + b);
  const shape = (heads: number, lengths: number[], length: number, width: number) =>
    packed ? [total(lengths), heads, width] : row.layout === "blhd" ? [B, length, heads, width] : [B, heads, length, width];
  const tensors: Record<string, Tensor> = {
    query: randomTensor(shape(H, Ls, L, D), seed),
    key: randomTensor(shape(Hkv, Ss, S, D), seed + 1),
    value: randomTensor(shape(Hkv, Ss, S, E), seed + 2),
  };
  const learn = (name: string, of: Tensor) => (tensors[name] = of);
  const positive = { low: 0.5, high: 1.5 };
  if (row.score === "scale per head") learn("scale", randomTensor([H], seed + 3, positive));
  if (row.score === "gaussian") learn("sigma", randomTensor([H], seed + 3, positive));
  if (row.score === "bilinear") learn("weight", randomTensor([D, D], seed + 3));
  if (row.score === "additive") {
    learn("queryWeight", randomTensor([4, D], seed + 3));
    learn("keyWeight", randomTensor([4, D], seed + 4));
    learn("vector", randomTensor([4], seed + 5));
  }
  if (row.bias === "keys" || row.bias.startsWith("two")) learn("bias", randomTensor([H, 1, S], seed + 6));
  if (row.bias === "all pairs") learn("bias", randomTensor([L, S], seed + 6));
  const gridSide = Math.max(L, S) + 6;
  if (row.bias === "grid") learn("grid", randomTensor([H, 5, 2 * gridSide - 1], seed + 6));
  if (row.scoreMod === "table") learn("distances", randomTensor([H, 9], seed + 10));
  if (row.sink === "sink") learn("sink", randomTensor([H], seed + 7));
  if (row.valueTable === "table") learn("valueTable", randomTensor([H, 7, E], seed + 8));

  const closed = tensor(
    Array.from(randomTensor([S], 9, { low: 0 }).toTypedArray(), (x) => (x < 0.2 ? -Infinity : 0)),
    {},
  );
  const masks: Record<string, () => AttentionOptions["mask"]> = {
    none: () => undefined,
    causal,
    window: () => window(20, 3),
    lengths: () => and(causal(), padding([S, Math.ceil(S / 2)])),
    document: () => document(Int32Array.from({ length: S }, (_, j) => Math.floor(j / 40) % 2)),
    "not window": () => not(window(3, 3)),
    random: () => fromTensor(randomTensor([L, S], seed, { dtype: "bool" })),
    "per head": () => randomTensor([B, H, L, S], seed, { dtype: "bool" }),
  };
  const call = (at: Record<string, Tensor>): [Tensor, Tensor, Tensor, AttentionOptions] => {
    const score = {
      scaledDot: () => scaledDot(),
      "scale per head": () => scaledDot({ scale: at.scale }),
      dot: () => dot(),
      bilinear: () => bilinear({ weight: at.weight }),
      gaussian: () => gaussian({ sigma: at.sigma }),
      additive: () => additive({ queryWeight: at.queryWeight, keyWeight: at.keyWeight, vector: at.vector }),
    }[row.score]!();
    const dtype = at.query.dtype as "float32";
    const bias = {
      none: () => [],
      keys: () => [at.bias],
      "all pairs": () => [at.bias],
      alibi: () => [alibi({ numHeads: H })],
      grid: () => [gridBias({ table: at.grid, grid: [3, gridSide] })],
      "two, one with −∞": () => [at.bias, cast(closed, dtype)],
    }[row.bias]!();
    const normaliser = {
      softmax: undefined,
      "relu count": relu(),
      "relu sum": relu({ divideBy: "sum" }),
      sigmoid: sigmoid({ bias: -1 }),
      identity: identity(),
      hard: hard(),
      "straight through": hard({ straightThrough: { temperature: 0.5 } }),
      topK: topK(3),
      sparsemax: sparsemax(),
      entmax15: entmax15(),
    }[row.normaliser];
    const starts = (list: number[]) => Int32Array.of(0, list[0], list[0] + list[1]);
    const mask = masks[row.mask]();
    const options = {
      score,
      bias,
      ...(mask === undefined ? {} : { mask }),
      ...(normaliser === undefined ? {} : { normaliser }),
      ...(row.softcap === "none" ? {} : { softcap: 2 }),
      ...(row.dropout === "none" ? {} : { dropoutP: 0.3, dropoutKey: randomKey(seed) }),
      ...(at.sink === undefined ? {} : { sink: at.sink }),
      ...(at.valueTable === undefined ? {} : { valueTable: at.valueTable }),
      ...(row.scoreMod === "none" ? {} : { scoreMod: scoreMods[row.scoreMod](at) }),
      // Grids hold queries from 0 on.
      ...(row.offset === "0" || row.bias === "grid" ? { queryOffset: row.offset === "0" ? 0 : 2 } : {}),
      ...(row.offset === "per sample" && row.bias !== "grid" ? { queryOffset: Int32Array.of(1, -2) } : {}),
      ...(packed ? { cuSeqlensQuery: starts(Ls), cuSeqlensKey: starts(Ss) } : { layout: row.layout as "bhld" }),
    };
    return [at.query, at.key, at.value, options as AttentionOptions]; // Any normaliser with any sink: what has no meaning is expected to throw.
  };
  return { tensors, call };
}

const rows = coveringArray();
const meaningless = (row: Row) => row.sink === "sink" && row.normaliser !== "softmax";
/** The same row without what it must not have. */
const meaningful = (row: Row): Row => (meaningless(row) ? { ...row, sink: "none" } : row);

describe.each(eachBackend())("on $name", ({ use, name }) => {
  it(
    `all pairs of options agree with the dense definition in float64, values and gradients (${rows.length} calls)`,
    { timeout: 300_000 },
    () =>
      use(() => {
        const kernels = { streaming: 0, dense: 0 };
        const failed: string[] = [];
        rows.forEach((each, at) => {
          if (meaningless(each)) {
            const { tensors, call } = caseOf(each, at);
            expect(() => attention(...call(tensors))).toThrow(UnsupportedError);
          }
          const row = meaningful(each);
          const { tensors, call } = caseOf(row, at);
          kernels[explain(...call(tensors)).kernel]++;
          const differences = differencesFromDense(tensors, call);
          if (differences !== "") failed.push(`${JSON.stringify(row)} ${differences}`);
        });
        console.log(`${name}: ${kernels.streaming} calls streamed, ${kernels.dense} dense`);
        expect(failed.join("\n")).toBe("");
        expect(kernels).toEqual({ streaming: rows.length, dense: 0 });
      }),
  );

  it("weightsOf gives the rows that attention would return", { timeout: 120_000 }, () =>
    use(() => {
      rows.slice(0, 40).forEach((each, at) => {
        const row = meaningful(each);
        if (row.layout === "blhd") return;
        const { tensors, call } = caseOf(row, at);
        const [q, k, v, { valueTable: _, ...options }] = call(tensors);
        const { weights } = attention(q, k, v, { ...options, returns: ["weights"] });
        const [batch, head] = [1, 1];
        const length = row.layout === "packed" ? Math.ceil(Number(row.L) / 2) : Number(row.L);
        const [from, to] = [Math.floor(length / 3), length];
        const found = weightsOf(q, k, { ...options, batch, head, queries: [from, to] });
        const expected = weights
          .slice(0, batch, batch + 1)
          .slice(1, head, head + 1)
          .slice(2, from, to)
          .slice(3, 0, found.shape[1]);
        expectClose(found.reshape(expected.shape), expected, 1e-5);
      });
    }),
  );
});
