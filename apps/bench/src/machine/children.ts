import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";

const alive = new Set<ChildProcess>();

/** As `spawn`, for a process that ends with this one, however this one ends but by SIGKILL: also while it is stopped, when it could not hear that nobody is there. */
export function spawnChild(command: string, words: readonly string[], options: SpawnOptions): ChildProcess {
  if (alive.size === 0) process.on("exit", endAll);
  const child = spawn(command, words, options);
  alive.add(child);
  child.once("close", () => {
    alive.delete(child);
    if (alive.size === 0) process.off("exit", endAll);
  });
  return child;
}

function endAll(): void {
  for (const child of alive) child.kill("SIGKILL");
}
