import { expect, it } from "vitest";
import { dummy } from "../../test/dummy/experiment.ts";
import type { RunResult } from "../experiment.ts";
import { classification } from "../classification/classification.ts";
import { htmlReport } from "./html-report.ts";
import { markdownReport } from "./markdown.ts";
import { jsonReport, jsonText, type Report } from "./report.ts";
import { textTable } from "./text-table.ts";

const classes = ["<b>bold</b>", "b & c"];
const models = ["attention", "rnn"];

function run(model: string, seed: number, accuracy: number, state: RunResult["state"] = "done"): RunResult {
  const began = state !== "waiting";
  return {
    id: `${model}-seed-${seed}`,
    model,
    seed,
    config: {},
    stage: "train",
    state,
    step: began ? 4 : 0,
    totalSteps: 4,
    stepsPerEpoch: 2,
    facts: began ? { parameters: 1200, flops: 3.4e6 } : {},
    evaluations: began
      ? [
          { step: 2, epoch: 1, trainSeconds: 1, metrics: { accuracy: accuracy / 2, perClassAccuracy: 0.1 } },
          { step: 4, epoch: 2, trainSeconds: 2, metrics: { accuracy, perClassAccuracy: accuracy / 2 } },
        ]
      : [],
    losses: began ? [4, 3, 2, 1] : [],
    stepMilliseconds: began ? [9, 9, 9, 500] : [],
    examples: began ? 64 : 0,
    trainSeconds: began ? 2 : 0,
    evaluateSeconds: 0,
    ...(state === "done" && {
      details: {
        confusion: [
          [3, 1],
          [0, 4],
        ],
        attention: [{ title: "<i>", png: "data:image/png;base64,AAAA", grid: [1, 2], maps: [{ label: "layer 1", weights: [0.25, 0.75] }] }],
      },
    }),
  };
}

function report(results: RunResult[], partial = false): Report {
  const data = { name: "two", classes };
  return {
    title: "bench dummy · two · quick",
    experiment: dummy,
    settings: { experiment: "dummy", profile: "quick", seed: 1, precision: "fast", options: {} },
    partial,
    seeds: [1, 2],
    threads: 2,
    data,
    machine: { cpu: "a|b", cores: 2, memoryBytes: 2 ** 34, os: "Linux", arch: "x64" },
    versions: { node: "24" },
    date: "2026-01-02T03:04:05.000Z",
    seconds: 12,
    command: "bench dummy",
    results,
    outcome: classification({ results, data, models, references: [{ label: "largest class", value: 0.5 }] }),
  };
}

const whole = report([run("attention", 1, 0.8), run("attention", 2, 0.9), run("rnn", 1, 0.6), run("rnn", 2, 0.6)]);

it("computes mean, sample deviation, and median step after warm-up", () => {
  const [attention] = whole.outcome.models;
  expect(attention).toMatchObject({
    name: "attention",
    parameters: 1200,
    flops: 3.4e6,
    imagesPerSecond: 32,
    millisecondsPerStep: 500,
    finishedRuns: 2,
  });
  expect(attention!.accuracy).toBeCloseTo(0.85, 12);
  expect(attention!.accuracyDeviation).toBeCloseTo(Math.SQRT1_2 / 10, 12);
  expect(attention!.perClassAccuracy).toBeCloseTo(0.425, 12);
});

it("has the outer shape of every experiment's JSON, in plain JSON, without pictures", () => {
  const found = jsonReport(whole);
  expect(Object.keys(found).slice(0, 9)).toEqual([
    "experiment",
    "profile",
    "partial",
    "seeds",
    "machine",
    "versions",
    "precision",
    "threads",
    "data",
  ]);
  expect(JSON.parse(jsonText(whole))).toEqual(JSON.parse(JSON.stringify(found)));
  expect(jsonText(whole)).not.toContain("data:image");
});

it("asks nothing from elsewhere and runs nothing", () => {
  const page = htmlReport(whole);
  expect(page).toContain("default-src 'none'");
  expect(page).not.toMatch(/<script|<link|@import|url\((?!#)|https?:|\son\w+=/i);
  for (const [, address] of page.matchAll(/(?:src|href)="([^"]*)"/g)) expect(address).toMatch(/^(#|data:image\/png)/);
});

it("escapes what comes from data", () => {
  const page = htmlReport(whole);
  expect(page).not.toMatch(/<b>bold|<i>/);
  expect(page).toContain("&lt;b&gt;bold&lt;/b&gt;");
  expect(markdownReport(whole)).toContain("a\\|b");
});

it("gives every drawing a name and every plot its values as a table", () => {
  const page = htmlReport(whole);
  const drawings = [...page.matchAll(/<svg\s[^>]*>/g)].map(([tag]) => tag);
  expect(drawings.length).toBeGreaterThan(8);
  for (const tag of drawings) expect(tag).toMatch(/aria-label="[^"]+"|aria-hidden="true"/);
  expect(page.match(/<details>/g)!.length).toBeGreaterThanOrEqual(5);
  expect(page).not.toMatch(/NaN|undefined|Infinity/);
});

it("stands with no, some, and half-done runs, and says that it is partial", () => {
  for (const results of [[], [run("rnn", 1, 0.6)], [run("attention", 1, 0.8, "partial"), run("rnn", 1, 0, "waiting")]]) {
    const partial = report(results, true);
    expect(htmlReport(partial)).toContain("Partial report.");
    expect(htmlReport(partial)).not.toMatch(/NaN|undefined|Infinity/);
    expect(markdownReport(partial)).toContain("**Partial**");
    expect(jsonReport(partial).partial).toBe(true);
  }
  const [attention] = report([run("attention", 1, 0.8, "partial")], true).outcome.models;
  expect(attention).toMatchObject({ accuracy: 0.8, accuracyDeviation: null, finishedRuns: 0 });
});

it("draws a logarithmic x axis: each doubling as far from the one before, one value alone too", () => {
  const axis = (lengths: readonly number[]) => {
    const runs = [lengths.map((x) => [x, x / 4096] as const)];
    const plot = { title: "seen", x: "length", y: "right", percent: true, logX: true, series: [{ name: "attention", runs }] };
    const section = { kind: "curves" as const, title: "By length", caption: "", plots: [plot] };
    const page = htmlReport({ ...whole, outcome: { ...whole.outcome, sections: [section] } });
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
    return [...page.matchAll(/x="([\d.]+)"\s+y="[\d.]+"\s+text-anchor="middle"\s*>(\d+)</g)].map(([, x, value]) => [
      Number(value),
      Number(x),
    ]);
  };
  const ticks = axis([32, 64, 512, 2048]);
  expect(ticks.map(([value]) => value)).toEqual([32, 64, 128, 256, 512, 1024, 2048]);
  const steps = ticks.slice(1).map(([, x], i) => x! - ticks[i]![1]!);
  steps.forEach((step) => expect(step).toBeCloseTo(steps[0]!, 0));
  axis([32]);
});

it("draws weights with words on both sides, with the numbers of each cell and the largest of each row in words", () => {
  const sample = { title: "hello & <q>", rows: ["hello", "<q>"], columns: ["bonjour", "le", "monde"], weights: [[0.8, 0.15, 0.05], [0, 0.25, 0.75]] }; // prettier-ignore
  const section = { kind: "weights" as const, title: "Who looks where", caption: "", samples: [sample] };
  const drawn = { ...whole, outcome: { ...whole.outcome, sections: [section] } };
  const page = htmlReport(drawn);
  expect(page.match(/<rect[^>]*><title>/g)).toHaveLength(6);
  expect(page).toContain("<title>&lt;q&gt; looks at monde: 75 %</title>");
  expect(page).toContain('aria-label="hello &amp; &lt;q&gt;. Most weight of hello: bonjour, &lt;q&gt;: monde."');
  expect(page).not.toMatch(/NaN|undefined|Infinity|<q>/);
  expect(JSON.parse(jsonText(drawn)).sections).toEqual([section]);
});

it("colours words by their weight, and says which have most", () => {
  const sample = { title: "a film", subtitle: "positive", words: ["so", "<b>good", "!"], weights: [0.25, 0.5, 0.25] };
  const section = { kind: "words" as const, title: "Which words count", caption: "", samples: [sample] };
  const drawn = { ...whole, outcome: { ...whole.outcome, sections: [section] } };
  const page = htmlReport(drawn);
  expect(page).toContain('<span style="--share:0.50" title="25.0 %">so</span>');
  expect(page).toContain('<span style="--share:1.0" title="50.0 %">&lt;b&gt;good</span>');
  expect(page).toContain("&lt;b&gt;good (50 %)");
  expect(page).toContain("so (25 %), ! (25 %)");
  expect(page).not.toMatch(/NaN|undefined|Infinity|<b>good/);
  expect(JSON.parse(jsonText(drawn)).sections).toEqual([section]);
});

it("prints a table that fits: as a grid, or in a narrow terminal row by row", () => {
  const table = {
    columns: [{ label: "model" }, { label: "accuracy", align: "right" as const }],
    rows: [
      ["attention", "80 %"],
      ["rnn", "7 %"],
    ],
    note: "done",
  };
  expect(textTable(table)).toBe("model      accuracy\n─────────  ────────\nattention      80 %\nrnn             7 %\n\ndone");
  expect(textTable(table, 12)).toBe("attention\n  accuracy  80 %\n\nrnn\n  accuracy  7 %\n\ndone");
});

it("gives long names of models the room that they take", () => {
  const [name, letter] = ["attention-no-positions-of-any-kind", 7.4];
  const results = [run(name, 1, 0.5)];
  const outcome = classification({ results, data: { name: "two", classes }, models: [name] });
  const page = htmlReport({ ...report(results), outcome });
  const places = [...page.matchAll(/class="row-label" x="([\d.]+)"/g)].map(([, x]) => Number(x));
  expect(places.length).toBeGreaterThan(1);
  for (const x of places) expect(x - letter * name.length).toBeGreaterThanOrEqual(0);
});
