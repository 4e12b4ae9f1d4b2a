import type { Experiment, OutcomeContext, PlanContext, RunPlan, RunResult } from "../../experiment.ts";
import { mean, number, percent, whole } from "../../format.ts";
import type { Outcome, Section, TableSection } from "../../report/outcome.ts";
import { someOf } from "../some-of.ts";

export const models = ["rnn", "lstm", "lstm-chrono", "attention"] as const;
export type ModelName = (typeof models)[number];
export const tasks = ["first-mark", "copy", "recall", "list-ops"] as const;
export type TaskName = (typeof tasks)[number];

/** What `finish` of a timing returns: the best of a training step, at each length. */
export type SpeedDetails = { readonly milliseconds: readonly number[]; readonly threads: number };

/** What the answer has to be found by: how far away the first vector is. */
export const distance: Experiment = {
  name: "distance",
  summary: "who still sees the first vector, and what that costs",
  description: `Made-up sequences whose first vectors are asked for at the end. First mark: one of eight marks, then noise. Copy: five symbols, then blanks. Recall: eight pairs of a
key and a value, then noise, then a key. List ops: nested lists of digits under MIN, MAX and MED; the whole list's worth. One layer of width 32 each reads from left to
right: an RNN (tanh) and an LSTM as PyTorch begins them, an LSTM whose gates begin by remembering for 1 … L steps (Tallec, Ollivier 2018), and causal
self-attention with learned positions (one head, a feed-forward network). Each trains anew at each length, for as many steps on the same sequences; of first mark and recall it is
also asked on the way, 1, 2, 4, 8 … steps later, which teaches the same at shorter distances. What counts is the last answer (copy: the last five), of 256 new
sequences. A second stage times training steps of four sequences, on one thread and on two, alone: run it on an otherwise idle machine.`,
  profiles: {
    smoke: { summary: "length 32, 10 steps: does it run?", seeds: 1, lengths: [32], steps: 10, samples: 1 },
    quick: { summary: "lengths 32 to 256, 150 steps; some minutes", seeds: 1, lengths: [32, 64, 128, 256], steps: 150, samples: 5 },
    full: {
      summary: "lengths 32 to 2,048, 600 steps; about half an hour",
      seeds: 1,
      lengths: [32, 64, 128, 256, 512, 1024, 2048],
      steps: 600,
      samples: 20,
    },
  },
  options: [
    {
      flags: "--tasks <names>",
      description: `some of ${tasks.join(", ")}, separated by commas; none of them: "none"`,
      parse: noneOrSomeOf(tasks),
    },
    { flags: "--models <names>", description: `some of ${models.join(", ")}, separated by commas`, parse: noneOrSomeOf(models) },
  ],
  stages: [
    { name: "learn", title: "learn", plan: learn },
    { name: "speed", title: "time steps", alone: true, plan: time },
  ],
  runs: new URL("./runs.ts", import.meta.url),
  outcome,
};

const width = 32;
const modelsOf = ({ settings }: PlanContext): readonly ModelName[] => (settings.options.models ?? models) as readonly ModelName[];
const tasksOf = ({ settings }: PlanContext): readonly TaskName[] => (settings.options.tasks ?? tasks) as readonly TaskName[];
const lengthsOf = ({ profile }: PlanContext): readonly number[] => profile.lengths as readonly number[];

function learn(context: PlanContext): readonly RunPlan[] {
  const { seeds, profile } = context;
  return seeds.flatMap((seed) =>
    tasksOf(context).flatMap((task) =>
      modelsOf(context).flatMap((model) =>
        lengthsOf(context).map((length) => ({
          id: `${task}-${model}-${length}-seed-${seed}`,
          model: `${model}, ${task}, ${length}`,
          seed,
          // A step of attention has the more to do the longer the sequences are; the others read as many vectors at any length.
          cost: model === "attention" ? 1 + length / 64 : 1 + length / 1000,
          config: { task, model, length, steps: profile.steps!, width },
        })),
      ),
    ),
  );
}

/** An LSTM takes the same time however its gates begin. */
function time(context: PlanContext): readonly RunPlan[] {
  const [seed] = context.seeds as [number];
  return modelsOf(context)
    .filter((model) => model !== "lstm-chrono")
    .flatMap((model) =>
      [1, 2].map((threads) => ({
        id: `speed-${model}-threads-${threads}`,
        model: `${model}, ${threads === 1 ? "one thread" : "two threads"}`,
        seed,
        config: { model, lengths: lengthsOf(context), threads, samples: context.profile.samples!, width },
      })),
    );
}

const titles: Readonly<Record<TaskName, string>> = { "first-mark": "First mark", copy: "Copy", recall: "Recall", "list-ops": "List ops" };

function outcome(context: OutcomeContext): Outcome {
  const { results } = context;
  const lengths = lengthsOf(context);
  const learned = results.filter(({ stage }) => stage === "learn");
  const accuracy = (task: TaskName, model: ModelName, length: number): number => {
    const found = learned.filter(({ config }) => config.task === task && config.model === model && config.length === length);
    return mean(found.flatMap(({ evaluations }) => evaluations.at(-1)?.metrics.accuracy ?? []));
  };
  const chance = (task: TaskName) => (task === "list-ops" ? [] : [{ label: "chance", value: 1 / 8 }]);
  const sees = (model: ModelName): number =>
    Math.max(0, ...lengths.filter((length) => lengths.every((other) => other > length || accuracy("first-mark", model, other) >= 0.9)));
  const farthest = modelsOf(context).map((model) => `${model} ${sees(model) === 0 ? "at none of them" : `up to ${whole(sees(model))}`}`);
  const table = {
    columns: [{ label: "task" }, { label: "model" }, ...lengths.map((length) => ({ label: whole(length), align: "right" as const }))],
    rows: tasksOf(context).flatMap((task) =>
      modelsOf(context).map((model) => [titles[task], model, ...lengths.map((length) => percent(accuracy(task, model, length)))]),
    ),
    note: "Share of right answers at the end of 256 new sequences of that length, on which the model was trained. Chance is 12.5 %, of list ops 10 %, of which the most frequent answer is more.",
  };
  const sections: Section[] = [
    {
      kind: "curves",
      title: "Who still sees the first vector",
      caption: "Share of right answers against the length of the sequences; each point is a training of its own.",
      plots: tasksOf(context).map((task) => ({
        title: titles[task],
        x: "length",
        logX: true,
        y: "right",
        percent: true,
        series: modelsOf(context).map((model) => ({
          name: model,
          runs: [lengths.map((length) => [length, accuracy(task, model, length)] as const).filter(([, share]) => Number.isFinite(share))], // prettier-ignore
        })),
        references: chance(task),
      })),
    },
    ...speeds(results, lengths),
  ];
  return {
    headline: tasksOf(context).includes("first-mark")
      ? `The first mark is still seen, nine times in ten and at all lengths tried until then: by ${farthest.join(", ")}.`
      : "How fast each reads.",
    models: modelsOf(context).map((name) => ({
      name,
      parameters: learned.find(({ config }) => config.model === name)?.facts.parameters ?? null,
      accuracy: Object.fromEntries(tasksOf(context).map((task) => [task, lengths.map((length) => orNull(accuracy(task, name, length)))])),
    })),
    table,
    sections,
  };
}

function speeds(results: readonly RunResult[], lengths: readonly number[]): Section[] {
  const timed = results.flatMap(({ stage, model, details }) =>
    stage === "speed" && details !== undefined ? [{ name: model, ...(details as unknown as SpeedDetails) }] : [],
  );
  if (timed.length === 0) return [];
  const table: TableSection = {
    kind: "table",
    title: "Training steps per second",
    caption:
      "Four sequences a step: read, compared with the answers, gradients, update; the best of several. A recurrence takes its steps one after the other; attention looks at all pairs, at once.",
    table: {
      columns: [{ label: "model" }, ...lengths.map((length) => ({ label: whole(length), align: "right" as const }))],
      rows: timed.map(({ name, milliseconds, threads }) => [
        name.includes("two") && threads < 2 ? `${name} (there was one)` : name,
        ...milliseconds.map((time) => number(1000 / time)),
      ]),
    },
  };
  const [first, last] = [lengths[0]!, lengths.at(-1)!];
  const curves: Section = {
    kind: "curves",
    title: "Time of a training step",
    caption: `Milliseconds against length. Twice the length is twice the time of a recurrence; of attention it is four times, once the pairs outweigh the vectors. From ${whole(first)} to ${whole(last)}.`,
    plots: [
      {
        title: "Milliseconds of a step",
        x: "length",
        logX: true,
        y: "ms",
        log: true,
        series: timed.map(({ name, milliseconds }) => ({ name, runs: [milliseconds.map((time, i) => [lengths[i]!, time] as const)] })), // prettier-ignore
      },
    ],
  };
  return [table, curves];
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** `none` asks for none of them. */
function noneOrSomeOf(names: readonly string[]): (text: string) => string[] {
  return (text) => (text === "none" ? [] : someOf(names)(text));
}
