import { HeedError, type RandomKey, type Tensor } from "@heed/tensor";

/** Sequences and what is asked of them. N sequences, L their length. */
export interface SequenceTask {
  /** int32 `[N, L]` each: what is read at every place, one number of each kind. */
  readonly inputs: readonly Tensor[];
  /** How many different numbers there are of each kind. */
  readonly vocabularySizes: readonly number[];
  /** int32 `[N, L]`: what should be said at a place; −1 where nothing is asked. */
  readonly answers: Tensor;
  /** Answers are 0 … classCount − 1. */
  readonly classCount: number;
  /** How many of the last places ask for what came first. What is asked before teaches the same at shorter distances. */
  readonly finalPlaces: number;
}

export interface SequenceTaskOptions {
  /** Of each sequence. */
  readonly length: number;
  /** How many sequences. */
  readonly count: number;
  /** The same key gives the same sequences. */
  readonly key: RandomKey;
}

/** Nothing is asked here. */
export const NOTHING = -1;

/** Places at distances 1, 2, 4 … from a place, and the last one. */
export function growingDistances(from: number, length: number): number[] {
  const places: number[] = [];
  for (let distance = 1; from + distance < length - 1; distance *= 2) places.push(from + distance);
  return [...places, length - 1];
}

export function requireSizes(where: string, least: number, { length, count }: SequenceTaskOptions): void {
  if (!Number.isInteger(length) || length < least) throw new HeedError(where, `length must be a whole number from ${least} on`, { length });
  if (!Number.isInteger(count) || count < 0) throw new HeedError(where, "count must be a whole number from 0 on", { count });
}
