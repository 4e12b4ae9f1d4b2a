import { execFileSync } from "node:child_process";
import { expect, it, vi } from "vitest";

/** Runs a program in a Node of its own; returns what it printed, and how long it took to end after that. */
function run(program: string, beforeImport = ""): { printed: unknown; lingered: number } {
  const script = `
    ${beforeImport}
    const heed = await import(${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)});
    const { allocateBlock, matmulKernels, runParallel } = heed;
    const n = 128;
    const at = allocateBlock(12 * n * n);
    const scratch = allocateBlock(1 << 20);
    const calls = [0, 32, 64, 96].map((i) => [32, n, n, at + 4 * i * n, n, 1, at + 4 * n * n, n, 1, at + 8 * n * n + 4 * i * n, n, 0, scratch]);
    /** A job of as much work as is told. */
    const job = (work) => runParallel(matmulKernels, "float32", "gemm", calls, { work });
    const printed = await (async () => { ${program} })();
    process.stdout.write(JSON.stringify({ printed, end: Date.now() }));`;
  const output = execFileSync(
    process.execPath,
    ["--conditions=@heed/source", "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script],
    { encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" }, timeout: 60_000 },
  );
  const ended = Date.now();
  const { printed, end } = JSON.parse(output) as { printed: unknown; end: number };
  return { printed, lingered: ended - end };
}

// Each starts a process or several threads, which on a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 });

// Promptly: a pool that kept the process alive would do so for ever, so a busy machine may take its time.
const PROMPTLY = 5000;

it("a program whose workers run ends by itself, at once", () => {
  const { printed, lingered } = run(`
    heed.configure({ threads: 4 });
    const count = await heed.threads.ready();
    for (let i = 0; i < 20; i++) job(1e7);
    return [count, heed.backend().threads];`);
  expect(printed).toEqual([4, 4]);
  expect(lingered).toBeLessThan(PROMPTLY);
});

it("a program ends at once also while workers start", () => {
  const { lingered } = run(`
    heed.configure({ threads: 4 });
    job(1e10);`);
  expect(lingered).toBeLessThan(PROMPTLY);
});

it("workers start by themselves when a program has lasted a while, and not before", () => {
  const { printed } = run(`
    const { default: threads } = await import("node:worker_threads");
    let started = 0;
    threads.Worker = class extends threads.Worker { constructor(...args) { super(...args); started++; } };
    heed.configure({ threads: 3 });
    for (let i = 0; i < 50; i++) job(1e6); // Much small work never pays.
    for (let i = 0; i < 7; i++) job(1e9);
    const before = started;
    for (let i = 0; i < 2; i++) job(1e9);
    const after = started;
    for (const end = Date.now() + 20_000; heed.backend().threads < 3 && Date.now() < end;) job(1e9); // Without a turn of the event loop.
    return [before, after, heed.backend().threads];`);
  expect(printed).toEqual([0, 2, 3]);
});

it("a page that is not cross-origin isolated has one thread, and an unshared memory", () => {
  const { printed } = run(
    `heed.configure({ threads: 4 });
    for (let i = 0; i < 3; i++) job(1e10);
    const { build, threads, sharedMemory } = heed.backend();
    return [build, threads, sharedMemory, await heed.threads.ready(), heed.linearMemory().buffer instanceof ArrayBuffer];`,
    "globalThis.crossOriginIsolated = false;",
  );
  expect(printed).toEqual(["relaxed", 1, false, 1, true]);
});

it("an engine that starts no workers has one thread", () => {
  const { printed } = run(`
    const { default: threads } = await import("node:worker_threads");
    threads.Worker = class { constructor() { throw new Error("refused"); } };
    heed.configure({ threads: 4 });
    for (let i = 0; i < 3; i++) job(1e10);
    return [heed.backend().threads, await heed.threads.ready()];`);
  expect(printed).toEqual([1, 1]);
});

it("workers also load their program from a file", () => {
  const { printed } = run(`
    heed.configure({ threads: 2, workerUrl: ${JSON.stringify(new URL("../src/worker.ts", import.meta.url).href)} });
    return await heed.threads.ready();`);
  expect(printed).toBe(2);
});
