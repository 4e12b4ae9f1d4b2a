import { describe, expect, it } from "vitest";
import { quietnessOf, QuietMachine, sharedBest, waitOption } from "./quiet-machine.ts";

describe("QuietMachine", () => {
  const machineOf = (rates: number[], seconds: number) => {
    let waited = 0;
    const machine = new QuietMachine(seconds, () => Promise.resolve([[rates.shift()!]]), 0);
    return {
      settle: () => machine.settle((milliseconds) => Promise.resolve((waited += milliseconds))),
      counts: () => machine.counts,
      waited: () => waited,
    };
  };

  it("waits while the probe is slower than it was, and no longer", async () => {
    const { settle, counts, waited } = machineOf([1000, 1000, 700, 870, 890, 990], 10);
    await settle();
    expect(waited()).toBe(0);
    await settle();
    expect(waited()).toBe(20);
    await settle();
    expect(waited()).toBe(20);
    expect(counts()).toEqual({ quiet: 3, disturbed: 0 });
  });

  it("gives up when its seconds are used up, for all samples together", async () => {
    const { settle, counts, waited } = machineOf([1000, 1000, ...Array<number>(10).fill(500)], 0.04);
    for (let sample = 0; sample < 4; sample++) await settle();
    expect(waited()).toBe(40);
    expect(counts()).toEqual({ quiet: 1, disturbed: 3 });
  });

  it("knows from the best moment of a probe what quiet is, and judges by its middle", async () => {
    const machine = new QuietMachine(0, () => Promise.resolve([[800, 700, 1000, 700, 700]]), 0);
    await machine.settle();
    expect(machine.counts).toEqual({ quiet: 0, disturbed: 1 });
  });

  it("looks for the best before it judges the first sample", async () => {
    const { settle, counts } = machineOf([1000, 500], 0);
    await settle();
    expect(counts()).toEqual({ quiet: 0, disturbed: 1 });
  });

  it("waits for all cores, each measured by itself", async () => {
    const rates = [
      [[1000], [500]],
      [[990], [400]],
      [[700], [500]],
      [[990], [490]],
    ];
    let waited = 0;
    const machine = new QuietMachine(1, () => Promise.resolve(rates.shift()!), 0);
    await machine.settle((milliseconds) => Promise.resolve((waited += milliseconds)));
    expect([waited, rates.length]).toEqual([20, 0]);
  });

  it("takes a sample again that ends on a disturbed machine, and counts it against the budget", async () => {
    // Best of all; then each sample is probed before and after.
    const rates = [1000, 1000, 500, 1000, 990];
    const machine = new QuietMachine(10, () => Promise.resolve([[rates.shift()!]]), 0);
    const taken = ["first", "second"];
    expect(await machine.sample(() => Promise.resolve(taken.shift()))).toBe("second");
    expect(machine.counts).toEqual({ quiet: 1, disturbed: 0, again: 1 });
    expect(quietnessOf([machine.counts], "began and ended")).toMatch(/^1 of 1 samples began and ended .* 1 more ended on a disturbed one/);
  });

  it("keeps a sample that ends on a disturbed machine when the budget is used up", async () => {
    const rates = [1000, 1000, 500];
    const machine = new QuietMachine(0, () => Promise.resolve([[rates.shift()!]]), 0);
    expect(await machine.sample(() => Promise.resolve(7))).toBe(7);
    expect(machine.counts).toEqual({ quiet: 0, disturbed: 1 });
  });

  it("shares the best it has seen", async () => {
    const best = sharedBest();
    await new QuietMachine(0, () => Promise.resolve([[1000]]), 0, best).settle();
    const later = new QuietMachine(0, () => Promise.resolve([[800]]), 0, best);
    await later.settle();
    expect(later.counts).toEqual({ quiet: 0, disturbed: 1 });
  });

  it("does not wait where it may not", async () => {
    const { settle, waited } = machineOf([1000, 1000, 10], 0);
    await settle();
    await settle();
    expect(waited()).toBe(0);
  });
});

it("quietnessOf adds works up, without those of earlier sessions", () => {
  expect(quietnessOf([{ quiet: 3, disturbed: 1 }, undefined, { quiet: 2, disturbed: 0 }])).toMatch(/^5 of 6 samples/);
});

it("--wait takes seconds", () => {
  const { parse } = waitOption("work");
  expect(parse!("2.5")).toBe(2.5);
  for (const wrong of ["", "-1", "soon", "1e9"]) expect(() => parse!(wrong)).toThrow("must be a number of seconds from 0 to 3600");
});
