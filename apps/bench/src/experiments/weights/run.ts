import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse, type Invocation } from "../../cli/program.ts";
import { onInterrupt } from "../../cli/signals.ts";
import { UserError } from "../../errors.ts";
import { profiles, type Json, type Profile, type RunPlan, type RunResult, type Runs, type Settings } from "../../experiment.ts";
import { number, whole } from "../../format.ts";
import { createProgress, type ProgressDisplay } from "../../progress/progress.ts";
import { readCheckpoint } from "../../results/checkpoint.ts";
import { defaultFolder, ResultsFolder } from "../../results/results-folder.ts";
import { writeAtomically } from "../../results/write-atomically.ts";
import { runStage } from "../../runner/run-stage.ts";
import { StopFlag } from "../../runner/stop-flag.ts";
import { card } from "./card.ts";
import { halved, widened } from "./half.ts";
import { keptModels, type KeptModel } from "./kept-models.ts";

/** Of one file of weights. */
export const mostBytes = 1.5e6;

interface Choice {
  readonly data?: string;
  readonly out: string;
  readonly seed: number;
  readonly profile?: Profile;
}

export async function run(options: Readonly<Record<string, Json>>): Promise<number> {
  const models = chosen(options.only as string | undefined);
  const profile = options.profile as Profile | undefined;
  if (profile !== undefined && !profiles.includes(profile))
    throw new UserError(`--profile: "${profile}" must be one of ${profiles.join(", ")}.`);
  const choice: Choice = {
    out: resolve(options.out as string),
    seed: options.seed as number,
    ...(options.data !== undefined && { data: options.data as string }),
    ...(profile && { profile }),
  };
  mkdirSync(choice.out, { recursive: true });
  const stop = new StopFlag();
  const display = createProgress(process.stderr);
  const release = onInterrupt(stop, display);
  try {
    for (const model of models) {
      const line = await make(model, choice, stop, display);
      display.close();
      if (line === undefined) return 130;
      process.stdout.write(`${line}\n`);
    }
    return 0;
  } finally {
    display.close();
    release();
  }
}

function chosen(only: string | undefined): readonly KeptModel[] {
  if (only === undefined) return keptModels;
  return only.split(",").map((name) => {
    const model = keptModels.find((one) => one.name === name);
    if (model === undefined)
      throw new UserError(`--only: there is no model "${name}"; there are ${keptModels.map((one) => one.name).join(", ")}.`);
    return model;
  });
}

/** @returns what was written, in a line; undefined when the user stopped it */
async function make(model: KeptModel, choice: Choice, stop: StopFlag, display: ProgressDisplay): Promise<string | undefined> {
  const { experiment } = model;
  const profile = choice.profile ?? model.profile;
  // As `bench <experiment>` would have them, so that its finished runs serve.
  const { options, precision } = parse([experiment.name], [experiment]) as Invocation;
  const settings: Settings = {
    experiment: experiment.name,
    profile,
    seed: choice.seed,
    precision,
    options,
    ...(choice.data !== undefined && model.folder !== undefined && { data: resolve(choice.data, model.folder) }),
  };
  const { default: runs } = (await import(experiment.runs.href)) as { default: Runs };
  const checkStop = () => stop.check();
  display.text(`${model.name}: reads the data`);
  const { description, data } = await runs.prepare(settings, { progress: (text) => display.text(text), checkStop });

  const { plan, stage } = planned(model, settings, description);
  const folder = new ResultsFolder(defaultFolder(settings, description));
  folder.open();
  let result: RunResult;
  try {
    const resume = folder.resume(settings, description);
    display.stage(model.name, [plan]);
    [result] = (await runStage({
      stage,
      plans: [plan],
      module: experiment.runs.href,
      settings,
      data,
      stop,
      resume,
      sideBySide: 1,
      checkpointSeconds: 30,
      checkpointFile: (one) => folder.checkpointFile(one),
      onStart: (one) => display.start(one),
      onProgress: (one, progress) => display.progress(one, progress),
      onEnd: (one, ended) => display.end(one, ended),
    })) as [RunResult];
  } finally {
    folder.close();
  }
  if (result.state !== "done") return undefined;

  const finished = await runs.create(plan.config, data, { settings, seed: plan.seed, checkStop });
  finished.loadState(readCheckpoint(folder.checkpointFile(plan), plan)!.state);
  const trained = finished.trained?.();
  if (trained === undefined) throw new Error(`internal: ${plan.id} of ${experiment.name} does not say what it trained.`);
  const bytes = halved(trained.parameters);
  if (bytes.length > mostBytes)
    throw new UserError(`${model.name} has ${whole(bytes.length)} bytes; at most ${whole(mostBytes)} are kept.`);
  const rounded = await trained.measure(widened(bytes));
  finished.release?.();

  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const command = `bench weights --only ${model.name}${profile === model.profile ? "" : ` --profile ${profile}`}`;
  writeAtomically(join(choice.out, `${model.name}.safetensors`), bytes);
  writeAtomically(join(choice.out, `${model.name}.json`), `${JSON.stringify({ model: plan.model, ...trained.description })}\n`);
  writeAtomically(join(choice.out, `${model.name}.md`), card({ model, result, bytes: bytes.length, sha256, rounded, command }));
  const [metric, value] = Object.entries(rounded)[0]!;
  return `${model.name}: ${whole(bytes.length)} bytes, ${metric} ${number(value)}`;
}

/** The run that the model comes from. Stages that would have searched before it are left out: it has what is known to serve. */
export function planned(model: KeptModel, settings: Settings, data: Parameters<typeof defaultFolder>[1]): { plan: RunPlan; stage: string } {
  const context = { settings, profile: model.experiment.profiles[settings.profile], seeds: [settings.seed], data, results: [] };
  for (const stage of model.experiment.stages) {
    const plan = stage.plan(context).find((one) => model.isIt(one));
    if (plan !== undefined) return { plan, stage: stage.name };
  }
  throw new Error(`internal: ${model.experiment.name} plans no run for ${model.name}.`);
}
