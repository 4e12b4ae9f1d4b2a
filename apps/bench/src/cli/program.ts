import { availableParallelism } from "node:os";
import { Command, CommanderError, InvalidArgumentError, Option as CommanderOption } from "commander";
import { UsageError } from "../errors.ts";
import { type Experiment, type Json, type Option, type Profile, profiles } from "../experiment.ts";
import type { Tool } from "../tool.ts";

/** A parsed command line. */
export interface Invocation {
  readonly experiment: Experiment;
  readonly profile: Profile;
  readonly seed: number;
  readonly threads: number;
  readonly precision: "fast" | "deterministic";
  readonly data?: string;
  readonly json?: string;
  readonly results?: string;
  readonly out?: string;
  readonly resume: boolean;
  readonly profileStep: boolean;
  readonly open: boolean;
  readonly debug: boolean;
  readonly checkpointSeconds: number;
  /** The experiment's own options. */
  readonly options: Readonly<Record<string, Json>>;
}

/** A command that is no experiment, and the values of its options. */
export interface ToolCall {
  readonly tool: Tool;
  readonly options: Readonly<Record<string, Json>>;
}

const defaultExperiment = "vision";
/** Not more by itself: each run takes some hundred megabytes. */
const mostThreads = 4;

/**
 * Reads the command line.
 * @returns what to do; or the text to print, for help and lists
 * @throws {UsageError} with one sentence that names the nearest valid word
 */
export function parse(
  argv: readonly string[],
  experiments: readonly Experiment[],
  width?: number,
  tools: readonly Tool[] = [],
): Invocation | ToolCall | { readonly print: string } {
  let printed = "";
  let invocation: Invocation | ToolCall | undefined;
  const shared = {
    writeOut: (text: string) => void (printed += text),
    writeErr: (text: string) => void (printed += text),
    outputError: () => {},
    ...(width !== undefined && { getOutHelpWidth: () => width }),
  };
  const program = new Command("bench")
    .description("Trains models side by side and reports which learns what, how fast.\nAlone it is `bench vision --profile quick`.")
    .usage("<experiment> [options]")
    .helpCommand(false)
    .configureOutput(shared)
    .exitOverride()
    .addHelpText(
      "after",
      `
\`bench <experiment> --help\` tells an experiment's options and profiles.
Ctrl-C stops, keeps a checkpoint and writes a partial report; --resume goes on bit for bit. A second Ctrl-C ends at once.
Exit codes: 0 done, 1 failed, 2 wrong command line, 130 interrupted.`,
    );

  program
    .command("list")
    .description("names the experiments")
    .exitOverride()
    .configureOutput(shared)
    .action(() => {
      const all = [...experiments, ...tools];
      const widest = Math.max(...all.map(({ name }) => name.length));
      printed += all.map(({ name, summary }) => `${name.padEnd(widest)}  ${summary}\n`).join("");
    });
  for (const experiment of experiments) {
    addExperiment(program, experiment, shared, (found) => void (invocation = found));
  }
  for (const tool of tools) addTool(program, tool, shared, (found) => void (invocation = found));

  const word = argv[0];
  const general = word !== undefined && ["-h", "--help", "help"].includes(word);
  // Options without an experiment belong to the default one.
  const full = general ? ["--help", ...argv.slice(1)] : word === undefined || word.startsWith("-") ? [defaultExperiment, ...argv] : argv;
  try {
    program.parse(full, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw new UsageError(asSentence(error.message, error.code, full[0]!));
  }
  return invocation ?? { print: printed };
}

function addExperiment(program: Command, experiment: Experiment, output: object, found: (invocation: Invocation) => void): void {
  const command = program
    .command(experiment.name)
    .summary(experiment.summary)
    .description(`${experiment.summary}${experiment.description === undefined ? "" : `\n\n${experiment.description}`}`)
    .exitOverride()
    .configureOutput(output)
    .addOption(new CommanderOption("--profile <name>", "how much work").choices(profiles).default("quick"))
    .option("--seed <n>", "the first seed; a profile with several goes on counting", wholeNumber(0, 2 ** 32 - 1), 1)
    .option(
      "--threads <n>",
      experiment.alone
        ? "ignored: this experiment measures time, so its runs go one after the other"
        : "up to so many runs side by side, each in its own thread; results do not depend on it, times per step do",
      wholeNumber(1, 256),
      Math.min(mostThreads, availableParallelism()),
    )
    .addOption(
      new CommanderOption("--precision <name>", "deterministic gives the same bits on every machine")
        .choices(["fast", "deterministic"])
        .default("fast"),
    )
    .option("--out <folder>", "where report and checkpoints go (default: bench-results/<experiment>-<data>-<profile>)")
    .option("--json <file>", "writes the report's JSON there too")
    .option("--results <path>", "writes <path>.json and <path>.md too: the report without pictures, small enough to commit")
    .option("--resume", "goes on from the checkpoints in --out, bit for bit")
    .option("--profile-step", "instead of training, shows where one training step spends its time")
    .option("--open", "opens the report in the browser")
    .option("--debug", "shows where an error came from")
    .addOption(new CommanderOption("--checkpoint-seconds <s>", "time between checkpoints").argParser(nonNegative).default(30).hideHelp());
  if (experiment.data !== undefined) command.option("--data <folder>", experiment.data);
  const own = addOptions(command, experiment.options ?? []);
  const profileLines = profiles.map((name) => `  ${name.padEnd(6)} ${experiment.profiles[name].summary}`);
  command.addHelpText("after", `\nProfiles:\n${profileLines.join("\n")}`);
  command.action((values: Record<string, never>) => {
    const { profile, seed, threads, precision, data, json, results, out, checkpointSeconds } = values;
    found({
      experiment,
      profile,
      seed,
      threads: experiment.alone ? 1 : threads,
      precision,
      checkpointSeconds,
      ...(data !== undefined && { data }),
      ...(json !== undefined && { json }),
      ...(results !== undefined && { results }),
      ...(out !== undefined && { out }),
      resume: values.resume === true,
      profileStep: values.profileStep === true,
      open: values.open === true,
      debug: values.debug === true,
      options: valuesOf(own, values),
    });
  });
}

function addTool(program: Command, tool: Tool, output: object, found: (call: ToolCall) => void): void {
  const command = program
    .command(tool.name)
    .summary(tool.summary)
    .description(`${tool.summary}${tool.description === undefined ? "" : `\n\n${tool.description}`}`)
    .exitOverride()
    .configureOutput(output)
    .option("--debug", "shows where an error came from");
  const own = addOptions(command, tool.options ?? []);
  command.action((values: Record<string, never>) => found({ tool, options: valuesOf(own, values) }));
}

/** @returns the names under which their values come */
function addOptions(command: Command, options: readonly Option[]): string[] {
  return options.map((declared) => {
    const option = new CommanderOption(declared.flags, declared.description);
    if (declared.default !== undefined) option.default(declared.default);
    if (declared.parse) option.argParser((text) => tryParse(declared.parse!, text));
    command.addOption(option);
    return option.attributeName();
  });
}

function valuesOf(own: readonly string[], values: Readonly<Record<string, Json>>): Readonly<Record<string, Json>> {
  return Object.fromEntries(own.filter((name) => values[name] !== undefined).map((name) => [name, values[name]!]));
}

function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < low || value > high)
      throw new InvalidArgumentError(`It must be a whole number from ${low} to ${high}`);
    return value;
  };
}

function nonNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0)) throw new InvalidArgumentError("It must be a number, 0 or more");
  return value;
}

function tryParse(parseValue: (text: string) => Json, text: string): Json {
  try {
    return parseValue(text);
  } catch (error) {
    throw new InvalidArgumentError(`It ${(error as Error).message}`);
  }
}

/** Commander's message, made one sentence: `unknown option '--sede' (did you mean --seed?).` */
function asSentence(message: string, code: string, first: string): string {
  const text = message
    .replace(/^error: /, "")
    .replaceAll(/\s*\n\s*/g, " ")
    .trim()
    .replace(/\(Did you mean/i, "(did you mean");
  const hint = /did you mean/.test(text)
    ? ""
    : code === "commander.unknownCommand"
      ? "; `bench list` names the experiments"
      : code === "commander.unknownOption"
        ? `; \`bench ${first} --help\` lists the options`
        : "";
  return `${text}${hint}`.replace(/\.?$/, ".");
}
