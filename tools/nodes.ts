import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The oldest Node that is supported, and later ones, besides the one that this repository is developed on. npx fetches them. */
export const otherNodes: readonly string[] = ["20.20.2", "22.23.3", "26.10.0"];

/** Runs a program of an npm package, such as `node`, in some version, with nothing of this process's own options; returns what it printed. Throws when it fails. */
export async function runOn(program: string, version: string, args: readonly string[], cwd: string): Promise<string> {
  // NODE_OPTIONS would hand on this process's conditions, and with them the sources.
  const options = { cwd, env: { ...process.env, NODE_OPTIONS: "" }, maxBuffer: 1 << 26 };
  const isThis = program === "node" && `v${version}` === process.version;
  const { stdout } = await run(
    isThis ? process.execPath : "npx",
    [...(isThis ? [] : ["-y", `--package=${program}@${version}`, "--", program]), ...args],
    options,
  );
  return stdout;
}
