import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quantile } from "../../format.ts";
import { CoreProbes } from "../../machine/core-probes.ts";
import { allowedCores } from "../../machine/cores.ts";
import { type BestOfCores, QuietMachine } from "../../machine/quiet-machine.ts";
import { difference } from "./contestants/spots.ts";
import type { PreparedAnswer, Question } from "./contestants/protocol.ts";
import { hasProgram, nothing, pageBytes, startUp } from "./first-attention.ts";
import { onnxRoutes } from "./contestants/onnx-models.ts";
import { ContestantProcess } from "./process.ts";
import { type Contestant, contestant } from "./roster.ts";
import type { ContestantSamples, TaskSamples } from "./samples.ts";
import { tolerance } from "./tolerance.ts";
import type { AttentionShape, Task, Work } from "./work.ts";

export interface MeasurementOptions {
  readonly task: Task;
  readonly threads: number;
  /** Names, ours first. */
  readonly names: readonly string[];
  readonly seed: number;
  readonly python: string;
  /** A sample is as many calls as fill this. */
  readonly sampleMilliseconds: number;
  /** For how long everybody works before the first sample; up to three times as long, where calls take long. */
  readonly warmMilliseconds: number;
  /** Whoever has taken so long, and three samples, sits out. */
  readonly patienceMilliseconds: number;
  /** For how long samples wait for a quiet machine, all together. */
  readonly waitSeconds: number;
  readonly bestOfCores: BestOfCores;
}

interface Record_ {
  readonly contestant: Contestant;
  values: (number | null)[];
  spent: number;
  prepared?: PreparedAnswer;
  difference?: number;
  absent?: string;
  route?: string;
  tried?: Readonly<Record<string, number | string>>;
}

/** One task at one number of threads: `round` takes one sample of every contestant in turn. */
export abstract class Measurement {
  protected readonly options: MeasurementOptions;
  protected readonly records: Record_[];
  /** As many as threads. */
  protected readonly cores: readonly number[];
  readonly #probes: CoreProbes;
  readonly #machine: QuietMachine;
  #rounds = 0;

  constructor(options: MeasurementOptions) {
    this.options = options;
    this.cores = allowedCores().slice(0, options.threads);
    this.#probes = new CoreProbes(this.cores);
    this.#machine = new QuietMachine(options.waitSeconds, () => this.#probes.rates(), undefined, options.bestOfCores);
    this.records = options.names.map((name) => ({ contestant: contestant(name), values: [], spent: 0 }));
  }

  /** Sets everybody up; who fails is absent, with the reason. */
  abstract start(checkStop: () => void): Promise<void>;
  protected abstract sample(record: Record_): Promise<number>;
  /** What a round of everybody takes, as far as warming up tells. */
  get roundMilliseconds(): number {
    return Infinity;
  }
  /** Whether who else uses the machine matters. */
  protected readonly isTimed: boolean = true;
  /** Ends what it began. */
  end(): void {
    this.#probes.end();
  }

  /** Everybody once; who begins moves on by one each time, so that nobody always follows the same neighbour. */
  async round(): Promise<void> {
    const { length } = this.records;
    const first = this.#rounds % length;
    for (let turn = 0; turn < length; turn++) {
      const record = this.records[(first + turn) % length]!;
      if (record.absent !== undefined) continue;
      const taken = record.values.filter((value) => value !== null).length;
      if (record.contestant.kind !== "ours" && taken >= 3 && record.spent > this.options.patienceMilliseconds) {
        record.values.push(null);
        continue;
      }
      let start = performance.now();
      const take = (): Promise<number> => {
        start = performance.now(); // Waiting, and samples that are taken again, are not the library's fault.
        return this.sample(record);
      };
      try {
        record.values.push(await (this.isTimed ? this.#machine.sample(take) : take()));
      } catch (error) {
        record.absent = reason(error);
      }
      record.spent += performance.now() - start;
    }
    this.#rounds++;
  }

  /** The median of the first of ours, for the display. */
  get middle(): number {
    return quantile(
      this.records[0]!.values.filter((value) => value !== null),
      0.5,
    );
  }

  samples(): TaskSamples {
    return {
      quietness: this.#machine.counts,
      contestants: this.records.map(({ contestant: { name }, values, route, tried, difference: away, absent }): ContestantSamples => ({
        name,
        values: absent === undefined ? values : [],
        ...(route !== undefined && { route }),
        ...(tried !== undefined && { tried }),
        ...(away !== undefined && { difference: away }),
        ...(absent !== undefined && { absent }),
      })),
    };
  }

  /** Samples of an earlier session. Who was absent then may be back, and the other way round: then only the new count. */
  restore({ contestants }: TaskSamples): void {
    for (const before of contestants) {
      const record = this.records.find(({ contestant: { name } }) => name === before.name);
      if (record) record.values = [...before.values];
    }
    this.#rounds = Math.max(...contestants.map(({ values }) => values.length));
  }
}

/** As many rounds as fill the seconds, from `least` to `most`: a median of more is steadier where neighbours come and go. */
export function roundsWithin(seconds: number, roundMilliseconds: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.floor((1000 * seconds) / roundMilliseconds)));
}

/** Calls after which engines have compiled anew what is called often. */
const warmCalls = 60;

/** Calls of this length do not notice that caches were cold. */
const longMilliseconds = 250;

interface Warmed {
  readonly calls: number;
  /** Calls that come before the sample. */
  readonly before: number;
  /** The fastest call. */
  readonly milliseconds: number;
}

class TimeMeasurement extends Measurement {
  readonly #processes = new Map<Record_, { readonly process: ContestantProcess } & Warmed>();

  async start(checkStop: () => void): Promise<void> {
    const { task, threads, seed, python } = this.options;
    const learns = task.work.kind.endsWith("Training");
    let expected: readonly number[] | undefined;
    for (const record of this.records) {
      checkStop();
      const { contestant: one } = record;
      try {
        const process = await ContestantProcess.start(
          one,
          { threads: Math.min(threads, one.mostThreads ?? threads), wide: one.wide === true, seed },
          python,
        );
        this.#processes.set(record, { process, calls: 0, before: 0, milliseconds: 0 });
        const question: Question = { ask: "prepare", work: task.work, calls: learns ? 3 : 1 };
        const answer = await process.ask(question);
        if ("absent" in answer) throw new Error(answer.absent);
        if (!("spots" in answer)) throw new Error("internal: a wrong answer to prepare");
        Object.assign(record, { route: answer.route, tried: answer.tried });
        expected ??= answer.spots;
        record.difference = difference(expected, answer.spots);
        if (!(record.difference <= tolerance(task.work))) {
          throw new Error(
            `its result is another: off by ${record.difference.toPrecision(2)} of its size, ${tolerance(task.work).toPrecision(2)} allowed`,
          );
        }
        this.#processes.set(record, { process, ...(await this.#warm(process, answer.milliseconds)) });
        process.keepOn(this.cores);
        process.pause();
      } catch (error) {
        record.absent = reason(error);
        this.#processes.get(record)?.process.end();
      }
    }
  }

  /**
   * Engines compile hot code anew while it runs, beside it, and by how often it was called: on two threads our ViT-Tiny took 37 ms in its first ten calls,
   * 32 in the next forty, 29 from then on. Gives the calls that then fill a sample, and those that come before it: whoever was stopped finds cold caches, by
   * which a call of 20 ms took 2 more.
   */
  async #warm(process: ContestantProcess, expected: number): Promise<Warmed> {
    const { sampleMilliseconds, warmMilliseconds } = this.options;
    const callsOf = (milliseconds: number): number => Math.max(1, Math.round(sampleMilliseconds / milliseconds));
    let fastest = expected;
    const start = performance.now();
    const spent = (): number => performance.now() - start;
    for (let done = 0; spent() < warmMilliseconds || (done < warmCalls && spent() < 3 * warmMilliseconds);) {
      const calls = callsOf(fastest);
      const answer = await process.ask({ ask: "sample", calls, before: 0 });
      done += calls;
      if (!("milliseconds" in answer)) throw new Error("internal: a wrong answer to sample");
      fastest = Math.min(fastest, answer.milliseconds);
    }
    const calls = callsOf(fastest);
    return { calls, before: fastest < longMilliseconds ? Math.max(1, Math.floor(calls / 3)) : 0, milliseconds: fastest };
  }

  override get roundMilliseconds(): number {
    return [...this.#processes.values()].reduce((sum, { calls, before, milliseconds }) => sum + (calls + before) * milliseconds, 0);
  }

  protected async sample(record: Record_): Promise<number> {
    const { process, calls, before } = this.#processes.get(record)!;
    process.resume();
    const answer = await process.ask({ ask: "sample", calls, before });
    process.pause();
    if (!("milliseconds" in answer)) throw new Error("internal: a wrong answer to sample");
    return answer.milliseconds;
  }

  override end(): void {
    super.end();
    for (const { process } of this.#processes.values()) process.end();
  }
}

class MemoryMeasurement extends Measurement {
  protected override readonly isTimed = false;

  async start(): Promise<void> {
    for (const record of this.records)
      record.route = memoryRoutes[record.contestant.name]?.[(this.options.task.work as AttentionShape).mask] ?? "";
  }

  protected async sample({ contestant: one, route }: Record_): Promise<number> {
    const { task, threads, seed, python } = this.options;
    const process = await ContestantProcess.start(
      one,
      { threads: Math.min(threads, one.mostThreads ?? threads), wide: one.wide === true, seed },
      python,
    );
    try {
      const work = task.work as Work & AttentionShape;
      const answer = await process.ask({ ask: "memory", work, ...(route !== undefined && route !== "" && { route }) });
      if ("absent" in answer) throw new Error(answer.absent);
      if (!("mebibytes" in answer)) throw new Error("internal: a wrong answer to memory");
      return answer.mebibytes;
    } finally {
      process.end();
    }
  }
}

/** The leanest route of each rival at L = 4096, as `../shared/peers.md` found them; left out: its first. */
const memoryRoutes: Readonly<Record<string, Readonly<Record<AttentionShape["mask"], string>>>> = {
  "onnxruntime-node": { full: "MultiHeadAttention", causal: "Attention", window: "GroupQueryAttention" },
  "onnxruntime-web": { full: "decomposed", causal: "decomposed", window: "GroupQueryAttention" },
  "tfjs-wasm": { full: "per head", causal: "per head", window: "per head" },
  "jax-js": { full: "dotProductAttention", causal: "dotProductAttention", window: "dotProductAttention" },
};

class StartMeasurement extends Measurement {
  #folder: string | undefined;
  #model = "";

  async start(): Promise<void> {
    this.#folder = mkdtempSync(join(tmpdir(), "heed-bench-"));
    this.#model = join(this.#folder, "attention.onnx");
    const route = onnxRoutes(this.options.task.work)!.find(({ name }) => name === "Attention")!;
    writeFileSync(this.#model, route.make().bytes);
    this.records.push({ contestant: { name: nothing, kind: "ours", program: "" }, values: [], spent: 0 });
    for (const record of this.records) {
      const { name } = record.contestant;
      if (name !== nothing && !hasProgram(name)) record.absent = "no such program";
    }
  }

  protected sample({ contestant: { name } }: Record_): Promise<number> {
    return startUp(name, this.#model);
  }

  override end(): void {
    super.end();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

class SizeMeasurement extends Measurement {
  protected override readonly isTimed = false;

  async start(): Promise<void> {
    for (const record of this.records) if (!hasProgram(record.contestant.name)) record.absent = "no such program";
  }

  protected async sample(record: Record_): Promise<number> {
    const bytes = await pageBytes(record.contestant.name);
    if (bytes === undefined) throw new Error("it has no build for pages");
    record.route = `script ${kilobytes(bytes.script)}, WebAssembly ${bytes.fetched === 0 ? "in it" : kilobytes(bytes.fetched)}`;
    return bytes.script / 1000 + bytes.fetched / 1000;
  }
}

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} KB`;

export function measurementOf(options: MeasurementOptions): Measurement {
  const kinds = { time: TimeMeasurement, memory: MemoryMeasurement, startup: StartMeasurement, size: SizeMeasurement };
  return new kinds[options.task.measure](options);
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 300);
