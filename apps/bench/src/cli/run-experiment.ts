import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { basename, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UserError, hasCode } from "../errors.ts";
import type { Experiment, PlanContext, Prepared, RunPlan, RunResult, Settings, StepProfile } from "../experiment.ts";
import { compact, number, percent, whole } from "../format.ts";
import { machine, versions } from "../machine/machine.ts";
import { createProgress, type ProgressDisplay } from "../progress/progress.ts";
import { htmlReport } from "../report/html-report.ts";
import { markdownReport } from "../report/markdown.ts";
import { jsonText, type Report } from "../report/report.ts";
import { textTable } from "../report/text-table.ts";
import { ResultsFolder, checkWritableFile, defaultFolder } from "../results/results-folder.ts";
import { writeAtomically } from "../results/write-atomically.ts";
import { inWorker } from "../runner/in-worker.ts";
import { runStage } from "../runner/run-stage.ts";
import { StopFlag, Stopped } from "../runner/stop-flag.ts";
import type { Invocation } from "./program.ts";
import { onInterrupt } from "./signals.ts";

/** From a parsed command line to the report. @returns the exit code */
export async function runExperiment(invocation: Invocation, argv: readonly string[]): Promise<number> {
  const { experiment, profile: profileName, seed, precision, options } = invocation;
  const profile = experiment.profiles[profileName];
  const settings: Settings = {
    experiment: experiment.name,
    profile: profileName,
    seed,
    precision,
    options,
    ...(invocation.data !== undefined && { data: existingFolder(invocation.data) }),
  };
  const seeds = Array.from({ length: profile.seeds }, (_, index) => seed + index);
  if (invocation.json !== undefined) checkWritableFile("--json", invocation.json);
  if (invocation.results !== undefined) checkWritableFile("--results", `${invocation.results}.json`);

  const stop = new StopFlag();
  const display = createProgress(process.stderr);
  const release = onInterrupt(stop, display);
  let folder: ResultsFolder | undefined;
  try {
    const started = performance.now();
    const module = experiment.runs.href;
    if (invocation.out !== undefined && !invocation.profileStep) {
      // Before the data, so that hours of nothing are not spent on a name that cannot be written to.
      folder = new ResultsFolder(invocation.out);
      folder.open();
    }
    display.text("reads the data");
    const prepared = await prepare(module, settings, stop, display);
    if (prepared === undefined) return 130;
    const { description, data } = prepared;
    const context = { settings, profile, seeds, data: description };

    if (invocation.profileStep) {
      return await profileSteps(lastPlans(experiment, context), {
        module,
        settings,
        data,
        stop,
        display,
        name: experiment.name,
      });
    }

    if (folder === undefined) {
      folder = new ResultsFolder(defaultFolder(settings, description));
      folder.open();
    }
    const resume = invocation.resume && folder.resume(settings, description);
    if (invocation.resume && !resume) display.note(`Nothing to resume in ${shown(folder.path)}: begins at the beginning.`);
    if (!invocation.resume && folder.startAfresh(settings, description) === "moved earlier results") {
      display.note(`Earlier results were moved to ${shown(folder.file("previous"))}.`);
    }

    const results: RunResult[] = [];
    for (const stage of experiment.stages) {
      // What an unfinished stage would have decided is not known, so later ones cannot be planned.
      if (results.some(({ state }) => state !== "done")) break;
      const plans = stage.plan({ ...context, results });
      if (plans.length === 0) continue; // Nothing to search for where the profile names no rates.
      display.stage(`${experiment.name} · ${stage.title}`, plans);
      results.push(
        ...(await runStage({
          stage: stage.name,
          plans,
          module,
          settings,
          data,
          stop,
          resume,
          sideBySide: experiment.alone || stage.alone ? 1 : invocation.threads,
          checkpointSeconds: invocation.checkpointSeconds,
          checkpointFile: (plan) => folder!.checkpointFile(plan),
          onStart: (plan) => display.start(plan),
          onProgress: (plan, progress) => display.progress(plan, progress),
          onEnd: (plan, result) => display.end(plan, result),
        })),
      );
    }
    display.close();

    const partial = results.some(({ state }) => state !== "done");
    const command = `${program()} ${repeatable(argv).map(quoted).join(" ")}`.trim();
    const report: Report = {
      title: `bench ${experiment.name} · ${description.name} · ${profileName}`,
      experiment,
      settings,
      partial,
      seeds,
      threads: experiment.alone ? 1 : invocation.threads,
      data: description,
      machine: machine(),
      versions: versions(),
      date: new Date().toISOString(),
      seconds:
        partial || resume
          ? results.reduce((sum, { trainSeconds, evaluateSeconds }) => sum + trainSeconds + evaluateSeconds, 0)
          : (performance.now() - started) / 1000,
      command,
      results,
      outcome: experiment.outcome({ ...context, results, partial }),
    };
    writeReport(report, folder, invocation);
    process.stdout.write(ending(report, folder, invocation, argv));
    if (invocation.open) openInBrowser(folder.file("report.html"));
    return partial ? 130 : 0;
  } finally {
    display.close();
    folder?.close();
    release();
  }
}

async function prepare(
  module: string,
  settings: Settings,
  stop: StopFlag,
  display: ProgressDisplay,
): Promise<Prepared<unknown> | undefined> {
  try {
    const { prepared } = await inWorker({ kind: "prepare", module, settings, stop: stop.shared }, "prepared", {
      text: (text) => display.text(text),
    });
    return prepared;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    display.note("Stopped before the first step; nothing was written.");
    return undefined;
  }
}

/** Of the last stage that has plans where nothing has run yet. */
function lastPlans({ stages }: Experiment, context: Omit<PlanContext, "results">): readonly RunPlan[] {
  for (const stage of [...stages].reverse()) {
    const plans = stage.plan({ ...context, results: [] });
    if (plans.length > 0) return plans;
  }
  return [];
}

interface ProfileOptions {
  readonly module: string;
  readonly settings: Settings;
  readonly data: unknown;
  readonly stop: StopFlag;
  readonly display: ProgressDisplay;
  readonly name: string;
}

/** `--profile-step`: the first run of each model, one step, by kind of work. */
async function profileSteps(plans: readonly RunPlan[], { module, settings, data, stop, display, name }: ProfileOptions): Promise<number> {
  for (const plan of plans.filter(({ model }, index) => plans.findIndex((other) => other.model === model) === index)) {
    display.text(`profiles a step of ${plan.model}`);
    let profile: StepProfile | undefined;
    try {
      ({ profile } = await inWorker({ kind: "profile", module, settings, stop: stop.shared, plan, data }, "profile"));
    } catch (error) {
      if (error instanceof Stopped) return 130;
      throw error;
    }
    if (profile === undefined) throw new UserError(`--profile-step: ${name} has no training step to look into.`);
    display.close();
    process.stdout.write(
      `\n${profile.title}: ${number(profile.milliseconds)} ms\n\n${stepTable(profile)}\n${profile.conclusion === undefined ? "" : `\n${profile.conclusion}\n`}`,
    );
  }
  return 0;
}

function stepTable({ milliseconds, rows }: StepProfile): string {
  return textTable({
    columns: [{ label: "work" }, ...["ms", "share", "calls", "FLOPs", "GFLOP/s"].map((label) => ({ label, align: "right" as const }))],
    rows: rows.map((row) => [
      row.work,
      number(row.milliseconds),
      percent(row.milliseconds / milliseconds),
      whole(row.calls),
      row.flops === undefined ? "" : compact(row.flops),
      row.flops === undefined ? "" : number(row.flops / row.milliseconds / 1e6),
    ]),
  });
}

function writeReport(report: Report, folder: ResultsFolder, { json, results }: Invocation): void {
  const text = jsonText(report);
  const markdown = markdownReport(report);
  writeAtomically(folder.file("report.html"), htmlReport(report));
  writeAtomically(folder.file("report.md"), markdown);
  writeAtomically(folder.file("report.json"), text);
  if (json !== undefined) writeAtomically(resolve(json), text);
  if (results === undefined || report.partial) return; // What is kept is whole.
  writeAtomically(resolve(`${results}.json`), text);
  writeAtomically(resolve(`${results}.md`), markdown);
}

function ending(
  { outcome, partial, title }: Report,
  folder: ResultsFolder,
  { json, results }: Invocation,
  argv: readonly string[],
): string {
  const lines = [
    "",
    `${title}${partial ? " · PARTIAL" : ""}`,
    "",
    textTable(outcome.table, process.stdout.columns),
    "",
    outcome.headline,
    "",
    `Report  ${pathToFileURL(folder.file("report.html")).href}`,
    `JSON    ${json ?? shown(folder.file("report.json"))}`,
    ...(results === undefined
      ? []
      : [
          partial
            ? `Results ${results}.json and .md are left as they were: the run is not whole.`
            : `Results ${results}.json, ${results}.md`,
        ]),
  ];
  if (partial) {
    const again = argv.includes("--resume") ? argv : [...argv, "--resume"];
    lines.push("", `Interrupted. Go on with:  ${program()} ${again.map(quoted).join(" ")}`);
  }
  return `${lines.join("\n")}\n`;
}

function existingFolder(path: string): string {
  const full = resolve(path);
  try {
    if (statSync(full).isDirectory()) return full;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) throw new UserError(`--data: ${path} does not exist.`, { cause: error });
    throw error;
  }
  throw new UserError(`--data: ${path} is not a folder.`);
}

function openInBrowser(path: string): void {
  const [program, ...before] =
    process.platform === "darwin" ? ["open"] : process.platform === "win32" ? ["cmd", "/c", "start", ""] : ["xdg-open"];
  spawn(program!, [...before, path], { detached: true, stdio: "ignore" })
    .on("error", () => process.stderr.write(`bench: no browser could be opened for ${basename(path)}.\n`))
    .unref();
}

/** The words that say what was computed, without those that say where to put it: a report is read on other machines. */
function repeatable(argv: readonly string[]): string[] {
  const places = ["--out", "--json"];
  return argv.filter((word, i) => {
    const placed = places.some((flag) => word.startsWith(`${flag}=`)) || places.includes(word) || places.includes(argv[i - 1] ?? "");
    return !placed && !["--resume", "--open"].includes(word);
  });
}

/** As the user called it. */
const program = (): string => (process.env.npm_lifecycle_event === "bench" ? "pnpm bench" : "bench");
const quoted = (word: string): string => (/^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
const shown = (path: string): string => {
  const short = relative(process.cwd(), path);
  return short === "" ? "." : short.startsWith("..") ? path : short;
};
