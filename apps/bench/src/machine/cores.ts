import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The cores that this process may use, as Linux numbers them; none where that cannot be known. */
export function allowedCores(status: () => string = () => readFileSync("/proc/self/status", "utf8")): number[] {
  let list: string | undefined;
  try {
    list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status())?.[1];
  } catch {
    return [];
  }
  return (list?.split(",") ?? []).flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Whether processes can be kept on chosen cores here: Linux has a program for it. */
export const canPin = (): boolean => (pinning ??= allowedCores().length > 0 && spawnSync("taskset", ["--version"]).status === 0);
let pinning: boolean | undefined;

/** A command that runs on these cores only; where that is impossible, the same command. */
export function onCores(cores: readonly number[], command: string, words: readonly string[]): [command: string, words: string[]] {
  return cores.length > 0 && canPin() ? ["taskset", ["-c", cores.join(","), command, ...words]] : [command, [...words]];
}

/** From now on a process and all its threads stay on these cores; where that is impossible, nothing happens. */
export function keepOnCores(cores: readonly number[], pid: number): void {
  if (cores.length > 0 && canPin()) spawnSync("taskset", ["-a", "-c", "-p", cores.join(","), String(pid)]);
}
