import type { Experiment, PlanContext, ProfileSettings, RunPlan, Settings } from "../../experiment.ts";
import { waitOption } from "../../machine/quiet-machine.ts";
import { parseAgain, stagesAgain } from "./again.ts";
import { chosenNames, chosenTasks, chosenThreads, chosenWait, parseNames, parseThreads, parseWorks } from "./choice.ts";
import { outcome } from "./outcome.ts";
import { type Attendance, ours, rivals } from "./roster.ts";
import { groups, type Task, tasks } from "./work.ts";

/** The packages against what else computes on a CPU from JavaScript, and PyTorch. */
export const peers: Experiment = {
  name: "peers",
  summary: "how fast the packages are next to ONNX Runtime, TensorFlow.js, jax-js and PyTorch",
  description: [
    "The same work for everybody, in a process each, sample by sample in turn; results are compared before times count. Each library takes",
    "the fastest of its own ways. The rivals are installed into apps/bench/rivals when first asked for, about 750 MB, by npm.",
    "Run it on an otherwise idle machine.",
    "",
    `Works: ${groups.join(", ")}; or by name: ${tasks.map(({ id }) => id).join(", ")}.`,
    `Rivals: ${rivals.map(({ name }) => name).join(", ")}.`,
  ].join("\n"),
  profiles: {
    smoke: {
      summary: "a few works, no rivals: nothing is installed; some seconds",
      seeds: 1,
      rivals: [],
      works: ["matmul-64", "attention-197", "softmax-197x768", "lstm-training"],
      threads: [1, 2],
      rounds: 3,
      mostRounds: 3,
      roundSeconds: 0,
      memoryRounds: 1,
      sampleMilliseconds: 5,
      warmMilliseconds: 0,
      patienceSeconds: 1,
      waitSeconds: 0,
      again: 0,
    },
    quick: {
      summary: "all works, 11 rounds, up to 33 of short works; about 40 minutes on a quiet machine",
      seeds: 1,
      rivals: rivals.map(({ name }) => name),
      works: groups,
      threads: [1, 2],
      rounds: 11,
      mostRounds: 33,
      roundSeconds: 24,
      memoryRounds: 1,
      sampleMilliseconds: 50,
      warmMilliseconds: 1000,
      patienceSeconds: 4,
      waitSeconds: 10,
      again: 1,
    },
    full: {
      summary: "all works, 25 rounds; more than an hour on a quiet machine",
      seeds: 1,
      rivals: rivals.map(({ name }) => name),
      works: groups,
      threads: [1, 2],
      rounds: 25,
      mostRounds: 75,
      roundSeconds: 60,
      memoryRounds: 3,
      sampleMilliseconds: 50,
      warmMilliseconds: 3000,
      patienceSeconds: 8,
      waitSeconds: 30,
      again: 3,
    },
  },
  options: [
    { flags: "--only <works>", description: "these works or groups, separated by commas", parse: parseWorks },
    { flags: "--rivals <names>", description: 'these rivals, separated by commas; "none" for ours alone', parse: parseNames },
    {
      flags: "--thread-counts <numbers>",
      description: "threads that every library may use, separated by commas (default: 1,2)",
      parse: parseThreads,
    },
    waitOption("work"),
    {
      flags: "--again <times>",
      description: "so often works with samples of a disturbed machine are measured once more, when all are done (default: by profile)",
      parse: parseAgain,
    },
    { flags: "--python <program>", description: "a Python that may have torch", default: "python3" },
  ],
  alone: true,
  stages: [{ name: "measure", title: "measure", plan: (context) => plan(context) }, ...stagesAgain],
  runs: new URL("./runs.ts", import.meta.url),
  outcome,
};

function plan({ settings, profile, data }: PlanContext): RunPlan[] {
  const attendance = data.rivals as unknown as Attendance;
  const present = chosenNames(settings, profile).filter((name) => "version" in (attendance[name] ?? {}));
  return chosenThreads(settings, profile).flatMap((threads) =>
    chosenTasks(settings, profile)
      .filter(({ measure }) => threads === 1 || measure === "time" || measure === "memory")
      .map((task): RunPlan => ({
        id: `${task.id}-${threads}t`,
        model: task.id,
        seed: settings.seed,
        config: {
          task: task.id,
          threads,
          names: [...ours.filter(({ wide }) => wide !== true || task.measure === "time").map(({ name }) => name), ...present],
          ...roundsOf(task, profile, settings),
        },
        cost: task.id.includes("4096") ? 6 : 1,
      })),
  );
}

type Times = Record<
  "rounds" | "mostRounds" | "roundSeconds" | "memoryRounds" | "sampleMilliseconds" | "warmMilliseconds" | "patienceSeconds",
  number
>;

/** A size does not vary, and a start takes what it takes: the rivals' table has nine of them. */
function roundsOf({ measure }: Task, profile: ProfileSettings, settings: Settings) {
  const { rounds, mostRounds, roundSeconds, memoryRounds, sampleMilliseconds, warmMilliseconds, patienceSeconds } =
    profile as unknown as Times;
  const own = { time: rounds, memory: memoryRounds, startup: Math.max(rounds, 9), size: 1 }[measure];
  return {
    rounds: own,
    mostRounds: measure === "time" ? mostRounds : own,
    roundSeconds,
    sampleMilliseconds,
    warmMilliseconds,
    patienceSeconds: measure === "startup" ? 60 : patienceSeconds,
    waitSeconds: measure === "size" ? 0 : chosenWait(settings, profile),
  };
}
