import { expect, it } from "vitest";
import { parse } from "../../cli/program.ts";
import { crossing } from "./crossing.ts";
import { linearTime } from "./index.ts";
import { run } from "./run.ts";

const times = (...ratios: number[]) => ratios.map((ratio, at) => ({ length: 2 ** (at + 8), ours: ratio * (at + 1), exact: at + 1 }));

it("finds where the ratio falls to 1 and stays there", () => {
  expect(crossing(times(4, 2, 0.5, 0.25))).toBeCloseTo(2 ** 9.5);
  expect(crossing(times(0.9, 2, 0.5))).toBeCloseTo(2 ** 9.5);
  expect(crossing(times(0.5, 0.25))).toBe(256);
  expect(crossing(times(0.5, 2))).toBeUndefined();
});

it("reports a crossing for each variant", async () => {
  let printed = "";
  expect(await run({ lengths: [64] }, (text) => void (printed += text))).toBe(0);
  for (const name of [
    "linearAttention",
    "performer, 256 features, causal",
    "reformer, 2 rounds",
    "linformer, rank 256",
    "delta rule, causal",
  ]) {
    expect(printed.match(new RegExp(`  ${name} `, "g"))).toHaveLength(2);
  }
  expect(printed).toMatch(/performer, 256 features +(≤ 64|not up to 64) +off by \d+ %/);
}, 60_000);

it("reads lengths", () => {
  expect(parse(["linear-time", "--lengths", "64,128"], [], 100, [linearTime])).toEqual({
    tool: linearTime,
    options: { lengths: [64, 128] },
  });
  expect(() => parse(["linear-time", "--lengths", "x"], [], 100, [linearTime])).toThrow(/whole numbers/);
});
