/** What the main thread and its workers tell one another. All of it is plain data. */
import type { ErrorData } from "../errors.ts";
import type { Metrics, Prepared, RunPlan, RunResult, Settings, StepProfile } from "../experiment.ts";

interface TaskBase {
  /** The experiment's runs module. */
  readonly module: string;
  readonly settings: Settings;
  readonly stop: SharedArrayBuffer;
}

export interface PrepareTask extends TaskBase {
  readonly kind: "prepare";
}

export interface RunTask extends TaskBase {
  readonly kind: "run";
  readonly plan: RunPlan;
  readonly stage: string;
  readonly data: unknown;
  readonly checkpointFile: string;
  readonly checkpointSeconds: number;
  readonly resume: boolean;
}

export interface ProfileTask extends TaskBase {
  readonly kind: "profile";
  readonly plan: RunPlan;
  readonly data: unknown;
}

export type Task = PrepareTask | RunTask | ProfileTask;

export type Message =
  | { readonly kind: "text"; readonly text: string }
  | ({ readonly kind: "progress" } & Progress)
  | { readonly kind: "prepared"; readonly prepared: Prepared<unknown> }
  | { readonly kind: "result"; readonly result: RunResult }
  | { readonly kind: "profile"; readonly profile: StepProfile | undefined }
  /** Of a process that the worker has started, or that has ended: whoever is left when the worker ends must go too. */
  | { readonly kind: "child"; readonly pid: number; readonly isAlive: boolean }
  | { readonly kind: "stopped" }
  | { readonly kind: "error"; readonly error: ErrorData };

export interface Progress {
  readonly step: number;
  readonly totalSteps: number;
  readonly stepsPerEpoch?: number;
  /** Mean over the latest steps. */
  readonly loss?: number;
  readonly examplesPerSecond: number;
  readonly secondsLeft: number;
  /** The latest evaluation. */
  readonly metrics?: Metrics;
}
