import type { JsonObject, OutcomeContext, RunResult } from "../../experiment.ts";
import { number } from "../../format.ts";
import type { Outcome, Section, Table } from "../../report/outcome.ts";
import { againInWords, quietest } from "./again.ts";
import { type Judged, judge } from "./gates.ts";
import { type Attendance, rivals } from "./roster.ts";
import { quietnessOf } from "../../machine/quiet-machine.ts";
import { type Row, rowsOf } from "./rows.ts";
import type { ContestantSamples, TaskSamples } from "./samples.ts";
import { flops, type Task, tasks } from "./work.ts";

interface Measured {
  readonly task: Task;
  readonly threads: number;
  readonly samples: TaskSamples;
}

/** The tables: every work, wins and losses alike; then what was asked for. */
export function outcome({ results, data, partial }: OutcomeContext): Outcome {
  const measured = quietest(results).flatMap(measuredOf);
  const rows = measured.flatMap(({ task, threads, samples }) => rowsOf(task, threads, samples));
  const judged = judge(rows);
  const counts = [...new Set(rows.map(({ threads }) => threads))];
  const [first, ...others] = counts.map((threads) => ({ threads, table: ratioTable(rows.filter((row) => row.threads === threads)) }));
  return {
    headline: headline(rows, judged, partial),
    models: [],
    table: first?.table ?? { columns: [{ label: "work" }], rows: [] },
    sections: [
      ...others.map(({ threads, table }): Section => ({
        kind: "table",
        title: `${threads} threads`,
        caption: "The same for everybody; tfjs-wasm cannot use more than one in Node.",
        table,
      })),
      {
        kind: "table",
        title: "Gates",
        caption: "What was asked for, what came out, by the work that comes off worst.",
        table: gateTable(judged),
      },
      { kind: "table", title: "Rivals", caption: "Who took part.", table: rivalTable(data.rivals as unknown as Attendance) },
      {
        kind: "table",
        title: "Routes",
        caption: "In which of its ways each library did the work; it tried them all.",
        table: routeTable(measured),
      },
      {
        kind: "text",
        title: "How it was measured",
        caption: `Every library runs in a process of its own, which stays alive while a work is measured. It works for a second or more before anything counts, since engines compile hot code anew while it runs; then it is kept on as many cores as it may use threads, where the system can do that, and the libraries take turns, sample by sample, all others stopped meanwhile, and who begins a round moves on. A sample is as many calls as fill ${sampleLength(results)}, or one, after a third as many that are not counted (at least one, but for calls of 250 ms and more), since whoever was stopped finds cold caches.${roundsInWords(quietest(results))} One call goes from operands in place (in whatever memory the library keeps them) to the result as a typed array: one that is there already, where the library can write into it (heed with copyTo, native ONNX Runtime), else a new one. All compute every token of every layer forward. Backward, heed leaves out products with rows that a slice made zero: in the ViT's training step 11 % of all, behind the last attention, where only the class token is read; jax-js and tfjs multiply the zeros. Figures are medians. A ratio is the median over the rounds of their time over ours in the same round: it can differ from the quotient of the medians where others used the machine. Results were compared with ours before any time counted. Memory: a fresh process each, the highest resident memory of the first call above the state with the operands in JavaScript. Start: from asking for the process to the first number of the result; the program makes its operands. Size: minified, gzip, script and WebAssembly together, 1 KB = 1000 bytes. ${quietnessOf(
          measured.map(({ samples }) => samples.quietness),
          "began and ended",
        )}${againInWords(results)}`,
      },
    ],
    extra: { rows, gates: judged, works: measured.map(workOf) },
  };
}

const taskOf = (config: RunResult["config"]): Task | undefined => tasks.find(({ id }) => id === config.task);

function measuredOf({ details, config }: RunResult): Measured[] {
  const task = taskOf(config);
  if (details === undefined || task === undefined) return [];
  return [{ task, threads: config.threads as number, samples: details as unknown as TaskSamples }];
}

const sampleLength = (results: readonly RunResult[]): string =>
  [...new Set(results.map(({ config }) => `${String(config.sampleMilliseconds)} ms`))].join(", ");

function roundsInWords(results: readonly RunResult[]): string {
  const timed = results.filter(({ details, config }) => details !== undefined && taskOf(config)?.measure === "time");
  const [least, most] = [Math.min(...timed.map(({ step }) => step)), Math.max(...timed.map(({ step }) => step))];
  if (timed.length === 0) return "";
  return least === most ? ` ${least} rounds.` : ` ${least} to ${most} rounds, more where calls are short.`;
}

function headline(rows: readonly Row[], judged: readonly Judged[], partial: boolean): string {
  const compared = rows.filter(({ mode, threads, ratio }) => mode === "fast" && threads === 1 && ratio !== null);
  const ahead = compared.filter(({ ratio }) => ratio! > 1).length;
  const decided = judged.filter(({ met }) => met !== null);
  const parts = [
    ...(partial ? ["Interrupted: figures of what was finished."] : []),
    compared.length === 0
      ? "No rival was measured."
      : `On one thread ahead of the best WebAssembly rival in ${ahead} of ${compared.length} works.`,
    ...(decided.length === 0 ? [] : [`${decided.filter(({ met }) => met).length} of ${decided.length} gates met.`]),
  ];
  return parts.join(" ");
}

/** One line per work: ours in both modes, every rival with how many times ours it takes. */
function ratioTable(rows: readonly Row[]): Table {
  const names = rivals.map(({ name }) => name).filter((name) => rows.some((row) => name in row.rivals));
  const right = (label: string) => ({ label, align: "right" as const });
  const fast = rows.filter(({ mode }) => mode === "fast");
  return {
    columns: [
      { label: "work" },
      right("heed"),
      right("wide"),
      ...names.map(right),
      { label: "best WebAssembly rival" },
      right("ahead"),
      right("ahead, wide"),
    ],
    rows: fast.map((row) => {
      const wide = rows.find((other) => other.mode === "wide" && other.work === row.work);
      return [
        row.title,
        `${number(row.ours)} ${row.unit}`,
        wide ? number(wide.ours) : "–",
        ...names.map((name) => (name in row.rivals ? `${number(row.rivals[name]!)} (${times(row.ratios[name]!)})` : "–")),
        row.rival ?? "–",
        row.ratio === null ? "–" : times(row.ratio),
        wide?.ratio ? times(wide.ratio) : "–",
      ];
    }),
    note: `Medians; in brackets how many times our fast mode it takes, above 1 being slower than we are. ${rows[0]?.threads ?? 1} ${rows[0]?.threads === 1 || rows.length === 0 ? "thread" : "threads"}, float32. A dash: the library cannot do it, or was not there; the reason is under Routes.`,
  };
}

const times = (ratio: number): string => `${number(ratio)} ×`;

function gateTable(judged: readonly Judged[]): Table {
  return {
    columns: [
      { label: "asked for" },
      { label: "threads" },
      { label: "mode" },
      { label: "measured", align: "right" },
      { label: "worst work" },
      { label: "met" },
    ],
    rows: judged.map(({ asked, threads, mode, measured, work, met }) => [
      asked,
      String(threads),
      mode,
      measured === null ? "–" : number(measured),
      work ?? "–",
      met === null ? "not measured" : met ? "yes" : "NO",
    ]),
  };
}

function rivalTable(attendance: Attendance): Table {
  return {
    columns: [{ label: "rival" }, { label: "version" }],
    rows: rivals.map(({ name }) => {
      const one = attendance[name]!;
      return [name, "version" in one ? one.version : `– (${one.absent})`];
    }),
  };
}

function routeTable(measured: readonly Measured[]): Table {
  const rows = measured.flatMap(({ task, threads, samples }) =>
    samples.contestants.flatMap((one): string[][] => {
      const said = one.absent ?? routeInWords(one);
      return said === "" || said === "heed" ? [] : [[task.id, String(threads), one.name, said]];
    }),
  );
  return { columns: [{ label: "work" }, { label: "threads" }, { label: "library" }, { label: "route" }], rows };
}

function routeInWords({ route = "", tried = {} }: ContestantSamples): string {
  const others = Object.entries(tried).filter(([name]) => name !== route);
  if (others.length === 0) return route;
  return `${route} (${others.map(([name, took]) => `${name}: ${typeof took === "number" ? `${number(took)} ms` : took}`).join("; ")})`;
}

/** All that was measured, for the JSON. */
function workOf({ task: { id, work, measure }, threads, samples }: Measured): JsonObject {
  const count = flops(work);
  return {
    work: id,
    threads,
    measure,
    ...(samples.quietness !== undefined && { quietness: { ...samples.quietness } }),
    shape: { ...work },
    ...(measure === "time" && count !== undefined && { flops: count }),
    contestants: samples.contestants,
  };
}
