import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RunResult } from "../experiment.ts";
import { decodeCheckpoint, encodeCheckpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";

const result: RunResult = {
  id: "rnn-seed-3",
  model: "rnn",
  seed: 3,
  config: { rate: 0.1, layers: [2, 3] },
  stage: "train",
  state: "partial",
  step: 2,
  totalSteps: 5,
  facts: {},
  evaluations: [{ step: 2, trainSeconds: 0.1, metrics: { accuracy: 1 / 3 } }],
  losses: [0.1 + 0.2, NaN, Infinity, -Infinity, -0.5e-310],
  stepMilliseconds: [1, 2],
  examples: 8,
  trainSeconds: 0.1,
  evaluateSeconds: 0,
};
const state = Uint8Array.from({ length: 1000 }, (_, index) => index * 7);
const bytes = Buffer.concat(encodeCheckpoint({ result, state }));

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "heed-"))));
afterEach(() => rmSync(folder, { recursive: true }));

it("gives back what was put in, every number exactly, also those that JSON lacks", () => {
  expect(decodeCheckpoint(bytes, "x")).toEqual({ result, state });
});

it("refuses a file cut off at any byte, and one with any byte changed", () => {
  for (let length = 0; length < bytes.length; length += 13)
    expect(() => decodeCheckpoint(bytes.subarray(0, length), "a.checkpoint"), `${length} bytes`).toThrow(
      /^a\.checkpoint is not a usable checkpoint/,
    );
  for (let at = 0; at < bytes.length; at += 13) {
    const changed = Uint8Array.from(bytes);
    changed[at]! ^= 1;
    expect(() => decodeCheckpoint(changed, "a.checkpoint"), `byte ${at}`).toThrow(/^a\.checkpoint is not a usable checkpoint/);
  }
});

it("is undefined where there is none", () => {
  expect(readCheckpoint(join(folder, "none"), result)).toBeUndefined();
});

it("refuses one of another plan and names the setting that differs", () => {
  const path = join(folder, "a");
  writeCheckpoint(path, { result, state });
  expect(readCheckpoint(path, result)!.state).toEqual(state);
  expect(() => readCheckpoint(path, { ...result, config: { rate: 0.2, layers: [2, 3] } })).toThrow(
    `${path} was made with other settings: rate was 0.1 there and is 0.2 now`,
  );
  expect(() => readCheckpoint(path, { ...result, config: { rate: 0.1 } })).toThrow("layers was [2,3] there and is not given now");
  expect(() => readCheckpoint(path, { ...result, seed: 4 })).toThrow("seed was 3 there and is 4 now");
});

it("refuses a file that is something else", () => {
  const path = join(folder, "a");
  writeFileSync(path, "hello");
  expect(() => readCheckpoint(path, result)).toThrow("it does not begin like one");
});
