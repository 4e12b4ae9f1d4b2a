import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The oldest Node that is supported, and later ones, besides the one that this repository is developed on. npx fetches them. */
export const otherNodes: readonly string[] = ["20.20.2", "22.23.3", "26.10.0"];

/** Runs a file on some version of Node, with nothing of this process's own options, and returns what it printed. Throws when it fails. */
export async function runOn(version: string, file: string, cwd: string): Promise<string> {
  // NODE_OPTIONS would hand on this process's conditions, and with them the sources.
  const options = { cwd, env: { ...process.env, NODE_OPTIONS: "" }, maxBuffer: 1 << 26 };
  const [program, ...args] =
    `v${version}` === process.version ? [process.execPath, file] : ["npx", "-y", `--package=node@${version}`, "--", "node", file];
  const { stdout } = await run(program!, args, options);
  return stdout;
}
