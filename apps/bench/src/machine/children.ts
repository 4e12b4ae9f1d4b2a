import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";

const alive = new Set<number>();
let listener: ((pid: number, isAlive: boolean) => void) | undefined;

/** As `spawn`, for a process that ends with this one, however this one ends but by SIGKILL: also while it is stopped, when it could not hear that nobody is there. */
export function spawnChild(command: string, words: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, words, options);
  const { pid } = child;
  if (pid !== undefined) {
    keep(pid);
    child.once("exit", () => release(pid));
  }
  return child;
}

/** A worker thread that is terminated runs no handler for its end, so it tells of its children who will be there: they `keep` them. */
export function tellOfChildren(tell: (pid: number, isAlive: boolean) => void): void {
  listener = tell;
}

/** From now on a process ends with this one. */
export function keep(pid: number): void {
  if (alive.size === 0) process.on("exit", endAll);
  alive.add(pid);
  listener?.(pid, true);
}

/** It has ended by itself. */
export function release(pid: number): void {
  alive.delete(pid);
  if (alive.size === 0) process.off("exit", endAll);
  listener?.(pid, false);
}

/** Ends a process that is kept. */
export function endKept(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It went first.
  }
  release(pid);
}

function endAll(): void {
  for (const pid of alive) endKept(pid);
}
