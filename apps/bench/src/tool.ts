import type { Json, Option } from "./experiment.ts";

/** A command of `bench` that is no experiment: it trains nothing, so there is nothing to resume and no report of curves. */
export interface Tool {
  readonly name: string;
  /** One line for `bench list`. */
  readonly summary: string;
  readonly description?: string;
  readonly options?: readonly Option[];
  /** @returns the exit code; what it imports, it imports when run */
  run(options: Readonly<Record<string, Json>>): Promise<number>;
}
