import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parse } from "./cli/program.ts";
import { runExperiment } from "./cli/run-experiment.ts";
import { UserError, errorData, sentence } from "./errors.ts";
import type { Experiment } from "./experiment.ts";
import { experiments as registered } from "./experiments/index.ts";
import { WorkerError } from "./runner/in-worker.ts";
import { tools } from "./tools.ts";

/**
 * The program `bench`.
 * @returns the exit code: 0 done, 1 failed, 2 wrong command line, 130 interrupted
 */
export async function main(argv: readonly string[], experiments: readonly Experiment[] = registered): Promise<number> {
  try {
    const parsed = parse(argv, experiments, process.stdout.columns, tools);
    if ("print" in parsed) {
      process.stdout.write(parsed.print);
      return 0;
    }
    if ("tool" in parsed) return await parsed.tool.run(parsed.options);
    return await runExperiment(parsed, argv);
  } catch (thrown) {
    const data = thrown instanceof WorkerError ? thrown.original : errorData(thrown);
    process.stderr.write(`bench: ${sentence(data)}\n`);
    if (argv.includes("--debug") && data.stack !== undefined) process.stderr.write(`${data.stack}\n`);
    return thrown instanceof UserError ? thrown.exitCode : (data.exitCode ?? 1);
  }
}

/** The program: runs `main` on this process' arguments. */
export function start(experiments: readonly Experiment[] = registered): void {
  // A reader that has seen enough (`bench | head`) must not end a training.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  void main(process.argv.slice(2), experiments).then((code) => void (process.exitCode = code));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) start();
