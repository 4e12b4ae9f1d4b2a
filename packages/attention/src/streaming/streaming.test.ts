import { expectNear, implementationsOf, inWorkspace, largest, noise, unitRoundoff } from "@heed/kernels/testing";
import { describe, expect, it } from "vitest";
import { runCase, type Case } from "../../test/streaming-case.ts";
import { streamingBackward } from "../streaming-backward/streaming-backward.ts";
import { streaming } from "./streaming.ts";

const causal =
  (offset = 0) =>
  (_b: number, _h: number, i: number): readonly [number, number] => [0, Math.max(0, i + 1 + offset)];

/** Sizes around the edges of vectors, panels, strips and tiles; each option by itself, and some together. */
const cases: Readonly<Record<string, Case>> = {
  "less than a vector": { L: 3, S: 2, D: 1 },
  "odd sizes": { L: 7, S: 9, D: 5, E: 3 },
  "several samples, heads and tiles": { B: 2, H: 2, L: 20, S: 300, D: 16, E: 24 },
  "several blocks": { L: 500, S: 70, D: 8 },
  "values wider than queries": { L: 13, S: 37, D: 3, E: 40 },
  "small tiles and blocks": { L: 50, S: 90, D: 8, blocks: { blockRows: 12, tileColumns: 32, gradientRows: 12, gradientColumns: 16 } },
  "strided operands": { B: 2, H: 3, L: 9, S: 11, D: 8, strided: true },
  "grouped heads": { B: 2, H: 6, Hkv: 2, L: 14, S: 33, D: 8, strided: true },
  causal: { H: 2, L: 170, S: 170, D: 8, ranges: causal() },
  "causal, more queries than keys": { L: 30, S: 9, D: 4, ranges: causal(-21) },
  "a window": { L: 300, S: 300, D: 8, ranges: (_b, _h, i) => [Math.max(0, i - 20), i + 1] },
  "two ranges": { L: 100, S: 600, D: 8, ranges: (_b, _h, i) => [0, 3, 280 + i, 300 + i] },
  "ranges by sample and head, some empty": {
    B: 2,
    H: 2,
    L: 21,
    S: 40,
    D: 8,
    ranges: (b, h, i) => (i % 3 === b ? [0, 0] : [i + 3 * h, 2 * i]),
  },
  "tiles, mixed": { L: 200, S: 333, D: 8, opens: (_b, _h, i, j) => (i * 7 + j * 3) % 5 < 2 && i >> 6 !== j >> 6 },
  "tiles, whole and empty": { H: 2, L: 140, S: 260, D: 4, opens: (_b, h, i, j) => ((i >> 6) + (j >> 6) + h) % 2 === 0 },
  "tiles, rows with nothing": { L: 70, S: 70, D: 4, opens: (_b, _h, i, j) => i !== 66 && j % 9 === 1 },
  softcap: { H: 2, L: 20, S: 33, D: 8, softcap: 0.5, scale: 2 },
  "biases of several extents": {
    B: 2,
    H: 2,
    L: 20,
    S: 33,
    D: 8,
    biases: [
      { form: "dense", shape: [2, 2, 20, 33] },
      { form: "dense", shape: [1, 2, 1, 33] },
      { form: "dense", shape: [2, 1, 20, 33] },
    ],
    chunkBatches: 2,
  },
  "a bias per query": { L: 9, S: 12, D: 4, softcap: 2, biases: [{ form: "dense", shape: [1, 1, 9, 1] }], normaliser: "softmax" },
  "a bias that closes": { H: 2, L: 20, S: 33, D: 8, biases: [{ form: "dense", shape: [1, 2, 20, 33], closes: true }] },
  "a relative bias": { B: 2, H: 2, L: 20, S: 33, D: 8, biases: [{ form: "relative", heads: 2 }], ranges: causal(13) },
  "learned scales, softcap, lse": { H: 2, L: 20, S: 33, D: 8, softcap: 0.5, scales: true, lseGradient: true, ranges: causal(5) },
  "a negative scale under a mask": { L: 20, S: 20, D: 8, scale: -1, ranges: causal() },
  dropout: { H: 2, L: 20, S: 333, D: 8, dropout: 0.3, ranges: causal(300) },
  "packed sequences": {
    B: 4,
    H: 4,
    Hkv: 2,
    L: 20,
    S: 33,
    D: 8,
    lengths: [
      [20, 3],
      [0, 5],
      [7, 33],
      [4, 0],
    ],
    ranges: (_b, _h, i) => [i, i + 9],
    dropout: 0.2,
    chunkBatches: 2,
  },
  "no keys": { L: 3, S: 0, D: 8 },
  "no queries": { L: 0, S: 4, D: 8 },
  "queries of no width": { L: 3, S: 5, D: 0, E: 3 },
  "values of no width": { L: 3, S: 5, D: 3, E: 0 },
  "a sink": { B: 2, H: 4, Hkv: 2, L: 15, S: 33, D: 8, sink: true, lseGradient: true, ranges: (_b, _h, i) => [2, 2 + 3 * i] },
  "relu over a count": { H: 2, L: 15, S: 333, D: 8, normaliser: "reluCount", ranges: causal(300) },
  "relu over its sum": { H: 2, L: 15, S: 333, D: 8, normaliser: "reluSum", ranges: (_b, _h, i) => [0, 30 * i] },
  sigmoid: { H: 2, L: 15, S: 333, D: 8, normaliser: "sigmoid", sigmoidBias: -2, dropout: 0.1, ranges: causal(300) },
  identity: { H: 2, L: 15, S: 333, D: 8, normaliser: "identity", softcap: 1, ranges: causal(300) },
  "top of few": { H: 2, L: 40, S: 333, D: 8, normaliser: "topK", topK: 5, ranges: (_b, _h, i) => [0, 12 * i] },
  "top of many": { H: 2, L: 15, S: 333, D: 8, normaliser: "topK", topK: 200, dropout: 0.2, softcap: 1 },
  "top of equal scores": { L: 15, S: 40, D: 0, E: 3, normaliser: "topK", topK: 7, ranges: (_b, _h, i) => [i, 3 * i + 3] },
  sparsemax: { H: 2, L: 40, S: 333, D: 8, scale: 2, normaliser: "sparsemax", ranges: (_b, _h, i) => [0, 12 * i] },
  "sparsemax, nearly even": { L: 15, S: 333, D: 8, scale: 0.001, normaliser: "sparsemax", dropout: 0.2 },
  entmax15: { H: 2, L: 40, S: 333, D: 8, scale: 2, normaliser: "entmax15", ranges: (_b, _h, i) => [0, 12 * i] },
  "entmax15, nearly even": { L: 15, S: 333, D: 8, scale: 0.001, normaliser: "entmax15", dropout: 0.2 },
  "held rows, a few at a time": {
    B: 2,
    H: 4,
    Hkv: 2,
    L: 50,
    S: 90,
    D: 8,
    E: 5,
    scale: 3,
    normaliser: "entmax15",
    biases: [{ form: "dense", shape: [1, 4, 1, 90] }],
    opens: (_b, _h, i, j) => (i * 7 + j * 3) % 5 < 3 && i !== 20,
    blocks: { blockRows: 24, tileColumns: 32, heldBytes: 14 * 448, gradientRows: 12, gradientColumns: 16 },
  },
  "rows too long to be held": {
    H: 2,
    L: 30,
    S: 90,
    D: 8,
    scale: 3,
    normaliser: "sparsemax",
    valueTableDistance: 3,
    blocks: { blockRows: 24, tileColumns: 32, heldBytes: 64 },
  },
  "the top of rows too long to be held": {
    L: 30,
    S: 90,
    D: 8,
    normaliser: "topK",
    topK: 9,
    blocks: { blockRows: 24, tileColumns: 32, heldBytes: 64 },
  },
  hard: { H: 2, L: 40, S: 333, D: 8, normaliser: "hard", ranges: (_b, _h, i) => [0, 12 * i] },
  "hard, with a gradient of softmax": {
    H: 2,
    L: 40,
    S: 333,
    D: 8,
    normaliser: "straightThrough",
    temperature: 0.5,
    dropout: 0.2,
    ranges: (_b, _h, i) => [0, 12 * i],
  },
  distance: { B: 2, H: 4, Hkv: 2, L: 15, S: 33, D: 7, score: "distance", scale: -0.7, scales: true, ranges: causal(18) },
  "additive, tanh": { B: 2, H: 4, Hkv: 2, L: 15, S: 33, D: 7, E: 9, score: "additive", ranges: (_b, _h, i) => [i, i + 13] },
  "additive, sigmoid": { H: 2, L: 15, S: 333, D: 8, score: "additive", activation: 1, softcap: 2 },
  "additive, leakyRelu": { H: 2, L: 15, S: 33, D: 8, score: "additive", activation: 2, dropout: 0.2 },
  "a grid": {
    H: 2,
    L: 13,
    S: 13,
    D: 4,
    biases: [{ form: "grid", heads: 2, rows: 3, columns: 4, prefix: 1 }],
    ranges: causal(3),
    blocks: { tileColumns: 16, gradientColumns: 16 },
  },
  "distances that queries take part in": {
    B: 2,
    H: 4,
    Hkv: 2,
    L: 20,
    S: 33,
    D: 7,
    biases: [{ form: "queryRelative", heads: 4, maxDistance: 5 }],
    queryOffset: [3, 13],
    softcap: 2,
    ranges: causal(9),
  },
  "distances, under squared differences": {
    H: 2,
    L: 20,
    S: 33,
    D: 7,
    score: "distance",
    scale: -0.7,
    biases: [{ form: "queryRelative", heads: 2, maxDistance: 5 }],
    softcap: 2,
    ranges: causal(9),
  },
  "distances, beside an additive score": {
    H: 4,
    Hkv: 2,
    L: 20,
    S: 33,
    D: 7,
    score: "additive",
    biases: [{ form: "queryRelative", heads: 1, maxDistance: 5 }],
    ranges: causal(9),
  },
  "dropout of all": { L: 20, S: 33, D: 8, dropout: 1 - 2 ** -34 },
  "values by distance": { B: 2, H: 4, Hkv: 2, L: 20, S: 40, D: 8, E: 9, valueTableDistance: 6, dropout: 0.1, ranges: causal(15) },
  "all at once": {
    B: 2,
    H: 4,
    Hkv: 2,
    L: 40,
    S: 70,
    D: 12,
    E: 20,
    strided: true,
    ranges: (b, _h, i) => [b, 31 + i - b],
    softcap: 1.5,
    scales: true,
    lseGradient: true,
    dropout: 0.1,
    biases: [
      { form: "relative", heads: 4 },
      { form: "dense", shape: [1, 1, 40, 70], closes: true },
    ],
    chunkHeads: 2,
  },
};

const [definition, gradient] = [streaming.implementation("reference", "float64"), streamingBackward.implementation("reference", "float64")];
const exactly = (c: Case) => inWorkspace("float64", (w) => runCase(w, c, definition, gradient));

describe.each(implementationsOf(streaming))("streaming attention, $name", ({ name, kernels, dtype }) => {
  const backward = implementationsOf(streamingBackward).find((one) => one.name === name)!.kernels;

  it.each(Object.entries(cases))("agrees with the definition in float64: %s", (_, c) => {
    const wanted = exactly(c);
    const got = inWorkspace(dtype, (w) => runCase(w, c, kernels, backward));
    // A score is a sum of D products, an output one of S, both of numbers up to 1; a gradient is a sum over rows of products of such.
    const unit = unitRoundoff(dtype) * (16 + c.D + c.S / 8);
    expectNear(got.output, wanted.output, unit * Math.max(largest(wanted.output), 0.1), "output");
    if ((c.normaliser ?? "softmax") === "softmax")
      expectNear(got.lse, wanted.lse, unit * Math.max(1, largest(wanted.lse.filter(Number.isFinite))), "lse");
    for (const [of, values] of Object.entries(wanted.gradients)) {
      expectNear(got.gradients[of], values, 4 * unit * Math.max(largest(values), 0.1), `gradient of ${of}`);
    }
  });
});

describe("gradients of the definition", () => {
  // That of a choice is lent by a softmax: it is no slope.
  const smooth = Object.entries(cases).filter(([, { normaliser }]) => normaliser !== "straightThrough");
  it.each(smooth)("are slopes: %s", (_, c) => {
    const step = 1e-5;
    const moved = (sign: number, name: string) =>
      inWorkspace("float64", (w) => {
        const change = (of: string, value: number, { b, h, row, column }: { b: number; h: number; row: number; column: number }) =>
          of === name ? value + sign * step * direction(b, h, row, column) : value;
        const { output, lse } = runCase(w, { ...c, change }, definition);
        const cotangents = noise(output.length, 77);
        const ofLse = noise(lse.length, 78);
        const sum = output.reduce((total, value, at) => total + value * cotangents[at], 0);
        return c.lseGradient === true
          ? lse.reduce((total, value, at) => (value === -Infinity ? total : total + value * ofLse[at]), sum)
          : sum;
      });
    const { gradients } = exactly(c);
    for (const [name, values] of Object.entries(gradients)) {
      const slope = (moved(1, name) - moved(-1, name)) / (2 * step);
      const places = placesOf(c, name, values.length);
      const expected = values.reduce((sum, value, at) => sum + value * direction(...places(at)), 0);
      expect(Math.abs(slope - expected), `${name}: slope ${slope}, gradient gives ${expected}`).toBeLessThan(
        1e-6 * Math.max(1, Math.abs(slope)),
      );
    }
  });

  const direction = (b: number, h: number, row: number, column: number) => Math.sin(1 + 3 * b + 5 * h + 7 * row + 11 * column);
  /** The place of an element of a gradient, as `change` has it. */
  const placesOf = ({ lengths, H = 1, Hkv = H, L, S, D, E = D }: Case, name: string, count: number) => {
    const [heads, width] = [name === "query" ? H : Hkv, name === "value" ? E : D];
    const rows = lengths === undefined ? (name === "query" ? L : S) : count / heads / width;
    if (!["query", "key", "value"].includes(name)) return (at: number) => [0, 0, 0, at] as const;
    return (at: number) => {
      const row = Math.floor(at / width);
      const head = Math.floor(row / rows);
      return [Math.floor(head / heads), head % heads, row % rows, at % width] as const;
    };
  };
});
