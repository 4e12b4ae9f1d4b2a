import { styleText } from "node:util";
import { createLogUpdate } from "log-update";
import type { RunPlan, RunResult } from "../experiment.ts";
import { duration, number, percent, whole } from "../format.ts";
import type { Progress } from "../runner/messages.ts";

/** What the user sees while work goes on. */
export interface ProgressDisplay {
  /** What is being done before the first run: "read 1,200 of 3,114 pictures". */
  text(text: string): void;
  stage(title: string, plans: readonly RunPlan[]): void;
  start(plan: RunPlan): void;
  progress(plan: RunPlan, progress: Progress): void;
  end(plan: RunPlan, result: RunResult): void;
  /** A line that stays. */
  note(text: string): void;
  close(): void;
}

/** Bars in a terminal; now and then a plain line elsewhere, and where `CI` or `NO_COLOR` is set. */
export function createProgress(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): ProgressDisplay {
  const plain = !stream.isTTY || isSet(env.CI) || isSet(env.NO_COLOR) || env.TERM === "dumb";
  return plain ? new PlainProgress(stream) : new BarProgress(stream);
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== "" && value !== "0" && value !== "false";

const plainSeconds = 10;

class PlainProgress implements ProgressDisplay {
  readonly #stream: NodeJS.WritableStream;
  readonly #told = new Map<string, number>();
  #width = 0;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  text(text: string): void {
    const now = performance.now();
    if (now - (this.#told.get("text") ?? -Infinity) < 2000) return;
    this.#told.set("text", now);
    this.note(text);
  }

  stage(title: string, plans: readonly RunPlan[]): void {
    this.#width = widest(plans);
    this.note(`${title}: ${plans.length} ${plans.length === 1 ? "run" : "runs"}`);
  }

  start(plan: RunPlan): void {
    this.#told.set(plan.id, performance.now());
    this.note(`${label(plan).padEnd(this.#width)}  starts`);
  }

  progress(plan: RunPlan, progress: Progress): void {
    const now = performance.now();
    if (now - this.#told.get(plan.id)! < plainSeconds * 1000 || progress.step === progress.totalSteps) return;
    this.#told.set(plan.id, now);
    this.note(
      `${label(plan).padEnd(this.#width)}  ${percent(progress.step / progress.totalSteps, 0).padStart(5)}  ${figures(progress)}  ${duration(progress.secondsLeft)} left`,
    );
  }

  end(plan: RunPlan, result: RunResult): void {
    this.note(`${label(plan).padEnd(this.#width)}  ${ending(result)}`);
  }

  note(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  close(): void {}
}

class BarProgress implements ProgressDisplay {
  readonly #stream: NodeJS.WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #running = new Map<string, { plan: RunPlan; progress?: Progress }>();
  readonly #timer: NodeJS.Timeout;
  readonly #started = performance.now();
  #title = "";
  #plans: readonly RunPlan[] = [];
  #done = 0;
  #doneCost = 0;
  #stageStarted = 0;
  #resumed = 0;
  #width = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#update = createLogUpdate(stream);
    this.#timer = setInterval(() => this.#draw(), 200);
    this.#timer.unref();
  }

  text(text: string): void {
    this.#title = text;
    this.#draw();
  }

  stage(title: string, plans: readonly RunPlan[]): void {
    this.#title = title;
    this.#plans = plans;
    this.#done = this.#doneCost = this.#resumed = 0;
    this.#width = widest(plans);
    this.#stageStarted = performance.now();
    this.#draw();
  }

  start(plan: RunPlan): void {
    this.#running.set(plan.id, { plan });
    this.#draw();
  }

  progress(plan: RunPlan, progress: Progress): void {
    const entry = this.#running.get(plan.id);
    if (!entry) return;
    if (!entry.progress) this.#resumed += (plan.cost ?? 1) * ((progress.step - 1) / progress.totalSteps);
    entry.progress = progress;
  }

  end(plan: RunPlan, result: RunResult): void {
    this.#running.delete(plan.id);
    this.#done++;
    this.#doneCost += plan.cost ?? 1;
    const mark = result.state === "done" ? this.#style("green", "✓") : this.#style("yellow", "■");
    this.note(`${mark} ${label(plan).padEnd(this.#width)}  ${ending(result)}`);
  }

  note(text: string): void {
    this.#update.clear();
    this.#stream.write(`${text}\n`);
    this.#draw();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#update.clear();
    this.#update.done();
  }

  #draw(): void {
    this.#update([this.#head(), ...[...this.#running.values()].map((entry) => this.#line(entry))].join("\n"));
  }

  #head(): string {
    const elapsed = duration((performance.now() - this.#started) / 1000);
    if (this.#plans.length === 0) return this.#style("dim", `  ${this.#title} …  ${elapsed}`);
    const total = this.#plans.reduce((sum, plan) => sum + (plan.cost ?? 1), 0);
    let reached = this.#doneCost;
    for (const { plan, progress } of this.#running.values())
      if (progress) reached += (plan.cost ?? 1) * (progress.step / progress.totalSteps);
    // What an earlier session did took no time in this one.
    const reachedHere = reached - this.#resumed;
    const left = reachedHere > 0.01 * total ? ((performance.now() - this.#stageStarted) / 1000 / reachedHere) * (total - reached) : NaN;
    const estimate = Number.isFinite(left) ? ` · about ${duration(left)} left` : "";
    return `${this.#style("bold", this.#title)} ${this.#style("dim", `· ${this.#done} of ${this.#plans.length} done · ${elapsed}${estimate} · Ctrl-C stops and keeps all`)}`;
  }

  #line({ plan, progress }: { plan: RunPlan; progress?: Progress }): string {
    const name = label(plan).padEnd(this.#width);
    if (!progress) return `  ${name}  ${this.#style("dim", "starts …")}`;
    const columns = this.#stream.columns ?? 80;
    const cells = columns >= 120 ? 24 : columns >= 100 ? 14 : 8;
    const filled = Math.round((progress.step / progress.totalSteps) * cells);
    const bar = this.#style("cyan", "━".repeat(filled)) + this.#style("dim", "━".repeat(cells - filled));
    return `  ${name}  ${bar} ${percent(progress.step / progress.totalSteps, 0).padStart(5)}  ${figures(progress, columns >= 110)}  ${duration(progress.secondsLeft)} left`;
  }

  #style(style: Parameters<typeof styleText>[0], text: string): string {
    return styleText(style, text, { stream: this.#stream });
  }
}

function label({ model, seed, id }: RunPlan): string {
  return id === `${model}-seed-${seed}` ? `${model} · seed ${seed}` : id;
}

function widest(plans: readonly RunPlan[]): number {
  return Math.max(0, ...plans.map((plan) => label(plan).length));
}

function figures({ step, stepsPerEpoch, loss, examplesPerSecond, metrics }: Progress, withEpoch = true): string {
  const parts = loss === undefined ? [] : [`loss ${number(loss)}`];
  const shown = metrics && liveMetric(metrics);
  if (shown) parts.push(shown);
  parts.push(`${whole(examplesPerSecond)} /s`);
  if (withEpoch && stepsPerEpoch !== undefined) parts.push(`epoch ${(step / stepsPerEpoch).toFixed(1)}`);
  return parts.join("  ");
}

function ending(result: RunResult): string {
  if (result.state !== "done") return `stopped at step ${whole(result.step)} of ${whole(result.totalSteps)}`;
  const metrics = result.evaluations.at(-1)?.metrics;
  const shown = metrics && liveMetric(metrics);
  return [...(shown ? [shown] : []), duration(result.trainSeconds + result.evaluateSeconds)].join("  ");
}

function liveMetric(metrics: Readonly<Record<string, number>>): string | undefined {
  const name = "accuracy" in metrics ? "accuracy" : Object.keys(metrics)[0];
  if (name === undefined) return undefined;
  return `${name} ${/accuracy|recall|rate/i.test(name) ? percent(metrics[name]!) : number(metrics[name]!)}`;
}
