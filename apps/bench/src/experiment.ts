/**
 * What an experiment is. One folder per experiment under `experiments/`, registered in `experiments/index.ts`.
 *
 * An experiment has two halves. The *declaration* (this interface) is light: it is imported to print help, so it may
 * import nothing heavy. The *runs module* (`Runs`, its default export) does the work and is loaded in worker threads
 * only. Everything between the two is plain data.
 */
import type { Tensor } from "@heed/tensor";
import type { Outcome } from "./report/outcome.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json | undefined };

export type Profile = "smoke" | "quick" | "full";
export const profiles: readonly Profile[] = ["smoke", "quick", "full"];

/** What the user chose; two runs with equal settings, data and version give equal results. `threads` is not among it. */
export interface Settings {
  readonly experiment: string;
  readonly profile: Profile;
  readonly seed: number;
  readonly precision: "fast" | "deterministic";
  /** The folder given by `--data`, absolute; absent: the experiment's own data. */
  readonly data?: string;
  /** Values of the experiment's own options, by camel-case name. */
  readonly options: JsonObject;
}

export interface ProfileSettings {
  /** One line for `--help`. */
  readonly summary: string;
  /** How many seeds: `--seed`, `--seed` + 1, … */
  readonly seeds: number;
  readonly [setting: string]: Json;
}

/** A command-line option of one experiment. */
export interface Option {
  /** As commander writes it: `"--models <names>"`, or `"--augment"` for a switch. */
  readonly flags: string;
  readonly description: string;
  readonly default?: Json;
  /** Turns text into a value; throws an `Error` whose message says what is wanted: "must be a whole number". */
  readonly parse?: (text: string) => Json;
}

/** One independent, deterministic piece of work: usually a training of one model from one seed. */
export interface RunPlan {
  /** Unique in the experiment, and a file name: lower case, digits, dashes. */
  readonly id: string;
  readonly model: string;
  readonly seed: number;
  /** All that the run depends on, beside the data. */
  readonly config: JsonObject;
  /** Relative duration, for the estimate of the time left; 1 if absent. */
  readonly cost?: number;
}

/** Runs that may go side by side. A later stage is planned from the results of earlier ones (a schedule search, say). */
export interface Stage {
  readonly name: string;
  /** For people: "search the learning rate". */
  readonly title: string;
  /** Runs of this stage measure time: one after the other, whatever `--threads` says. */
  readonly alone?: boolean;
  plan(context: PlanContext): readonly RunPlan[];
}

export interface PlanContext {
  readonly settings: Settings;
  readonly profile: ProfileSettings;
  readonly seeds: readonly number[];
  readonly data: DataDescription;
  /** Finished runs of earlier stages. */
  readonly results: readonly RunResult[];
}

export interface Experiment {
  readonly name: string;
  /** One line for `bench list`. */
  readonly summary: string;
  /** More for `--help`: what is compared, and how. */
  readonly description?: string;
  /** What `--data` takes; absent: the option is refused. */
  readonly data?: string;
  readonly profiles: Readonly<Record<Profile, ProfileSettings>>;
  readonly options?: readonly Option[];
  /** Runs measure time and must not disturb one another: one after the other, whatever `--threads` says. */
  readonly alone?: boolean;
  readonly stages: readonly Stage[];
  /** `new URL("./runs.ts", import.meta.url)`: a module whose default export is a `Runs`. */
  readonly runs: URL;
  /** Makes the report out of what there is: all results, or after an interruption some, themselves perhaps partial. */
  outcome(context: OutcomeContext): Outcome;
}

export interface OutcomeContext extends PlanContext {
  readonly partial: boolean;
}

/** What the data is, for the report; goes into the JSON as `data`. */
export interface DataDescription extends JsonObject {
  /** Names the default report folder: `vision-<name>-quick`. */
  readonly name: string;
  /** Changes when the data does; a checkpoint of other data is refused. */
  readonly fingerprint?: string;
  /** Names of the classes, where there are any. */
  readonly classes?: readonly string[];
}

/** The half that runs in worker threads. */
export interface Runs<Config extends JsonObject = JsonObject, Data = unknown> {
  /**
   * Reads the data, once. `data` goes to every run by structured clone: put bulk into a `SharedArrayBuffer`, which is
   * shared, not copied. Bad data ends here, with an error of one sentence.
   */
  prepare(settings: Settings, context: PrepareContext): Prepared<Data> | Promise<Prepared<Data>>;
  /** Makes a run at step 0. Sets the precision (`configure`) itself. */
  create(config: Config, data: Data, context: RunContext): Run | Promise<Run>;
  /** For `--profile-step`: where one training step spends its time. */
  profileStep?(config: Config, data: Data, context: RunContext): StepProfile | Promise<StepProfile>;
}

export interface Prepared<Data> {
  readonly description: DataDescription;
  readonly data: Data;
}

export interface PrepareContext {
  /** Says what is going on: "read 1,200 of 3,114 pictures". */
  progress(text: string): void;
  /** Throws when the user has asked to stop; call it now and then. */
  checkStop(): void;
}

export interface RunContext {
  readonly settings: Settings;
  readonly seed: number;
  /** Throws when the user has asked to stop. For long evaluations: one cut off so is done again on `--resume`. */
  checkStop(): void;
}

/** A training in progress. Deterministic: its state after k steps depends on config, data and k alone. */
export interface Run {
  readonly totalSteps: number;
  /** Evaluate after every so many steps, and after the last. */
  readonly evaluateEvery: number;
  /** Turns steps into epochs in plots. */
  readonly stepsPerEpoch?: number;
  /** Known before the first step; goes to results: `{ parameters, flops, … }`. */
  readonly facts: JsonObject;
  /** Set by a step after which there is nothing to gain: the run ends there. Part of the state. */
  readonly stopped?: boolean;
  /** One step. `examples` is what it consumed, for images per second. */
  step(): StepMetrics | Promise<StepMetrics>;
  /** Measures without changing the state. */
  evaluate(): Metrics | Promise<Metrics>;
  /** Once, after the last evaluation: what the report shows beside numbers (a confusion matrix, attention maps …). */
  finish?(): JsonObject | Promise<JsonObject>;
  /** Everything needed to go on: parameters, optimiser, counters. */
  saveState(): Uint8Array;
  loadState(state: Uint8Array): void;
  /** Of a run that is done: its model, as others may load it. */
  trained?(): Trained;
  /** Gives its memory back. Where a worker thread ends with the run, nobody needs to call it. */
  release?(): void;
}

export interface Trained {
  /** Class, shape, vocabularies: with the parameters, all that is needed to have the model again. */
  readonly description: JsonObject;
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** As `evaluate`, with other parameters of the same names and shapes. */
  measure(parameters: Readonly<Record<string, Tensor>>): Metrics | Promise<Metrics>;
}

export interface StepMetrics {
  /** Absent where a step is no training. */
  readonly loss?: number;
  readonly examples: number;
}

/** Named numbers: `{ loss, accuracy, perClassAccuracy }`. The first of `accuracy`, else the first, is shown live. */
export type Metrics = Readonly<Record<string, number>>;

export interface Evaluation {
  readonly step: number;
  readonly epoch?: number;
  /** Seconds of training (evaluation not counted) until here. */
  readonly trainSeconds: number;
  readonly metrics: Metrics;
}

export interface RunResult extends RunPlan {
  readonly stage: string;
  /** `partial`: interrupted; `waiting`: never started. */
  readonly state: "done" | "partial" | "waiting";
  readonly step: number;
  readonly totalSteps: number;
  readonly stepsPerEpoch?: number;
  readonly facts: JsonObject;
  readonly evaluations: readonly Evaluation[];
  /** Training loss of each step. */
  readonly losses: readonly number[];
  /** Duration of each step. */
  readonly stepMilliseconds: readonly number[];
  readonly examples: number;
  readonly trainSeconds: number;
  readonly evaluateSeconds: number;
  /** What `finish` returned. */
  readonly details?: JsonObject;
  /** SHA-256 of the final `saveState()`. */
  readonly stateSha256?: string;
}

export interface StepProfile {
  readonly title: string;
  readonly milliseconds: number;
  /** One sentence below the table. */
  readonly conclusion?: string;
  readonly rows: readonly { readonly work: string; readonly milliseconds: number; readonly calls: number; readonly flops?: number }[];
}
