/** The whole program on its main experiment, in processes of its own: what it promises about bytes, JSON and bad input. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { encode as encodePng } from "fast-png";
import jpeg from "jpeg-js";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const cli = fileURLToPath(new URL("../src/main.ts", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly error: string;
}

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "heed-vision-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(args: readonly string[]) {
  const child = spawn(process.execPath, ["--conditions=@heed/source", "--disable-warning=ExperimentalWarning", cli, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1" },
  });
  const said = { out: "", error: "" };
  child.stdout.on("data", (data: Buffer) => void (said.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => void (said.error += data.toString()));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code, signal) => resolve({ code, signal, ...said })));
  return { child, ended };
}

const bench = (...args: string[]): Promise<Ended> => start(args).ended;

/** The smallest training there is: 20 steps a model, on pictures of 32 × 32. */
const small = ["vision", "--profile", "smoke", "--size", "32", "--precision", "deterministic", "--seed", "7"];

interface Report {
  readonly models: readonly { readonly name: string; readonly accuracy: number }[];
  readonly runs: readonly { readonly id: string; readonly stateSha256: string }[];
  readonly sections: readonly {
    readonly kind: string;
    readonly matrices?: readonly { readonly counts: readonly (readonly number[])[] }[];
  }[];
  readonly data: { readonly testImages: number; readonly classes: readonly string[] };
}
const report = (name: string): Report & Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, name), "utf8")) as Report & Record<string, unknown>;
const hashes = (name: string) => report(name).runs.map(({ id, stateSha256 }) => `${id} ${stateSha256}`);

describe("bench vision", () => {
  beforeAll(async () => {
    const { code, error } = await bench(...small, "--threads", "1", "--out", "one", "--json", "one.json", "--results", "kept/vision");
    expect(code, error).toBe(0);
  });

  it("writes the JSON that was promised", () => {
    const whole = report("one.json");
    expect(whole).toMatchObject({
      experiment: "vision",
      profile: "smoke",
      partial: false,
      seeds: [7],
      precision: "deterministic",
      threads: 1,
      machine: { cpu: expect.any(String), cores: expect.any(Number), memoryBytes: expect.any(Number) },
      versions: { node: process.versions.node, "@heed/tensor": expect.any(String) },
      data: { name: "patchworks", imageSize: 32, patches: 4, patchSize: 16, trainImages: 320, testImages: 160 },
    });
    expect(whole.models.map(({ name }) => name)).toEqual(["attention", "rnn", "cnn"]);
    for (const model of whole.models) {
      expect(model).toMatchObject({
        parameters: expect.any(Number),
        flops: expect.any(Number),
        accuracy: expect.any(Number),
        accuracyDeviation: null, // one seed has none
        perClassAccuracy: expect.any(Number),
        imagesPerSecond: expect.any(Number),
      });
    }
    expect(readFileSync(join(folder, "kept/vision.json"), "utf8")).toBe(readFileSync(join(folder, "one.json"), "utf8"));
    expect(readFileSync(join(folder, "kept/vision.md"), "utf8")).toMatch(/^# bench vision · patchworks · smoke\n/);
  });

  it("counts every test picture once in each confusion matrix, the right ones on the diagonal", () => {
    const { sections, models, data } = report("one.json");
    const { matrices } = sections.find(({ kind }) => kind === "confusion")!;
    expect(matrices).toHaveLength(3);
    matrices!.forEach(({ counts }, i) => {
      expect(counts).toHaveLength(data.classes.length);
      expect(counts.flat().reduce((sum, count) => sum + count, 0)).toBe(data.testImages);
      const right = counts.reduce((sum, row, truth) => sum + row[truth]!, 0);
      expect(right / data.testImages).toBeCloseTo(models[i]!.accuracy, 12);
    });
  });

  it("writes an HTML report with every plot, that asks for no other file", () => {
    const html = readFileSync(join(folder, "one/report.html"), "utf8");
    for (const title of [
      "Accuracy",
      "Learning curves",
      "What is taken for what",
      "Where the class token looks",
      "Time per training step",
    ]) {
      expect(html).toContain(`>${title}</h2>`);
    }
    expect(html).not.toMatch(/(src|href)="(?!#|data:)/);
    expect(html).not.toMatch(/NaN|undefined|\[object/);
  });

  it("killed at any step and resumed, with another number of threads, ends with the same bytes", async () => {
    const args = [...small, "--threads", "2", "--out", "killed", "--checkpoint-seconds", "0"];
    const { child, ended } = start(args);
    // The first model to have a checkpoint is somewhere in its 20 steps, and another may be.
    while (!existsSync(join(folder, "killed/checkpoints")) || readdirSync(join(folder, "killed/checkpoints")).length === 0) await wait(5);
    await wait(50);
    child.kill("SIGKILL");
    expect((await ended).signal).toBe("SIGKILL");
    expect(existsSync(join(folder, "killed/report.json"))).toBe(false);
    const { code, error } = await bench(...args, "--resume");
    expect(code, error).toBe(0);
    expect(hashes("killed/report.json")).toEqual(hashes("one.json"));
    expect(hashes("one.json")[0]).toMatch(/^attention-seed-7 [0-9a-f]{64}$/);
  });

  it("prints the profile of a step of each model, and the share of matrix products in a sentence", async () => {
    const { code, out } = await bench("vision", "--profile", "smoke", "--size", "32", "--profile-step");
    expect(code).toBe(0);
    expect(out.match(/^matrix products +[\d.]+ +[\d.]+ % +[\d,]+ +[\d.]+ [MG] +[\d.]+$/gm), out).toHaveLength(3);
    for (const model of ["attention", "rnn", "cnn"])
      expect(out).toMatch(new RegExp(`^Matrix products take \\d+ % of a training step of ${model}\\.$`, "m"));
  });
});

describe.concurrent("bench vision ends with one sentence, a code, no stack trace, and nothing half-written, on", () => {
  const pixels = (count: number) => Uint8Array.from({ length: count }, (_, i) => (i * 37) % 251);
  const png = encodePng({ width: 20, height: 20, channels: 3, depth: 8, data: pixels(1200) });
  const photograph = new Uint8Array(jpeg.encode({ width: 40, height: 30, data: pixels(4800) }, 80).data);

  /** A folder of classes. */
  function images(name: string, files: Readonly<Record<string, Uint8Array | string>>): string {
    for (const [path, bytes] of Object.entries(files)) {
      mkdirSync(join(folder, name, path, ".."), { recursive: true });
      writeFileSync(join(folder, name, path), bytes);
    }
    return name;
  }
  const cats = { "cat/1.png": png, "cat/2.png": png };

  async function refusal(name: string, ...args: string[]): Promise<{ code: number | null; sentence: string }> {
    writeFileSync(join(folder, `${name}.json`), "something good");
    const { code, error, out } = await bench("vision", "--profile", "smoke", "--out", `${name}-out`, "--json", `${name}.json`, ...args);
    expect(out).toBe("");
    expect(error).not.toMatch(/^\s+at /m);
    expect(readFileSync(join(folder, `${name}.json`), "utf8")).toBe("something good");
    expect(existsSync(join(folder, `${name}-out`))).toBe(false);
    const lines = error
      .trim()
      .split("\n")
      .filter((line) => !/^(reads the data|read \d)/.test(line));
    expect(lines, error).toHaveLength(1);
    return { code, sentence: lines[0]! };
  }

  it("a folder without images", async () => {
    images("bare", { "cat/readme.txt": "none yet", "dog/readme.txt": "" });
    expect(await refusal("bare", "--data", "bare")).toEqual({
      code: 1,
      sentence: `bench: imageFolder: the folder holds no pictures; got folder "${join(folder, "bare")}", folders 2. Put the pictures at <folder>/<class>/<file>.jpg (or .jpeg, .png).`,
    });
  });

  it("a truncated JPEG, named", async () => {
    images("cut", { ...cats, "dog/1.jpg": photograph, "dog/2.jpg": photograph.subarray(0, photograph.length * 0.6) });
    const { code, sentence } = await refusal("cut", "--data", "cut");
    expect(code).toBe(1);
    expect(sentence).toMatch(/^bench: decodeImage: the JPEG ends before its end-of-image marker.*cut\/dog\/2\.jpg/);
  });

  it("a file that is not an image, named", async () => {
    images("text", { ...cats, "dog/1.jpg": photograph, "dog/2.jpg": "Dear diary" });
    const { code, sentence } = await refusal("text", "--data", "text");
    expect(code).toBe(1);
    expect(sentence).toMatch(/^bench: decodeImage: the file is neither a JPEG nor a PNG.*text\/dog\/2\.jpg/);
  });

  it("a class with one picture, named", async () => {
    images("lonely", { ...cats, "dog/1.png": png });
    const { code, sentence } = await refusal("lonely", "--data", "lonely");
    expect(code).toBe(1);
    expect(sentence).toMatch(/^bench: imageFolder: a class needs two pictures or more.*lonely\/dog/);
  });

  it("IDX files with a wrong magic number", async () => {
    images("idx", {
      "train-images-idx3-ubyte": Uint8Array.of(1, 2, 8, 3, 0, 0, 0, 1),
      "train-labels-idx1-ubyte": Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 0),
      "t10k-images-idx3-ubyte": "",
      "t10k-labels-idx1-ubyte": "",
    });
    const { code, sentence } = await refusal("idx", "--data", "idx");
    expect(code).toBe(1);
    expect(sentence).toMatch(/^bench: readIdx: an IDX file begins with two zero bytes.*idx\/train-images-idx3-ubyte/);
  });

  it.each([
    ["a size that no patches fill", ["--size", "100"], "must be a multiple of 16, from 32 to 512"],
    ["a wrong option", ["--epoch", "3"], "unknown option '--epoch' (did you mean --epochs?)"],
    ["a rate of nothing", ["--rate", "0"], "must be a number above 0"],
    ["a profile that is none", ["--profile", "huge"], "Allowed choices are smoke, quick, full"],
  ])("%s", async (_, args, words) => {
    const { code, sentence } = await refusal(`option-${args[0]!.slice(2)}`, ...args);
    expect(code).toBe(2);
    expect(sentence).toContain(words);
  });

  it.skipIf(!canMount())("a full disk (a small tmpfs, where mounting is allowed)", async () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=600k", "tmpfs", disk]);
    try {
      const { code, error, out } = await bench(...small, "--threads", "1", "--out", "disk/o");
      expect(code).toBe(1);
      expect(out).toBe("");
      expect(error).toMatch(/^bench: the disk is full: .* could not be written; what was there before is unharmed\.$/m);
      expect(error).not.toMatch(/^\s+at /m);
      expect(readdirSync(join(disk, "o"), { recursive: true }).filter((name) => /report|\.tmp$/.test(String(name)))).toEqual([]);
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});

it("bench vision learns from a folder of two classes with two pictures each", async () => {
  const pictures = join(folder, "tiny");
  for (const [i, name] of ["cat", "dog"].entries()) {
    mkdirSync(join(pictures, name), { recursive: true });
    for (const file of ["1.png", "2.png"]) {
      writeFileSync(
        join(pictures, name, file),
        encodePng({ width: 40, height: 32, channels: 1, depth: 8, data: new Uint8Array(1280).fill(60 + 120 * i) }),
      );
    }
  }
  const { code, error } = await bench("vision", "--profile", "smoke", "--size", "32", "--data", "tiny", "--out", "tiny-out");
  expect(code, error).toBe(0);
  expect(report("tiny-out/report.json").data).toMatchObject({ name: "tiny", classes: ["cat", "dog"], trainImages: 2, testImages: 2 });
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
