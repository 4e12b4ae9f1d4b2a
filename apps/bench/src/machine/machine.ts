import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as os from "node:os";
import type { JsonObject } from "../experiment.ts";

export interface Machine extends JsonObject {
  readonly cpu: string;
  /** Those this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly arch: string;
}

export function machine(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    os: `${os.type()} ${/^[\d.]*/.exec(os.release())![0]}`,
    arch: os.arch(),
  };
}

/** Node, V8, the commit where there is one, and every package this app depends on. */
export function versions(): JsonObject {
  const here = new URL("../../package.json", import.meta.url);
  const { dependencies = {} } = JSON.parse(readFileSync(here, "utf8")) as { dependencies?: Record<string, string> };
  const require = createRequire(here);
  const packages = Object.keys(dependencies).filter((name) => name.startsWith("@heed/"));
  const commit = gitCommit();
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    ...(commit !== undefined && { commit }),
    ...Object.fromEntries(
      packages.flatMap((name) => {
        try {
          return [[name, (require(`${name}/package.json`) as { version: string }).version]];
        } catch {
          return [];
        }
      }),
    ),
  };
}

/** `1a2b3c4d5e6f`, with `+changes` where tracked files differ from it. */
function gitCommit(): string | undefined {
  const git = (...args: string[]) =>
    execFileSync("git", args, {
      cwd: new URL(".", import.meta.url),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 5000,
    }).trim();
  try {
    const commit = git("rev-parse", "--short=12", "HEAD");
    return git("status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}+changes`;
  } catch {
    return undefined;
  }
}
