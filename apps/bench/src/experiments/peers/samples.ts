import type { JsonObject } from "../../experiment.ts";
import type { Quietness } from "../../machine/quiet-machine.ts";

/** What measuring one task hands to the report. */
export interface TaskSamples {
  readonly quietness?: Quietness;
  readonly contestants: readonly ContestantSamples[];
}

export interface ContestantSamples extends JsonObject {
  readonly name: string;
  /** One per round, in the task's unit; null where it sat a round out, being slow. */
  readonly values: readonly (number | null)[];
  /** The way in which it did the work, and what the others took. */
  readonly route?: string;
  readonly tried?: Readonly<Record<string, number | string>>;
  /** From our result, over its size. */
  readonly difference?: number;
  /** Why there are no values. */
  readonly absent?: string;
}
