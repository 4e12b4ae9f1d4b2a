import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { karateClub } from "@heed/datasets";
import { tensor, writeSafetensors } from "@heed/tensor";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunPlan } from "../../experiment.ts";
import type { Checkpoint } from "../../results/checkpoint.ts";
import { session, type Session } from "../../runner/testing.ts";
import { prepareGraph, type GraphData } from "./data.ts";
import runs from "./runs.ts";

const folder = mkdtempSync(join(tmpdir(), "heed-graph-"));
const settings = { experiment: "graph", profile: "smoke", seed: 1, precision: "deterministic", data: folder, options: {} } as const;
let data: GraphData;

/** The karate club in plain form: a node's only feature is its number; two nodes of each side are known. */
beforeAll(async () => {
  const { nodeCount: N, edgeIndex, labels } = karateClub();
  const [sources, targets] = edgeIndex.toArray() as number[][];
  const incoming = Array.from({ length: N }, (_, i) => sources!.filter((_source, e) => targets![e] === i));
  const bits = (nodes: readonly number[]) =>
    tensor(
      Uint8Array.from({ length: N }, (_, i) => Number(nodes.includes(i))),
      { dtype: "bool" },
    );
  const known = [0, 1, 32, 33];
  const aside = [2, 3, 30, 31];
  const rest = Array.from({ length: N }, (_, i) => i).filter((i) => !known.includes(i) && !aside.includes(i));
  const offsets = [0];
  for (const list of incoming) offsets.push(offsets.at(-1)! + list.length);
  const bytes = writeSafetensors({
    adj_indptr: tensor(Int32Array.from(offsets)),
    adj_indices: tensor(Int32Array.from(incoming.flat())),
    features_indptr: tensor(Int32Array.from({ length: N + 1 }, (_, i) => i)),
    features_indices: tensor(Int32Array.from({ length: N }, (_, i) => i)),
    labels: tensor(labels),
    train_mask: bits(known),
    val_mask: bits(aside),
    test_mask: bits(rest),
  });
  writeFileSync(join(folder, "club.safetensors"), bytes);
  ({ data } = await prepareGraph(settings, { progress: () => {}, checkStop: () => {} }));
});
afterAll(() => rmSync(folder, { recursive: true }));

const config = { model: "gat", epochs: 300, patience: 20 } as const;
const plan: RunPlan = { id: "gat-seed-1", model: "gat", seed: 1, config };

const learned = (stopAfter: number, from?: Checkpoint): Promise<Session> => session(runs, { plan, data, settings, stopAfter, from });

it("learns the sides of the karate club, stops when nothing gets better, and resumes to the same bits", async () => {
  const whole = await learned(Infinity);
  expect(whole.result.state).toBe("done");
  expect(whole.result.step).toBeGreaterThan(config.patience);
  expect(whole.result.step).toBeLessThan(config.epochs);
  expect(whole.result.evaluations.at(-1)!.step).toBe(whole.result.step);
  expect(whole.result.evaluations.at(-1)!.metrics.accuracy).toBeGreaterThan(0.9);

  const first = await learned(7);
  expect([first.result.state, first.result.step]).toEqual(["partial", 7]);
  const second = await learned(Infinity, first.checkpoint);
  expect(second.result.losses).toEqual(whole.result.losses);
  expect(second.result.evaluations.map(({ step, metrics }) => ({ step, metrics }))).toEqual(
    whole.result.evaluations.map(({ step, metrics }) => ({ step, metrics })),
  );
  expect(second.checkpoint.state).toEqual(whole.checkpoint.state);
}, 60_000);

it("says what a folder must hold", async () => {
  writeFileSync(join(folder, "second.safetensors"), "");
  await expect(prepareGraph(settings, { progress: () => {}, checkStop: () => {} })).rejects.toThrow(
    /must hold one .safetensors file, and holds 2/,
  );
});
