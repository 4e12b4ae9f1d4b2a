/** What bench and a contestant's process tell one another: lines of JSON. */
import type { AttentionShape, Work } from "../work.ts";

export type Question =
  /** Finds the fastest route, and gives the result of the first `calls` calls: several, where each is a step of a training. */
  | { readonly ask: "prepare"; readonly work: Work; readonly calls: number }
  /** Times some calls; those `before` are not counted: what was stopped finds its caches cold, and its engine in arrears with collecting garbage. */
  | { readonly ask: "sample"; readonly calls: number; readonly before: number }
  | { readonly ask: "memory"; readonly work: Work & AttentionShape; readonly route?: string };

export interface PreparedAnswer {
  readonly route: string;
  /** Of one call, roughly. */
  readonly milliseconds: number;
  /** Some numbers of the result (`spotsOf`). */
  readonly spots: readonly number[];
  /** Every route, with its time or what went wrong. */
  readonly tried: Readonly<Record<string, number | string>>;
}

export type Answer =
  | PreparedAnswer
  /** There is no such operation, and why. */
  | { readonly absent: string }
  | { readonly milliseconds: number }
  | { readonly mebibytes: number };
