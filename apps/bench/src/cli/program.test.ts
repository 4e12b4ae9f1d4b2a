import { describe, expect, it } from "vitest";
import { dummy } from "../../test/dummy/experiment.ts";
import { UsageError } from "../errors.ts";
import type { Experiment } from "../experiment.ts";
import { parse } from "./program.ts";

const { data: _data, ...rest } = dummy;
const experiments: Experiment[] = [
  { ...dummy, name: "vision" },
  { ...rest, name: "kernels", summary: "speed of kernels", options: [], alone: true },
];
const read = (line: string) => parse(line.split(" ").filter(Boolean), experiments, 100);
const refused = (line: string): string => {
  try {
    read(line);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  throw new Error(`"${line}" was accepted`);
};

describe("reads", () => {
  it("nothing as vision, quick, seed 1", () => {
    expect(read("")).toMatchObject({ profile: "quick", seed: 1, precision: "fast", resume: false });
    expect((read("") as { experiment: Experiment }).experiment.name).toBe("vision");
  });
  it("options without an experiment as vision's", () => {
    expect(read("--profile smoke --seed 7 --threads 3")).toMatchObject({ profile: "smoke", seed: 7, threads: 3 });
  });
  it("both ways of writing a value", () => {
    expect(read("vision --json=a.json --out b")).toMatchObject({ json: "a.json", out: "b" });
  });
  it("an experiment's own options, apart from the shared ones", () => {
    expect(read("vision --step-ms 5 --momentum=0.5")).toMatchObject({ options: { stepMs: 5, momentum: 0.5 } });
  });
  it("one run at a time where runs measure time", () => {
    expect(read("kernels --threads 2")).toMatchObject({ threads: 1 });
  });
});

describe("prints", () => {
  it("the list, one line each", () => {
    expect(read("list")).toEqual({ print: "vision   three linear models learn to tell drawn shapes apart\nkernels  speed of kernels\n" });
  });
  it.each(["--help", "-h", "help"])("general help for %s", (word) => {
    const { print } = read(word) as { print: string };
    expect(print).toContain("bench <experiment> [options]");
    expect(print).toContain("kernels");
    expect(print).toContain("Exit codes");
  });
  it("an experiment's help with its options and profiles", () => {
    const { print } = read("vision --help") as { print: string };
    for (const word of ["--data", "--step-ms", "--threads", "--resume", "smoke", "full", "five seeds"]) expect(print).toContain(word);
  });
});

describe("refuses, in one sentence that names what is valid,", () => {
  it.each([
    ["visoin", "unknown command 'visoin' (did you mean vision?)."],
    ["zzz", "unknown command 'zzz'; `bench list` names the experiments."],
    ["vision --sede 1", "unknown option '--sede' (did you mean --seed?)."],
    ["--porfile quick", "unknown option '--porfile' (did you mean --profile?)."],
    ["vision --qqqqqq", "unknown option '--qqqqqq'; `bench vision --help` lists the options."],
    ["vision --profile ful", "option '--profile <name>' argument 'ful' is invalid. Allowed choices are smoke, quick, full."],
    ["vision --precision exact", "option '--precision <name>' argument 'exact' is invalid. Allowed choices are fast, deterministic."],
    ["vision --seed one", "option '--seed <n>' argument 'one' is invalid. It must be a whole number from 0 to 4294967295."],
    ["vision --seed -1", "option '--seed <n>' argument '-1' is invalid. It must be a whole number from 0 to 4294967295."],
    ["vision --seed 1.5", "option '--seed <n>' argument '1.5' is invalid. It must be a whole number from 0 to 4294967295."],
    ["vision --seed 4294967296", "option '--seed <n>' argument '4294967296' is invalid. It must be a whole number from 0 to 4294967295."],
    ["vision --threads 0", "option '--threads <n>' argument '0' is invalid. It must be a whole number from 1 to 256."],
    ["vision --step-ms x", "option '--step-ms <ms>' argument 'x' is invalid. It must be a whole number of milliseconds."],
    ["vision --out", "option '--out <folder>' argument missing."],
    ["kernels --data x", "unknown option '--data'; `bench kernels --help` lists the options."],
    ["vision quick", "too many arguments for 'vision'. Expected 0 arguments but got 1: quick."],
  ])("%s", (line, message) => {
    expect(refused(line)).toBe(message);
  });
});
