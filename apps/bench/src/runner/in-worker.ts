import { Worker } from "node:worker_threads";
import { type ErrorData, errorData } from "../errors.ts";
import { endKept, keep, release } from "../machine/children.ts";
import type { Message, Progress, Task } from "./messages.ts";
import { Stopped } from "./stop-flag.ts";

/** What went wrong in a worker, with the error as it was there. */
export class WorkerError extends Error {
  override name = "WorkerError";
  readonly original: ErrorData;
  constructor(original: ErrorData) {
    super(original.message);
    this.original = original;
  }
}

type Answer = Exclude<Message, { kind: "text" } | { kind: "child" } | { kind: "progress" } | { kind: "error" } | { kind: "stopped" }>;

/**
 * Does a task in a worker thread of its own, which ends with it, and with it the processes that it has started: nothing of one run can leak
 * into the next.
 * @throws {Stopped} when the task gave way before it had anything to say
 * @throws {WorkerError}
 */
export function inWorker<Kind extends Answer["kind"]>(
  task: Task,
  expected: Kind,
  listen: { text?(text: string): void; progress?(progress: Progress): void } = {},
): Promise<Extract<Answer, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: task });
    const children = new Set<number>();
    let answered = false;
    const settle = (done: () => void): void => {
      answered = true;
      done();
      void worker.terminate();
    };
    worker.on("message", (message: Message) => {
      if (message.kind === "child") {
        const { pid, isAlive } = message;
        if (isAlive) {
          keep(pid);
          children.add(pid);
        } else {
          release(pid);
          children.delete(pid);
        }
      } else if (message.kind === "text") listen.text?.(message.text);
      else if (message.kind === "progress") listen.progress?.(message);
      else if (message.kind === "stopped") settle(() => reject(new Stopped("stopped")));
      else if (message.kind === "error") settle(() => reject(new WorkerError(message.error)));
      else if (message.kind === expected) settle(() => resolve(message as Extract<Answer, { kind: Kind }>));
    });
    worker.on("error", (error) => settle(() => reject(new WorkerError(errorData(error)))));
    worker.on("exit", (code) => {
      for (const pid of children) endKept(pid);
      if (!answered) reject(new WorkerError({ name: "Error", message: `a worker thread ended early with code ${code}` }));
    });
  });
}
