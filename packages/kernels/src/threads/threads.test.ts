import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { f32, i32, ModuleBuilder } from "../assembler/index.ts";
import { backend, configuration, configure } from "../configure.ts";
import { defineFamily } from "../family.ts";
import { features } from "../features.ts";
import { allocateBlock, allocatorBytes, freeBlock } from "../memory/allocator.ts";
import { linearMemory } from "../memory/linear-memory.ts";
import { float32View, int32View } from "../memory/views.ts";
import { profileKernels } from "../profile.ts";
import { Job } from "./job.ts";
import { LAYOUT, MOST_TASKS } from "./layout.ts";
import { currentPool, type Pool } from "./pool.ts";
import { runParallel } from "./run-parallel.ts";
import { runTasks, type Task } from "./run-tasks.ts";
import { threads } from "./threads.ts";

interface Stamps {
  /** Counts up to `turns`, adds 1 at `at`, and notes which scratch space it had at `at + 4`. */
  stamp(at: number, scratch: number, turns: number): void;
}

/** Every call makes a family whose module no worker knows yet. */
const stampsFamily = () =>
  defineFamily<Stamps>(
    "stamps",
    (build) => {
      const m = new ModuleBuilder(build);
      m.func("stamp", { params: { at: "i32", scratch: "i32", turns: "i32" } }, (f, { at, scratch, turns }) => {
        const sum = f.let(i32.load(at));
        const value = f.local("f32");
        f.forRange(0, turns, 1, () => value.set(f32.sqrt(f32.add(value, f32.convertI32S(turns)))));
        f.store(at, i32.add(sum, 1));
        f.store(i32.add(at, 4), scratch);
        f.store(scratch, value);
      });
      return m.toBytes();
    },
    () => ({
      stamp(at, scratch) {
        int32View()[at / 4] += 1;
        int32View()[at / 4 + 1] = scratch;
      },
    }),
  );

const LARGE = 1e9;
const before = { ...configuration() };
beforeAll(() => configure({ threads: 3 }));
afterAll(() => configure(before));

/** Runs `count` calls in blocks of their own; tells how often each was made, and in which scratch space. */
function stamped(family: ReturnType<typeof stampsFamily>, count: number, { turns = 20_000, block = allocateBlock(8 * count) } = {}) {
  const scratch: number[] = [];
  int32View().fill(0, block / 4, block / 4 + 2 * count);
  const calls = Array.from({ length: count }, (_, i) => [block + 8 * i, 0, turns]);
  const allocate = (bytes: number) => scratch[scratch.push(allocateBlock(bytes)) - 1];
  try {
    runParallel(family, "float32", "stamp", calls, { work: LARGE, scratch: { argument: 1, bytes: 100, allocate } });
    const words = [...int32View().subarray(block / 4, block / 4 + 2 * count)];
    return {
      times: words.filter((_, i) => i % 2 === 0),
      thread: words.filter((_, i) => i % 2 === 1).map((at) => (at - scratch[0]) / 128),
    };
  } finally {
    for (const pointer of [block, ...scratch]) freeBlock(pointer);
  }
}

/** Tries until workers take part in a job of the family: on a busy machine the caller may be through before they wake. */
async function untilHelped(family: ReturnType<typeof stampsFamily>, count = 64): Promise<ReturnType<typeof stamped>> {
  for (const end = performance.now() + 20_000; performance.now() < end;) {
    const result = stamped(family, count);
    if (result.thread.some((thread) => thread > 0)) return result;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error("no worker ever took a task");
}

describe.runIf(features().sharedMemory)("worker threads", () => {
  beforeEach(async () => {
    expect(await threads.ready()).toBe(3);
  });

  it("take part once they have acknowledged, and are gone when one thread is asked for", async () => {
    expect(backend()).toMatchObject({ threads: 3, sharedMemory: true });
    configure({ threads: 1 });
    expect(backend().threads).toBe(1);
    expect(await threads.ready()).toBe(1);
    expect(new Set(stamped(stampsFamily(), 8).thread)).toEqual(new Set([0]));
    configure({ threads: 3 });
    expect(backend().threads).toBe(1);
    expect(await threads.ready()).toBe(3);
  });

  it("do each task once, with scratch space of their own", async () => {
    const { used } = allocatorBytes();
    const family = stampsFamily();
    const { times, thread } = await untilHelped(family);
    expect(times).toEqual(times.map(() => 1));
    expect(thread.every((index) => [0, 1, 2].includes(index))).toBe(true);
    expect(allocatorBytes().used).toBe(used);
  });

  it("are sent the modules that they lack, and until then jobs run without them", async () => {
    const modules = currentPool()!.modules.length;
    const family = stampsFamily();
    expect(stamped(family, 8).times).toEqual(new Array(8).fill(1));
    expect(currentPool()!.modules).toHaveLength(modules + 1);
    await untilHelped(family);
  });

  it("leave small work, float64 and single calls to the calling thread", async () => {
    const family = stampsFamily();
    await untilHelped(family);
    const block = allocateBlock(8 * 64);
    const scratch = allocateBlock(3 * 64);
    const scratchOf = (dtype: "float32" | "float64", count: number, work: number) => {
      const calls = Array.from({ length: count }, (_, i) => [block + 8 * i, scratch, 1000]);
      runParallel(family, dtype, "stamp", calls, { work });
      return new Set([...int32View().subarray(block / 4, block / 4 + 2 * count)].filter((_, i) => i % 2 === 1));
    };
    const { job } = LAYOUT;
    const jobs = () => Atomics.load(currentPool()!.words, job);
    const start = jobs();
    for (const found of [scratchOf("float32", 64, 1000), scratchOf("float64", 64, LARGE), scratchOf("float32", 1, LARGE)]) {
      expect(found).toEqual(new Set([scratch]));
    }
    expect(jobs()).toBe(start);
    scratchOf("float32", 64, LARGE);
    expect(jobs()).toBe(start + 1);
    freeBlock(block);
    freeBlock(scratch);
  });

  it("do more tasks than fit in one job", async () => {
    const family = stampsFamily();
    await untilHelped(family);
    const { times } = stamped(family, 2 * MOST_TASKS + 3, { turns: 10 });
    expect(times).toEqual(times.map(() => 1));
  });

  it("do the calls of a task in their order", async () => {
    const family = stampsFamily();
    await untilHelped(family);
    const block = allocateBlock(8 * 100);
    const scratch: number[] = [];
    int32View().fill(0, block / 4, block / 4 + 2 * 100);
    const tasks = Array.from({ length: 50 }, (_, i): Task =>
      [3, 2, 1].map((step) => ({ family, kernel: "stamp", arguments: [block + 16 * i, 64 * step, 5000], scratch: [1] })),
    );
    runTasks("float32", tasks, {
      work: LARGE,
      scratch: { bytes: 256, allocate: (bytes) => scratch[scratch.push(allocateBlock(bytes)) - 1] },
    });
    for (let i = 0; i < 50; i++) {
      expect(int32View()[block / 4 + 4 * i]).toBe(3);
      expect((int32View()[block / 4 + 4 * i + 1] - scratch[0]) % 256).toBe(64);
    }
    for (const pointer of [block, ...scratch]) freeBlock(pointer);
  });

  it("see memory that grew after they started", async () => {
    const family = stampsFamily();
    await untilHelped(family);
    for (let tries = 0; ; tries++) {
      const block = allocateBlock(linearMemory().buffer.byteLength); // More than there is.
      const { times, thread } = stamped(family, 64, { block });
      expect(times).toEqual(times.map(() => 1));
      if (thread.some((index) => index > 0)) break;
      expect(tries, "no worker took part").toBeLessThan(4);
    }
  });

  it("let an error of any task through, when all that was begun has ended, and go on working", async () => {
    const family = stampsFamily();
    await untilHelped(family);
    const block = allocateBlock(8 * 64);
    const beyond = 2 ** 32 - 64;
    for (const wrong of [0, 31, 63]) {
      const calls = Array.from({ length: 64 }, (_, i) => [i === wrong ? beyond : block + 8 * i, block, 20_000]);
      expect(() => runParallel(family, "float32", "stamp", calls, { work: LARGE })).toThrow(WebAssembly.RuntimeError);
    }
    freeBlock(block);
    const { times } = await untilHelped(family);
    expect(times).toEqual(times.map(() => 1));
  });

  it("let calls nest", async () => {
    const family = stampsFamily();
    await untilHelped(family);
    const block = allocateBlock(8 * 64);
    int32View().fill(0, block / 4, block / 4 + 2 * 64);
    const scratch = allocateBlock(64);
    const calls = Array.from({ length: 64 }, (_, i) => [block + 8 * i, scratch, 1000]);
    let inner = 0;
    const outer = defineFamily<{ outer(at: number): void }>(
      "outer",
      () => {
        throw new Error("unused");
      },
      () => ({
        outer() {
          runParallel(family, "float32", "stamp", calls, { work: LARGE });
          inner++;
        },
      }),
    );
    runParallel(outer, "float64", "outer", [[0], [0]], { work: LARGE });
    expect([inner, int32View()[block / 4], int32View()[block / 4 + 126]]).toEqual([2, 2, 2]);
    freeBlock(block);
    freeBlock(scratch);
  });

  describe("that still work when a call returns", () => {
    const COUNT = 64;
    /** Calls that linger; tells how many of them were over when it returned, and in between as seen past all that waits. */
    function lingering(family: ReturnType<typeof stampsFamily>, wrong = -1) {
      const [block, scratch] = [allocateBlock(8 * COUNT), allocateBlock(3 * 64)];
      const raw = int32View();
      raw.fill(0, block / 4, block / 4 + 2 * COUNT);
      const over = () => raw.subarray(block / 4, block / 4 + 2 * COUNT).filter((times, i) => i % 2 === 0 && times > 0).length;
      const calls = Array.from({ length: COUNT }, (_, i) => [i === wrong ? 2 ** 32 - 64 : block + 8 * i, 0, 200_000]);
      const allocate = () => scratch;
      runParallel(family, "float32", "stamp", calls, { work: LARGE, scratch: { argument: 1, bytes: 64, allocate }, lingers: true });
      const early = over();
      return { early, over, end: () => [block, scratch].forEach(freeBlock) };
    }

    it.each<[how: string, wait: (family: ReturnType<typeof stampsFamily>) => void]>([
      ["threads.settle()", () => threads.settle()],
      ["whoever asks for linear memory", () => void linearMemory().buffer],
      ["whoever asks for a view", () => void float32View()],
      ["whoever asks for kernels", (family) => void family.on("float32")],
      ["whoever asks for float64 kernels", (family) => void family.on("float64")],
      ["the next job", (family) => lingering(family).end()],
      ["a profile", () => void profileKernels(() => 0)],
      ["a configuration", () => configure({ precision: "deterministic" })],
      ["the end of the threads", () => configure({ threads: 1 })],
    ])("are waited for by %s", async (_, wait) => {
      const family = stampsFamily();
      await untilHelped(family);
      const { early, over, end } = lingering(family);
      expect(early).toBeLessThan(COUNT);
      wait(family);
      expect(over()).toBe(COUNT);
      end();
      configure({ threads: 3, precision: before.precision });
    });

    it("are not waited for by who allocates and frees", async () => {
      const family = stampsFamily();
      await untilHelped(family);
      const { over, end } = lingering(family);
      freeBlock(allocateBlock(1 << 20));
      expect(over()).toBeLessThan(COUNT);
      threads.settle();
      end();
    });

    it("are done with by themselves when nobody asks", async () => {
      const family = stampsFamily();
      await untilHelped(family);
      const { over, end } = lingering(family);
      for (const until = performance.now() + 20_000; over() < COUNT && performance.now() < until;) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(over()).toBe(COUNT);
      end();
    });

    it("hand on an error to who waits, once, and go on working", async () => {
      const family = stampsFamily();
      await untilHelped(family);
      for (const wrong of [0, 31, 63]) {
        const { end } = lingering(family, wrong);
        expect(() => threads.settle()).toThrow(WebAssembly.RuntimeError);
        threads.settle();
        end();
      }
      const { times } = await untilHelped(family);
      expect(times).toEqual(times.map(() => 1));
    });

    it("get small work too, while they look out for some", async () => {
      const family = stampsFamily();
      await untilHelped(family);
      const calls = (lingers: boolean) => {
        const [block, scratch] = [allocateBlock(16), allocateBlock(3 * 64)];
        int32View().fill(0, block / 4, block / 4 + 4);
        const first = Atomics.load(currentPool()!.words, LAYOUT.job);
        runParallel(
          family,
          "float32",
          "stamp",
          [0, 8].map((at) => [block + at, scratch, 10]),
          { work: 3e5, lingers },
        );
        const jobs = Atomics.load(currentPool()!.words, LAYOUT.job) - first;
        expect([int32View()[block / 4], int32View()[block / 4 + 2]]).toEqual([1, 1]);
        [block, scratch].forEach(freeBlock);
        return jobs;
      };
      stamped(family, 64); // Nobody sleeps now, at least for a moment.
      expect(calls(false)).toBe(0);
      for (let tries = 0; ; tries++) {
        stamped(family, 64);
        if (calls(true) === 1) break;
        expect(tries, "no worker was ever awake").toBeLessThan(1000);
      }
    });
  });

  it("are profiled: the calls of all threads, and the time that passed", async () => {
    const family = stampsFamily();
    await untilHelped(family);
    const heard: number[] = [];
    const { milliseconds, kernels } = profileKernels(
      () => stamped(family, 64),
      (_family, _kernel, args) => heard.push(args[2]),
    );
    expect(kernels).toMatchObject([{ family: "stamps", kernel: "stamp", calls: 64 }]);
    expect(kernels[0].milliseconds).toBeGreaterThan(0);
    expect(kernels[0].milliseconds).toBeLessThanOrEqual(milliseconds);
    expect(heard).toEqual(new Array(64).fill(20_000));
  });

  it("are not waited for when killed: idle ones at once, in the middle of a task after a while", async () => {
    for (const worker of currentPool()!.workers.values()) void worker.terminate();
    const { times } = stamped(stampsFamily(), 8);
    expect(times).toEqual(new Array(8).fill(1));

    // A pool whose only worker takes one task, and never finishes it.
    const words = new Int32Array(new SharedArrayBuffer(64 * 1024));
    const taker: Pool = {
      words,
      numbers: new Float64Array(words.buffer),
      size: 1,
      workers: new Map([[0, { postMessage() {}, terminate() {} }]]),
      modules: [],
    };
    words[LAYOUT.workers + 1] = words[LAYOUT.workers + 2] = 1;
    const task: Task = [{ family: stampsFamily(), kernel: "stamp", arguments: [0, 0, 0] }];
    const job = Job.of(taker, [task, task, task], 0)!;
    const done: number[] = [];
    job.start(0, 0);
    const run = () =>
      job.finish((index) => {
        if (done.push(index) === 1) Atomics.sub(words, LAYOUT.remaining, 1);
      }, 1);
    expect(run).toThrow(/a worker thread took a task and fell silent.*Was it killed\?/);
    expect(done).toEqual([0, 2]);
    configure({ threads: 1 });
    configure({ threads: 3 });
  });
});

it("without shared memory, one thread does the work", async () => {
  if (features().sharedMemory) configure({ threads: 1 });
  expect(await threads.ready()).toBe(1);
  const { times, thread } = stamped(stampsFamily(), 16);
  expect([times, thread]).toEqual([new Array(16).fill(1), new Array(16).fill(0)]);
  expect(float32View().byteLength).toBe(linearMemory().buffer.byteLength);
});
