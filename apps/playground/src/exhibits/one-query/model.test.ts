import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { compute } from "./model.ts";
import { program } from "./program.ts";
import {
  fromAddress,
  moveKey,
  moveQuery,
  normaliserNames,
  notesExample,
  scoreNames,
  setSeen,
  toAddress,
  words,
  type View,
} from "./view.ts";

/** Two roundings of float32 and a handful of terms below 4. */
const digits = 5;

function expectNumbers(found: readonly number[], expected: readonly number[], decimals = digits): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((each, i) => expect(each).toBeCloseTo(expected[i]!, decimals));
}

it("gives the numbers of the lecture notes", () => {
  const reading = compute(notesExample);
  expectNumbers(reading.scores, [0.95, 1.0, 0.61]);
  expectNumbers(reading.weights, [0.36, 0.38, 0.26], 2);
  expectNumbers(reading.context, [0.7178216, 1.0239372]);
  expectNumbers(reading.contextByHand, [0.716, 1.026]);
  expectNumbers([reading.totalWeight], [1]);
});

it("lets another word win under another score, as the page says", () => {
  const winner = (score: View["score"]) => {
    const { weights } = compute({ ...notesExample, score });
    return words[weights.indexOf(Math.max(...weights))];
  };
  expect(winner("dot")).toBe("le");
  expect(winner("bilinear")).toBe("monde");
  expect(winner("gaussian")).toBe("Bonjour");
});

it.each([
  ["dot", [0.95, 1.0, 0.61]],
  ["scaledDot", [0.95, 1.0, 0.61].map((each) => each / Math.SQRT2)],
  [
    "additive",
    [
      [1.8, 0.8],
      [1.6, 1.5],
      [1.0, 1.8],
    ].map(([x, y]) => Math.tanh(x!) + Math.tanh(y!)),
  ],
  ["bilinear", [0.7, 1.2, 1.26]],
  ["gaussian", [-0.04, -0.405, -0.9]],
] as const)("scores by %s as one does by hand", (score, expected) => {
  expectNumbers(compute({ ...notesExample, score }).scores, expected);
});

it.each([
  ["softmax", [0.95, 1.0, 0.61].map((each) => Math.exp(each) / (Math.exp(0.95) + Math.exp(1) + Math.exp(0.61)))],
  ["reluSum", [0.95, 1.0, 0.61].map((each) => each / 2.56)],
  ["reluCount", [0.95, 1.0, 0.61].map((each) => each / 3)],
  ["sigmoid", [0.95, 1.0, 0.61].map((each) => 1 / (1 + Math.exp(-each)))],
  ["hard", [0, 1, 0]],
] as const)("normalises by %s as one does by hand", (normaliser, expected) => {
  expectNumbers(compute({ ...notesExample, normaliser }).weights, expected);
});

it.each(scoreNames.flatMap((score) => normaliserNames.map((normaliser) => [score, normaliser] as const)))(
  "lays the scaled vectors tip to tail up to the context (%s, %s)",
  (score, normaliser) => {
    const reading = compute({ ...notesExample, score, normaliser });
    expectNumbers(reading.tips.at(-1)!, reading.context);
    expectNumbers([reading.weights.reduce((a, b) => a + b)], [reading.totalWeight]);
    if (normaliser === "softmax" || normaliser === "reluSum" || normaliser === "reluCount") {
      reading.weights.forEach((weight, i) => expect(weight * reading.divisor).toBeCloseTo(reading.numerators[i]!, digits));
    }
  },
);

it("gives a key that may not be seen no weight, and zeros when none may", () => {
  const one = compute(setSeen(notesExample, 1, false));
  expect(one.weights[1]).toBe(0);
  expectNumbers([one.totalWeight], [1]);
  const none = compute({ ...notesExample, seen: [false, false, false], target: 0 });
  expect(none.context).toEqual([0, 0]);
  expect(none.slope).toEqual([0, 0]);
});

it("finds the slope α (h − c) for dot and softmax, as the page says", () => {
  const { weights, context, slope } = compute({ ...notesExample, target: 2 });
  const [x, y] = notesExample.keys[2]!;
  expectNumbers(slope!, [weights[2]! * (x - context[0]), weights[2]! * (y - context[1])]);
});

it.each(scoreNames.flatMap((score) => normaliserNames.map((normaliser) => [score, normaliser] as const)))(
  "has the slope of differences of its weights (%s, %s)",
  (score, normaliser) => {
    const view: View = { ...notesExample, score, normaliser, target: 0 };
    const { slope } = compute(view);
    const step = 0.02; // error of the difference: step² times a third derivative below 2
    const weightAt = (dx: number, dy: number) => compute({ ...view, query: [0.8 + dx, 0.3 + dy] }).weights[0]!;
    expectNumbers(
      slope!,
      [(weightAt(step, 0) - weightAt(-step, 0)) / (2 * step), (weightAt(0, step) - weightAt(0, -step)) / (2 * step)],
      2,
    );
  },
);

it("keeps a view in its address, and falls back to the notes where the address makes no sense", () => {
  expect(toAddress(notesExample)).toBe("");
  const view: View = {
    ...setSeen(moveKey(moveQuery(notesExample, [-0.25, 1.125]), 2, [5, -5]), 0, false),
    score: "gaussian",
    normaliser: "reluCount",
    target: 1,
  };
  expect(view.keys[2]).toEqual([2, -1]);
  expect(fromAddress(toAddress(view))).toEqual(view);
  expect(fromAddress("query=1&keys=a,b;c,d&seen=12&score=cosine&normaliser=&target=Hello&more=1")).toEqual(notesExample);
});

it.each(scoreNames.map((score, i) => [score, normaliserNames[i]!] as const))(
  "shows a program that computes the same (%s, %s)",
  (score, normaliser) => {
    const view = setSeen({ ...notesExample, score, normaliser }, 0, false);
    const printed = execFileSync(process.execPath, ["--conditions=@heed/source", "--input-type=module", "--eval", program(view)], {
      cwd: import.meta.dirname,
      encoding: "utf8",
    });
    const found = (printed.match(/-?\d+(\.\d+)?(e-?\d+)?/g) ?? []).map(Number);
    const { weights, context } = compute(view);
    expectNumbers(found, [...weights, ...context]);
  },
);
