/**
 * A contestant's process: sets one library up, then does what each line of JSON on standard input says, and answers with a line on
 * descriptor 3. Ends when its input does.
 */
import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { attentionInputs, plantSeed } from "../inputs.ts";
import type { AttentionShape, Work } from "../work.ts";
import type { Adapter, AdapterOptions, Prepared, Route, Setup } from "./adapter.ts";
import type { Answer, Question } from "./protocol.ts";
import { spotsOf } from "./spots.ts";

const answers = 3;
let chosen: Prepared | undefined;

async function answer(adapter: Adapter, question: Question): Promise<Answer> {
  switch (question.ask) {
    case "prepare":
      await chosen?.release?.();
      chosen = undefined;
      return await prepare(adapter, question.work, question.calls);
    case "sample": {
      if (chosen === undefined) throw new Error("internal: a sample before prepare");
      let start = performance.now();
      for (let i = -question.before; i < question.calls; i++) {
        if (i === 0) start = performance.now();
        const result = chosen.run();
        // A turn of the event loop per call would be charged to libraries that need none.
        if (result instanceof Promise) await result;
      }
      return { milliseconds: (performance.now() - start) / question.calls };
    }
    case "memory":
      return await memory(adapter, question.work, question.route);
  }
}

/** Routes are compared over so long. */
const trialMilliseconds = 40;

/** Tries every route, keeps the fastest, and gives some of its result to compare. */
async function prepare(adapter: Adapter, work: Work, calls: number): Promise<Answer> {
  const routes = adapter.routes(work);
  if ("absent" in routes) return routes;
  const tried: Record<string, number | string> = {};
  let best: { route: Route; milliseconds: number; spots: readonly number[]; prepared: Prepared } | undefined;
  for (const route of routes) {
    try {
      const prepared = await route.create();
      const spots: number[] = [];
      let milliseconds = Infinity;
      const begin = performance.now();
      // Libraries compile and pack in the first call, so there are two more; but not of a route that is far behind by then.
      for (let call = 0; call < Math.max(calls, 3) || performance.now() - begin < trialMilliseconds; call++) {
        if (call >= calls && best !== undefined && milliseconds > 4 * best.milliseconds) break;
        const start = performance.now();
        const result = await prepared.run();
        milliseconds = Math.min(milliseconds, performance.now() - start);
        if (call < calls) spots.push(...spotsOf(prepared.canonical?.(result) ?? result));
      }
      tried[route.name] = milliseconds;
      if (best === undefined || milliseconds < best.milliseconds) {
        await best?.prepared.release?.();
        best = { route, milliseconds, spots, prepared };
      } else await prepared.release?.();
    } catch (error) {
      tried[route.name] = (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 160);
    }
  }
  if (best === undefined) return { absent: `no route works: ${JSON.stringify(tried)}` };
  chosen = best.prepared;
  return { route: best.route.name, milliseconds: best.milliseconds, spots: best.spots, tried };
}

/** The highest resident memory of one call, above that with the inputs in JavaScript and nothing done. */
async function memory(adapter: Adapter, work: AttentionShape & Work, name: string | undefined): Promise<Answer> {
  let call: () => Promise<unknown>;
  if (adapter.hold) {
    const { run } = adapter.hold(work as AttentionShape);
    call = async () => run();
  } else {
    const held = attentionInputs(work as AttentionShape);
    const routes = adapter.routes(work);
    if ("absent" in routes) return routes;
    const route = routes.find((one) => one.name === name) ?? routes[0]!;
    call = async () => [await (await route.create()).run(), held];
  }
  collectGarbage();
  resetPeak();
  const before = resident("VmRSS");
  const result = await call();
  const peak = resident("VmHWM");
  if (result === undefined) throw new Error("internal: a call without a result");
  return { mebibytes: (peak - before) / 2 ** 20 };
}

function collectGarbage(): void {
  for (let i = 0; i < 3; i++) (globalThis as { gc?: () => void }).gc?.();
}

/** Makes the highest resident memory so far the present one. Linux only, like what follows. */
function resetPeak(): void {
  writeFileSync("/proc/self/clear_refs", "5");
}

function resident(field: "VmRSS" | "VmHWM"): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  if (kilobytes === undefined) throw new Error(`/proc/self/status does not tell ${field}`);
  return 1024 * Number(kilobytes);
}

function say(message: Answer | { readonly ready: Adapter["about"] } | { readonly error: string }): void {
  writeSync(answers, `${JSON.stringify(message)}\n`);
}

async function main([program, json]: readonly string[]): Promise<void> {
  // Ctrl-C reaches the whole group of processes, but it is bench that says when to stop.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
  const { setup } = (await import(`./${program}.ts`)) as { setup: Setup };
  const options = JSON.parse(json!) as AdapterOptions;
  plantSeed(options.seed);
  const adapter = await setup(options);
  say({ ready: adapter.about });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await answer(adapter, JSON.parse(line) as Question));
    } catch (error) {
      say({ error: error instanceof Error ? error.message : String(error) });
    }
  }
}

main(process.argv.slice(2)).then(
  () => process.exit(0), // Libraries leave workers behind that would keep it alive.
  (error: unknown) => {
    say({ error: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  },
);
