/** The parts of the comparison that need no rival. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { chosenNames, chosenTasks, parseNames, parseThreads, parseWorks } from "./choice.ts";
import { againInWords, plansAgain, mostAgain, parseAgain, quietest, stagesAgain } from "./again.ts";
import { additiveMask, swapMiddle, transposed } from "./contestants/adapter.ts";
import { onnxRoutes } from "./contestants/onnx-models.ts";
import { difference, spotsOf } from "./contestants/spots.ts";
import { gates, judge } from "./gates.ts";
import { peers } from "./index.ts";
import { labels, plantSeed, values } from "./inputs.ts";
import { roundsWithin } from "./measurement.ts";
import { ContestantProcess } from "./process.ts";
import { contestant, ours, rivals } from "./roster.ts";
import { pairedRatio, type Row, rowsOf } from "./rows.ts";
import { tolerance } from "./tolerance.ts";
import { allowedPairs, flops, tasks, type Work } from "./work.ts";
import type { RunResult, Settings } from "../../experiment.ts";

const settings = (options: Settings["options"]): Settings => ({
  experiment: "peers",
  profile: "full",
  seed: 1,
  precision: "fast",
  options,
});
const full = peers.profiles.full;

describe("the command line", () => {
  it("chooses works by name and by group, in the order of the report", () => {
    const chosen = chosenTasks(settings({ only: parseWorks("vit-tiny, matmul") }), full).map(({ id }) => id);
    expect(chosen).toEqual([...tasks.filter(({ group }) => group === "matmul").map(({ id }) => id), "vit-tiny"]);
    expect(chosenTasks(settings({}), full)).toHaveLength(tasks.length);
  });
  it("chooses rivals, or none", () => {
    expect(chosenNames(settings({ rivals: parseNames("pytorch,jax-js") }), full)).toEqual(["jax-js", "pytorch"]);
    expect(chosenNames(settings({ rivals: parseNames("none") }), full)).toEqual([]);
    expect(chosenNames(settings({}), full)).toHaveLength(rivals.length);
  });
  it.each([
    [() => parseWorks("matmul,matmal"), '"matmal" is none'],
    [() => parseNames("torch"), '"torch" is none of them'],
    [() => parseThreads("1,two"), "whole numbers from 1 to 16"],
    [() => parseThreads("0"), "whole numbers from 1 to 16"],
    [() => parseAgain("often"), "a whole number from 0 to 20"],
    [() => parseAgain("21"), "a whole number from 0 to 20"],
  ])("refuses what it does not know (%#)", (parse, message) => {
    expect(parse).toThrow(message);
  });
});

describe("the plan", () => {
  const plan = (profile: "smoke" | "full", attendance: Record<string, object>) =>
    peers.stages[0]!.plan({
      settings: settings({}),
      profile: peers.profiles[profile],
      seeds: [1],
      data: { name: "rivals", rivals: attendance as never },
      results: [],
    });
  it("asks no rival in the smoke profile, so that nothing is installed", () => {
    expect(chosenNames(settings({}), peers.profiles.smoke)).toEqual([]);
    for (const { config } of plan("smoke", {})) expect(config.names).toEqual(ours.map(({ name }) => name));
  });
  it("leaves out rivals that are not there, and starts and sizes on two threads", () => {
    const plans = plan("full", { "jax-js": { version: "1" }, pytorch: { absent: "no torch" } });
    expect(plans.find(({ id }) => id === "matmul-64-1t")!.config.names).toEqual(["heed", "heed wide", "jax-js"]);
    expect(plans.filter(({ model }) => model === "startup")).toHaveLength(1);
    expect(plans.filter(({ model }) => model === "memory-4096")).toHaveLength(2);
    expect(new Set(plans.map(({ id }) => id)).size).toBe(plans.length);
  });
});

describe("operands and results", () => {
  it("makes the same numbers from the same seed, evenly spread", () => {
    const some = values(3, 10_000);
    expect(values(3, 10_000)).toEqual(some);
    expect(values(4, 10_000)).not.toEqual(some);
    // Uniform on [−1, 1): mean 0 ± 5 standard errors, √(1/3 / 10,000).
    expect(Math.abs(some.reduce((a, b) => a + b, 0) / 10_000)).toBeLessThan(5 * Math.sqrt(1 / 3 / 10_000));
    plantSeed(1);
    expect(values(3, 10_000)).not.toEqual(some);
    plantSeed(0);
    expect(new Set(labels(1, 1000, 10))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  });
  it("turns layouts round and back", () => {
    const data = Float32Array.from({ length: 2 * 3 * 5 * 7 }, (_, i) => i);
    expect(swapMiddle(swapMiddle(data, 2, 3, 5, 7), 2, 5, 3, 7)).toEqual(data);
    expect(transposed(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
  });
  it("closes by mask what the count of pairs leaves out", () => {
    for (const mask of ["causal", "window"] as const) {
      const open = additiveMask(11, mask, 4).filter((x) => x === 0).length;
      expect(open).toBe(mask === "causal" ? 66 : 4 * 5 * 0.5 + 7 * 4);
    }
    expect(allowedPairs({ B: 1, H: 8, L: 1024, D: 64, mask: "causal" })).toBe((8 * 1024 * 1025) / 2);
    expect(allowedPairs({ B: 2, H: 1, L: 300, D: 64, mask: "window" })).toBe(2 * ((256 * 257) / 2 + 44 * 256));
  });
  it("tells a wrong result from a rounded one", () => {
    const right = Float32Array.from({ length: 100_000 }, (_, i) => Math.sin(i));
    const rounded = right.map((x) => x * (1 + 2 ** -22));
    const wrong = right.map((x, i) => (i % 197 < 20 ? 0 : x));
    const work: Work = { kind: "matmul", m: 1, k: 64, n: 1 };
    expect(difference(spotsOf(right), spotsOf(rounded))).toBeLessThan(tolerance(work));
    expect(difference(spotsOf(right), spotsOf(wrong))).toBeGreaterThan(tolerance(work));
    expect(difference([1, 2], [1, NaN])).toBeNaN();
    expect(difference([1, 2], [1])).toBe(Infinity);
  });
  it("counts the work of the training step as the rivals' table does, 5.85 GFLOP", () => {
    expect(flops(tasks.find(({ id }) => id === "vit-training")!.work)! / 1e9).toBeCloseTo(5.85, 1);
  });
  it("has an ONNX graph for all but training", () => {
    for (const { work, id } of tasks) expect(onnxRoutes(work) === undefined, id).toBe(work.kind.endsWith("Training"));
  });
});

const samples = (all: Record<string, (number | null)[]>) => ({
  contestants: Object.entries(all).map(([name, list]) => ({ name, values: list })),
});
const task = tasks.find(({ id }) => id === "attention-1024")!;

describe("rows", () => {
  it("pairs samples of a round, and knows the best rival in WebAssembly", () => {
    const rows = rowsOf(
      task,
      1,
      // Round two was disturbed: both took twice as long.
      samples({
        heed: [10, 20, 10],
        "heed wide": [5, 10, 5],
        "onnxruntime-web": [30, 60, null],
        "jax-js": [50, 100, 50],
        "onnxruntime-node": [8, 16, 8],
      }),
    );
    expect(rows.map(({ mode }) => mode)).toEqual(["fast", "wide"]);
    expect(rows[0]).toMatchObject({
      work: "attention-1024",
      ours: 10,
      rival: "onnxruntime-web",
      ratio: 3,
      ratios: { "onnxruntime-node": 0.8 },
    });
    expect(rows[1]).toMatchObject({ ours: 5, ratio: 6 });
  });
  it("has no ratio without a rival, and no row without ours", () => {
    expect(rowsOf(task, 1, samples({ heed: [1, 2] }))[0]).toMatchObject({ rival: null, ratio: null, rivals: {} });
    expect(rowsOf(task, 1, samples({ heed: [], "jax-js": [3] }))).toEqual([]);
  });
  it("leaves out rounds that one of the two sat out", () => {
    const one = (list: (number | null)[]) => ({ name: "x", values: list });
    expect(pairedRatio(one([1, 1, 1]), one([2, null, null]))).toBe(2);
  });
});

describe("gates", () => {
  const row = (work: string, ratio: number | null, more: Partial<Row> = {}): Row => ({
    work,
    title: work,
    threads: 1,
    mode: "fast",
    unit: "ms",
    ours: 1,
    oursLeast: 1,
    rivals: {},
    ratios: {},
    rival: ratio === null ? null : "tfjs-wasm",
    ratio,
    ...more,
  });
  const found = (rows: Row[], words: string, threads = 1, mode = "fast") =>
    judge(rows).find((gate) => gate.asked.includes(words) && gate.threads === threads && gate.mode === mode)!;
  it("lets the worst work decide", () => {
    const rows = [row("matmul-64", 2), row("matmul-256", 1.4), row("matmul-512", 3)];
    expect(found(rows, "matrix product ≥ 1.5")).toMatchObject({ measured: 1.4, work: "matmul-256", met: false });
    expect(found(rows, "matrix product ≥ 1.5", 2)).toMatchObject({ measured: null, met: null });
  });
  it("knows a single rival, our own figure, and modes", () => {
    expect(found([row("vit-training", 5, { ratios: { "jax-js": 3.4 } })], "3.3 × jax-js")).toMatchObject({ met: true });
    expect(found([row("size", null, { ours: 41 })], "40 KB")).toMatchObject({ measured: 41, met: false });
    const wide = row("vit-tiny", 4, { mode: "wide", ratios: { "onnxruntime-node": 0.9 } });
    expect(found([wide], "ViT-Tiny ≥ 0.85", 1, "wide")).toMatchObject({ measured: 0.9, met: true });
    expect(found([wide], "PyTorch", 1, "wide")).toMatchObject({ met: null });
  });
  it("asks only about works that exist", () => {
    for (const { works, asked } of gates)
      expect(
        tasks.some(({ id }) => works.test(id)),
        asked,
      ).toBe(true);
  });
});

it.each([
  [24, 1180, 20],
  [24, 10_000, 11],
  [24, 0, 33],
  [0, 1180, 11],
])("in %s s there are, at %s ms a round, %s rounds of 11 to 33", (seconds, milliseconds, rounds) => {
  expect(roundsWithin(seconds, milliseconds, 11, 33)).toBe(rounds);
});

describe("works measured beside a neighbour", () => {
  const measured = (id: string, quiet: number, disturbed: number): RunResult =>
    ({
      id: `${id}-2t`,
      model: id.replace(/-again-\d+/, ""),
      seed: 1,
      config: { task: id, threads: 2 },
      cost: 6,
      details: { quietness: { quiet, disturbed }, contestants: [] },
    }) as unknown as RunResult;
  const again = (result: RunResult, turn: number, quiet: number, disturbed: number): RunResult => ({
    ...result,
    id: `${result.id}-again-${turn}`,
    details: { quietness: { quiet, disturbed }, contestants: [] },
  });
  const first = [measured("matmul-64", 66, 0), measured("vit-tiny", 10, 56), measured("matmul-128", 57, 9), measured("matmul-256", 58, 8)];

  it("are measured once more, where they are more than an eighth", () => {
    const plans = plansAgain(first, 1);
    expect(plans).toEqual([
      { id: "vit-tiny-2t-again-1", model: "vit-tiny", seed: 1, config: { task: "vit-tiny", threads: 2 }, cost: 6 },
      { id: "matmul-128-2t-again-1", model: "matmul-128", seed: 1, config: { task: "matmul-128", threads: 2 }, cost: 6 },
    ]);
    const second = [...first, again(first[1]!, 1, 66, 0), again(first[2]!, 1, 50, 16)];
    expect(plansAgain(second, 2).map(({ id }) => id)).toEqual(["matmul-128-2t-again-2"]);
  });
  it("count by the measurement with the fewest disturbed samples, in the order of the report", () => {
    const second = [
      ...first,
      again(first[1]!, 1, 66, 0),
      again(first[2]!, 1, 50, 16),
      { ...first[0]!, details: undefined } as unknown as RunResult,
    ];
    expect(quietest(second)).toEqual([first[0], second[4], first[2], first[3]]);
    expect(againInWords(second)).toBe(
      " 2 of 4 works were measured more than once, since samples were disturbed; of each the measurement with the fewest disturbed samples counts, whatever it found. Disturbed samples are left in matmul-128 on 2 (9 of 66), matmul-256 on 2 (8 of 66).",
    );
    expect(againInWords([first[0]!])).toBe("");
  });
  it("come as often as was asked for, by the profile where nothing was", () => {
    const turns = (options: Settings["options"]) =>
      stagesAgain.filter(
        (stage) =>
          stage.plan({ settings: settings(options), profile: full, seeds: [1], data: { name: "rivals" }, results: first }).length > 0,
      ).length;
    expect([turns({ again: 0 }), turns({ again: mostAgain }), turns({})]).toEqual([0, mostAgain, full.again]);
  });
});

it("reports wins, losses, gates and who was absent", () => {
  const result = {
    id: "attention-1024-1t",
    step: 17,
    config: { task: "attention-1024", threads: 1, sampleMilliseconds: 7 },
    details: {
      contestants: [
        { name: "heed", values: [10] },
        { name: "jax-js", values: [5], route: "jit" },
        { name: "tfjs-wasm", values: [], absent: "as told" },
      ],
    },
  } as unknown as RunResult;
  const report = peers.outcome({
    settings: settings({}),
    profile: full,
    seeds: [1],
    data: { name: "rivals", rivals: Object.fromEntries(rivals.map(({ name }) => [name, { absent: `no ${name}` }])) },
    results: [result],
    partial: false,
  });
  expect(report.headline).toBe("On one thread ahead of the best WebAssembly rival in 0 of 1 works. 0 of 1 gates met.");
  expect(report.table.rows).toEqual([["attention (1, 8, 1024, 64)", "10.0 ms", "–", "5.00 (0.500 ×)", "jax-js", "0.500 ×", "–"]]);
  expect(report.extra!.rows).toMatchObject([{ work: "attention-1024", ours: 10, rivals: { "jax-js": 5 }, ratio: 0.5 }]);
  const told = JSON.stringify(report.sections);
  for (const words of ["no pytorch", "as told", "NO", "not measured", "as fill 7 ms", "17 rounds."]) expect(told).toContain(words);
});

describe("a contestant's process", () => {
  const options = { threads: 1, wide: false, seed: 1 };
  it("computes, is timed, and ends", { timeout: 60_000 }, async () => {
    const process = await ContestantProcess.start(contestant("heed"), options, "python3");
    const work: Work = { kind: "softmax", rows: 3, columns: 5 };
    expect(await process.ask({ ask: "prepare", work, calls: 1 })).toMatchObject({ route: "heed", milliseconds: expect.any(Number) });
    expect(await process.ask({ ask: "sample", calls: 2, before: 1 })).toMatchObject({ milliseconds: expect.any(Number) });
    process.end();
    await expect(process.ask({ ask: "sample", calls: 1, before: 0 })).rejects.toThrow("its process ended");
  });
  it("says why it cannot start", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "heed-"));
    await expect(ContestantProcess.start(contestant("pytorch"), options, join(folder, "no-python"))).rejects.toThrow("ENOENT");
    rmSync(folder, { recursive: true });
  });
});
