import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CoreProbes } from "./core-probes.ts";
import { allowedCores, canPin, keepOnCores, onCores } from "./cores.ts";

it("allowedCores reads Linux's list, and knows none elsewhere", () => {
  expect(allowedCores(() => "Name:\tnode\nCpus_allowed_list:\t0-2,5,8-9\n")).toEqual([0, 1, 2, 5, 8, 9]);
  expect(allowedCores(() => "Name:\tnode\n")).toEqual([]);
  expect(
    allowedCores(() => {
      throw new Error("no such file");
    }),
  ).toEqual([]);
});

describe("onCores", () => {
  it("leaves a command as it is where no cores are given", () => {
    expect(onCores([], "node", ["-p", "1"])).toEqual(["node", ["-p", "1"]]);
  });

  it.runIf(canPin())("keeps a process on a core", () => {
    const last = allowedCores().at(-1)!;
    const [command, words] = onCores([last], process.execPath, ["-p", 'fs.readFileSync("/proc/self/status", "utf8")']);
    expect(allowedCores(() => execFileSync(command, words, { encoding: "utf8" }))).toEqual([last]);
  });
});

it.runIf(canPin())("keepOnCores moves a process that runs, with all its threads", () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  try {
    const last = allowedCores().at(-1)!;
    keepOnCores([last], child.pid!);
    const threads = readdirSync(`/proc/${child.pid}/task`);
    expect(threads.map((thread) => allowedCores(() => readFileSync(`/proc/${child.pid}/task/${thread}/status`, "utf8")))).toEqual(
      threads.map(() => [last]),
    );
  } finally {
    child.kill("SIGKILL");
  }
});

it("CoreProbes say how fast each core is, as often as they are asked", async () => {
  const cores = allowedCores().slice(0, 2);
  const probes = new CoreProbes(cores);
  try {
    for (let time = 0; time < 2; time++) {
      const all = await probes.rates();
      expect(all).toHaveLength(Math.max(1, cores.length));
      for (const rate of all.flat()) expect(rate).toBeGreaterThan(0.01);
    }
  } finally {
    probes.end();
  }
});
