import { linearMemory, type Family, type Views } from "@heed/kernels";
import type { FunctionHandle, ModuleBuilder } from "@heed/kernels/assembler";
import type { Tensor } from "@heed/tensor";
import type { ScoreMod, TermContext } from "@heed/tensor/terms";
import type { StreamingBackwardKernels } from "../streaming-backward/streaming-backward.ts";
import type { Job } from "./job.ts";
import type { StreamingKernels } from "./streaming.ts";
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
  readonly numbers: readonly number[];
  readonly tables: readonly Tensor[];
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

/** Bytes between the fields of a table's record. Extents follow, one int32 per axis. */
export const PASS_TABLE = { pointer: 0, gradient: 4, gradientChunk: 8, extents: 12 } as const;

/** Where things lie in what a job's `pass` points to: numbers as float64, then records of tables, by their ranks. */
export function passLayout(numbers: number, ranks: readonly number[]): { readonly tables: readonly number[]; readonly bytes: number } {
  let bytes = 8 * numbers;
  const tables = ranks.map((rank) => {
    const at = bytes;
    bytes += PASS_TABLE.extents + 4 * rank;
    return at;
  });
  return { tables, bytes };
}

/** Writes what a job's `pass` points to. */
export function writePass(pointer: number, numbers: readonly number[], tables: readonly PassTable[]): void {
  const { tables: at, bytes } = passLayout(
    numbers.length,
    tables.map(({ shape }) => shape.length),
  );
  const view = new DataView(linearMemory().buffer, pointer, bytes);
  numbers.forEach((value, n) => view.setFloat64(8 * n, value, true));
  tables.forEach((table, n) => {
    for (const field of ["pointer", "gradient", "gradientChunk"] as const) view.setInt32(at[n] + PASS_TABLE[field], table[field], true);
    table.shape.forEach((extent, axis) => view.setInt32(at[n] + PASS_TABLE.extents + 4 * axis, extent, true));
  });
}
