import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { spawnChild } from "./children.ts";
import { conditions } from "./conditions.ts";
import { onCores } from "./cores.ts";

/** A process on each of some cores, that says how fast the core is: for whoever is measured in processes of its own. */
export class CoreProbes {
  readonly #children: readonly ChildProcess[];
  readonly #lines: readonly AsyncIterator<string>[];

  /** @param cores one process each; none: one process, wherever it runs */
  constructor(cores: readonly number[]) {
    const program = fileURLToPath(new URL("./core-probe.ts", import.meta.url));
    this.#children = (cores.length === 0 ? [[]] : cores.map((core) => [core])).map((own) => {
      const [command, words] = onCores(own, process.execPath, [...conditions(), "--disable-warning=ExperimentalWarning", program]);
      return spawnChild(command, words, { stdio: ["pipe", "pipe", "inherit"] });
    });
    this.#lines = this.#children.map((child) => createInterface({ input: child.stdout! })[Symbol.asyncIterator]());
  }

  /** GFLOP/s of each core, some short samples, all cores at the same time. */
  async rates(): Promise<number[][]> {
    for (const child of this.#children) child.stdin!.write("\n");
    return await Promise.all(
      this.#lines.map(async (lines) => {
        const { value, done } = await lines.next();
        if (done === true) throw new Error("internal: a probe of a core has ended");
        return JSON.parse(value) as number[];
      }),
    );
  }

  end(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}
