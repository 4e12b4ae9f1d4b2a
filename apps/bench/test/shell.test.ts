/** The whole program in processes of its own: exit codes, streams, signals, files. */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

// Processes start slowly on a busy machine; each test starts up to ten.
vi.setConfig({ testTimeout: 120_000 });

const cli = fileURLToPath(new URL("./dummy/cli.ts", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly error: string;
}

interface RunReport {
  readonly id: string;
  readonly state: string;
  readonly step: number;
  readonly stateSha256?: string;
}

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "heed-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(...args: string[]) {
  const child = spawn(process.execPath, ["--conditions=@heed/source", "--disable-warning=ExperimentalWarning", cli, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1" },
  });
  const said = { out: "", error: "" };
  child.stdout.on("data", (data: Buffer) => void (said.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => void (said.error += data.toString()));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code, signal) => resolve({ code, signal, ...said })));
  const until = async (pattern: RegExp) => {
    for (let tries = 0; !pattern.test(said.error); tries++) {
      if (tries > 1000 || child.exitCode !== null) throw new Error(`never said ${pattern}: ${said.error}`);
      await wait(10);
    }
  };
  return { child, ended, until };
}

const bench = (...args: string[]): Promise<Ended> => start("dummy", ...args).ended;
const json = (path: string) =>
  JSON.parse(readFileSync(join(folder, path), "utf8")) as {
    partial: boolean;
    runs: RunReport[];
    models: { name: string; accuracy: number | null; accuracyDeviation: number | null }[];
  } & Record<string, unknown>;
const hashes = (path: string) => json(path).runs.map(({ id, stateSha256 }) => `${id} ${stateSha256}`);

describe("a whole run", () => {
  it("writes JSON, HTML and Markdown, prints a table and the way to the report, and exits 0", async () => {
    const { code, out, error } = await bench("--profile", "quick", "--json", "out/r.json", "--seed", "3");
    expect(code, error).toBe(0);
    const report = json("out/r.json");
    expect(report).toMatchObject({
      experiment: "dummy",
      profile: "quick",
      partial: false,
      seeds: [3, 4],
      precision: "fast",
      data: { name: "shapes", trainImages: 160 },
    });
    expect(Object.keys(report)).toEqual(expect.arrayContaining(["machine", "versions", "threads", "models"]));
    expect(report.models.map(({ name }) => name)).toEqual(["attention", "rnn", "cnn"]);
    for (const model of report.models)
      expect(model).toMatchObject({
        parameters: expect.any(Number),
        flops: expect.any(Number),
        accuracy: expect.any(Number),
        accuracyDeviation: expect.any(Number),
        perClassAccuracy: expect.any(Number),
        imagesPerSecond: expect.any(Number),
      });
    const folderOut = join(folder, "bench-results", "dummy-shapes-quick");
    expect(readdirSync(folderOut).sort()).toEqual(["checkpoints", "report.html", "report.json", "report.md", "settings.json"]);
    expect(readFileSync(join(folderOut, "report.json"), "utf8")).toBe(readFileSync(join(folder, "out/r.json"), "utf8"));
    expect(out).toMatch(/attention +\d+\.\d ± \d/);
    expect(out).toContain(`file://${folderOut}/report.html`);
  });

  it("keeps JSON and Markdown under the path of --results, but never of a partial run", async () => {
    await bench("--profile", "smoke", "--out", "o", "--results", "kept/dummy");
    expect(readdirSync(join(folder, "kept")).sort()).toEqual(["dummy.json", "dummy.md"]);
    const kept = readFileSync(join(folder, "kept/dummy.json"), "utf8");
    expect(kept).toBe(readFileSync(join(folder, "o/report.json"), "utf8"));
    expect(kept).not.toContain("data:image");
    const { child, ended, until } = start("dummy", "--profile", "smoke", "--step-ms", "100", "--out", "p", "--results", "kept/dummy");
    await until(/starts/);
    child.kill("SIGINT");
    expect((await ended).out).toContain("left as they were");
    expect(readFileSync(join(folder, "kept/dummy.json"), "utf8")).toBe(kept);
  });

  it("gives the same parameters with any number of threads, and moves earlier results aside", async () => {
    await bench("--profile", "smoke", "--threads", "1", "--out", "o", "--json", "1.json");
    const again = await bench("--profile", "smoke", "--threads", "4", "--out", "o", "--json", "4.json");
    expect(again.error).toContain("Earlier results were moved to o/previous");
    expect(hashes("4.json")).toEqual(hashes("1.json"));
    expect(hashes("1.json")[0]).toMatch(/^search-attention-0 [0-9a-f]{64}$/);
    expect(existsSync(join(folder, "o/previous/report.json"))).toBe(true);
  });
});

describe("an interruption", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "by %s leaves a valid partial report (and --resume ends with the bytes of an uninterrupted run)",
    async (signal) => {
      const args = ["--profile", "smoke", "--step-ms", "40", "--checkpoint-seconds", "0", "--out", "o"];
      const { child, ended } = start("dummy", ...args);
      while (!existsSync(join(folder, "o/checkpoints/attention-seed-1.checkpoint"))) await wait(5);
      child.kill(signal);
      const first = await ended;
      expect(first.code, first.error).toBe(130);
      expect(first.out).toContain("PARTIAL");
      expect(first.out).toContain("--resume");
      const partial = json("o/report.json");
      expect(partial.partial).toBe(true);
      expect(partial.runs.find(({ id }) => id === "attention-seed-1")).toMatchObject({ state: "partial" });
      expect(readFileSync(join(folder, "o/report.html"), "utf8")).toContain("Partial report.");
      if (signal === "SIGTERM") return; // What follows is the same for both, and not quick.
      const second = await bench(...args, "--resume");
      expect(second.code, second.error).toBe(0);
      await bench("--profile", "smoke", "--step-ms", "40", "--out", "whole");
      expect(json("o/report.json").partial).toBe(false);
      expect(hashes("o/report.json")).toEqual(hashes("whole/report.json"));
    },
  );

  it("by SIGKILL at any time is resumed to the same bytes, and no half-written file counts", async () => {
    const args = ["--profile", "smoke", "--step-ms", "15", "--checkpoint-seconds", "0", "--out", "o"];
    let ended: Ended;
    let kills = 0;
    do {
      const process = start("dummy", ...args, ...(kills > 0 ? ["--resume"] : []));
      // Once before it can have said a word; then ever later after its first one, so that each session gets further even
      // where processes start slowly.
      const kill = () => process.child.kill("SIGKILL");
      let timer = setTimeout(kill, kills === 0 ? 100 : 100_000);
      if (kills > 0) {
        process.child.stderr.once("data", () => {
          clearTimeout(timer);
          timer = setTimeout(kill, 20 + 240 * kills);
        });
      }
      ended = await process.ended;
      clearTimeout(timer);
      if (ended.signal === "SIGKILL") kills++;
    } while (ended.signal === "SIGKILL" && kills < 40);
    expect(ended.code, ended.error).toBe(0);
    expect(kills).toBeGreaterThan(2);
    await bench(...args.slice(0, -1), "whole");
    expect(hashes("o/report.json")).toEqual(hashes("whole/report.json"));
    expect(readdirSync(join(folder, "o/checkpoints")).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("asked for twice ends at once", async () => {
    const { child, ended, until } = start("dummy", "--profile", "smoke", "--step-ms", "60000", "--out", "o");
    await until(/starts/);
    child.kill("SIGINT");
    await wait(600);
    child.kill("SIGINT");
    expect((await ended).code).toBe(130);
  });

  it("handed on a second time by the package manager still writes the report", async () => {
    const { child, ended, until } = start("dummy", "--profile", "smoke", "--step-ms", "100", "--out", "o");
    await until(/starts/);
    child.kill("SIGINT");
    await wait(50);
    child.kill("SIGINT");
    expect((await ended).out).toContain("PARTIAL");
  });

  it("before anything was kept: --resume begins at the beginning, and says so", async () => {
    const { code, error } = await bench("--profile", "smoke", "--out", "o", "--resume");
    expect(code).toBe(0);
    expect(error).toContain("Nothing to resume in o: begins at the beginning.");
  });
});

describe("bad input ends with one sentence, a code, no stack trace, and nothing half-written:", () => {
  async function refusal(...args: string[]): Promise<{ code: number | null; sentence: string }> {
    const { code, error, out } = await start(...args).ended;
    expect(out).toBe("");
    const lines = error
      .trim()
      .split("\n")
      .filter((line) => !/^(reads the data|drew |dummy · |\S.*  (starts|stopped|accuracy))/.test(line));
    expect(lines, error).toHaveLength(1);
    expect(error).not.toMatch(/^\s+at /m);
    return { code, sentence: lines[0]! };
  }

  it("an unknown experiment", async () => {
    expect(await refusal("dumy")).toEqual({ code: 2, sentence: "bench: unknown command 'dumy' (did you mean dummy?)." });
  });
  it("an unknown option", async () => {
    expect(await refusal("dummy", "--theads", "2")).toEqual({
      code: 2,
      sentence: "bench: unknown option '--theads' (did you mean --threads?).",
    });
  });
  it("a seed that is no number", async () => {
    expect((await refusal("dummy", "--seed", "x")).code).toBe(2);
  });
  it("data that do not exist, or are a file", async () => {
    expect(await refusal("dummy", "--data", "nowhere")).toEqual({ code: 1, sentence: "bench: --data: nowhere does not exist." });
    writeFileSync(join(folder, "file"), "");
    expect(await refusal("dummy", "--data", "file")).toEqual({ code: 1, sentence: "bench: --data: file is not a folder." });
  });
  it("data refused by their reader", async () => {
    mkdirSync(join(folder, "empty"));
    const { code, sentence } = await refusal("dummy", "--data", "empty", "--out", "o");
    expect(code).toBe(1);
    expect(sentence).toBe(`bench: ${join(folder, "empty")} holds no images; name a folder with one folder of images per class.`);
    expect(readdirSync(folder)).toEqual(["empty"]);
  });
  it("--out that is a file, or in one", async () => {
    writeFileSync(join(folder, "file"), "precious");
    expect((await refusal("dummy", "--out", "file")).sentence).toMatch(/^bench: --out: .*file is a file, or in one; name a folder\.$/);
    expect((await refusal("dummy", "--out", "file/x")).code).toBe(1);
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("precious");
  });
  it("--out that holds somebody else's report", async () => {
    mkdirSync(join(folder, "o"));
    writeFileSync(join(folder, "o/report.html"), "precious");
    expect((await refusal("dummy", "--out", "o")).sentence).toMatch(/holds a report\.html that bench did not write/);
    expect(readFileSync(join(folder, "o/report.html"), "utf8")).toBe("precious");
    expect(readdirSync(join(folder, "o"))).toEqual(["report.html"]);
  });
  it("--json that is a folder", async () => {
    mkdirSync(join(folder, "o"));
    expect(await refusal("dummy", "--json", "o")).toEqual({ code: 1, sentence: "bench: --json: o is a folder; name a file." });
  });
  it("--resume with other settings", async () => {
    await bench("--profile", "smoke", "--out", "o");
    const before = readFileSync(join(folder, "o/report.json"), "utf8");
    expect((await refusal("dummy", "--profile", "smoke", "--out", "o", "--resume", "--seed", "2")).sentence).toMatch(
      /cannot be resumed: --seed was 1 then and is 2 now/,
    );
    expect((await refusal("dummy", "--profile", "smoke", "--out", "o", "--resume", "--momentum", "0.5")).sentence).toMatch(
      /--momentum was 0\.9 then and is 0\.5 now/,
    );
    expect(readFileSync(join(folder, "o/report.json"), "utf8")).toBe(before);
  });
  it("a damaged checkpoint", async () => {
    await bench("--profile", "smoke", "--out", "o");
    const path = join(folder, "o/checkpoints/rnn-seed-1.checkpoint");
    writeFileSync(path, readFileSync(path).subarray(0, 1000));
    expect((await refusal("dummy", "--profile", "smoke", "--out", "o", "--resume")).sentence).toMatch(
      /rnn-seed-1\.checkpoint is not a usable checkpoint \(its bytes are damaged or cut off\); delete it and run again\.$/,
    );
  });
  it("a second bench in the same folder", async () => {
    const { child, ended, until } = start("dummy", "--profile", "smoke", "--step-ms", "200", "--out", "o");
    await until(/starts/);
    expect((await refusal("dummy", "--profile", "smoke", "--out", "o")).sentence).toMatch(/another bench \(process \d+\) is writing to/);
    child.kill("SIGKILL");
    await ended;
    expect((await bench("--profile", "smoke", "--out", "o")).code).toBe(0);
  });
  it("a bug is called one, and --debug shows where it is", async () => {
    expect(await refusal("dummy", "--profile", "smoke", "--fail-at", "2", "--out", "o")).toEqual({
      code: 1,
      sentence: "bench: internal: as asked (run again with --debug to see where).",
    });
    expect((await bench("--profile", "smoke", "--fail-at", "2", "--out", "o", "--debug")).error).toMatch(/at DummyRun\.step/);
  });
  it.skipIf(process.getuid?.() === 0 || process.platform === "win32")(
    "--out that may not be written to (not as root, who may)",
    async () => {
      mkdirSync(join(folder, "o"));
      chmodSync(join(folder, "o"), 0o500);
      expect((await refusal("dummy", "--out", "o")).sentence).toMatch(/is not writable\.$/);
    },
  );
  it.skipIf(!canMount())("a full disk (a small tmpfs, where mounting is allowed)", async () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=160k", "tmpfs", disk]);
    try {
      const { code, sentence } = await refusal("dummy", "--profile", "quick", "--out", "disk/o", "--threads", "1");
      expect(code).toBe(1);
      expect(sentence).toMatch(/^bench: the disk is full: .* could not be written; what was there before is unharmed\.$/);
      expect(readdirSync(join(disk, "o"), { recursive: true }).filter((name) => String(name).endsWith(".tmp"))).toEqual([]);
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), "heed-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", probe], { stdio: "ignore" });
    execFileSync("umount", [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}
