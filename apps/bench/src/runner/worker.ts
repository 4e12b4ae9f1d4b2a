/** A worker thread does one task, says what came out, and ends. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { configure } from "@heed/kernels";
import { errorData } from "../errors.ts";
import type { Runs } from "../experiment.ts";
import { tellOfChildren } from "../machine/children.ts";
import { readCheckpoint, writeCheckpoint } from "../results/checkpoint.ts";
import type { Message, Task } from "./messages.ts";
import { StopFlag, Stopped } from "./stop-flag.ts";
import { train } from "./train.ts";

const post = (message: Message): void => parentPort!.postMessage(message);

async function work(task: Task): Promise<void> {
  // Runs side by side use the machine's threads already; an experiment that measures threads asks for them itself.
  configure({ threads: 1 });
  tellOfChildren((pid, isAlive) => post({ kind: "child", pid, isAlive }));
  const stop = new StopFlag(task.stop);
  const checkStop = (): void => stop.check();
  const { default: runs } = (await import(task.module)) as { default: Runs };
  if (task.kind === "prepare") {
    const prepared = await runs.prepare(task.settings, { checkStop, progress: (text) => post({ kind: "text", text }) });
    return post({ kind: "prepared", prepared });
  }
  const { plan, settings } = task;
  const context = { settings, seed: plan.seed, checkStop };
  if (task.kind === "profile") {
    return post({ kind: "profile", profile: await runs.profileStep?.(plan.config, task.data, context) });
  }
  const { checkpointFile, checkpointSeconds, stage } = task;
  mkdirSync(dirname(checkpointFile), { recursive: true });
  const from = task.resume ? readCheckpoint(checkpointFile, plan) : undefined;
  if (from?.result.state === "done") return post({ kind: "result", result: from.result });
  checkStop();
  const run = await runs.create(plan.config, task.data, context);
  const result = await train(run, {
    plan,
    stage,
    stop,
    from,
    checkpointSeconds,
    save: (checkpoint) => writeCheckpoint(checkpointFile, checkpoint),
    onProgress: (progress) => post({ kind: "progress", ...progress }),
  });
  post({ kind: "result", result });
}

// No top-level await: it would break bundlers of workers (see CONTRIBUTING).
work(workerData as Task).catch((error: unknown) => {
  post(error instanceof Stopped ? { kind: "stopped" } : { kind: "error", error: errorData(error) });
});
