import type { Family, Views } from "@heed/kernels";
import type { FunctionHandle, ModuleBuilder } from "@heed/kernels/assembler";
import type { Tensor } from "@heed/tensor";
import type { ScoreMod, TermContext } from "@heed/tensor/terms";
import type { StreamingBackwardKernels } from "../streaming-backward/streaming-backward.ts";
import type { Job } from "./job.ts";
import type { StreamingKernels } from "./compiled.ts";
import type { OF_WORK } from "./work.ts";

type OfWork = FunctionHandle<typeof OF_WORK, undefined>;

/** What a module is specialised by: a scoreMod, one pass over a strip of scores and one over its gradient. The modules that ship have none. */
export interface ScorePass {
  /** Replaces the scores of a strip. */
  define(m: ModuleBuilder): OfWork;
  /** Whether the gradient reads the scores that were replaced: they are kept in `scoreStrip` then. */
  readonly keepsScores: boolean;
  /** From the gradient of the scores behind the pass to that of those before it, and of its tables. Undefined where that changes nothing. */
  readonly defineGradient: ((m: ModuleBuilder) => OfWork) | undefined;
  /** The same in plain loops. */
  reference(views: Views, job: Job): PairRules;
}

/** A pair: where it stands, and the score before the pass. */
export interface Pair {
  readonly score: number;
  readonly b: number;
  readonly h: number;
  readonly i: number;
  readonly j: number;
  readonly position: number;
}

export interface PairRules {
  value(pair: Pair): number;
  /** Gives the gradient of the score before the pass, and adds to those of tables. */
  gradient(gradient: number, pair: Pair, chunk: number): number;
}

/** A ScoreMod that kernels can hold, as those of `@heed/attention/expressions`. */
export interface HeldScoreMod extends ScoreMod {
  /** Kernels are made for the expression's structure: its numbers and tables are operands. */
  kernels(): ScoreModKernels;
}

export interface ScoreModKernels {
  readonly forward: Family<StreamingKernels>;
  readonly backward: Family<StreamingBackwardKernels>;
  /** Why this engine cannot have them. */
  obstacle(): string | undefined;
  readonly tables: readonly Tensor[];
  /** Writes what a job's `pass` points to, `bytes` bytes, aligned to 8: the expression's numbers, and its tables in their order. */
  write(pointer: number, tables: readonly PassTable[]): void;
  readonly bytes: number;
  /** Axes of the tables whose index is the sample, or the head, wherever they are read. */
  readonly axes: readonly { readonly sample: number | undefined; readonly head: number | undefined }[];
  /** The dense definition, with other tables in place of its own. */
  dense(scores: Tensor, context: TermContext, tables: readonly Tensor[]): Tensor;
}

/** A table as a pass reads it. */
export interface PassTable {
  readonly pointer: number;
  readonly shape: readonly number[];
  /** Added to; 0: not wanted. */
  readonly gradient: number;
  /** Elements from one chunk's gradient to the next one's. */
  readonly gradientChunk: number;
}
