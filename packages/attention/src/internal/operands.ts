import { packed, Tensor } from "@heed/tensor/light";
import type { BiasForm } from "@heed/tensor/terms";
import type { Lowered } from "./lower.ts";

// Operands that a gradient may be asked of have slots in a fixed order; tables of biases follow, then those of a scoreMod.
export const QUERY = 0;
export const KEY = 1;
export const VALUE = 2;
export const SCALE = 3;
export const VECTOR = 4;
export const SINK = 5;
export const VALUE_TABLE = 6;
export const TABLES = 7;

export type Slots = readonly (Tensor | undefined)[];

export function slotsOf({ call, score, biases, scoreMod }: Lowered): Slots {
  const scale = score.form !== "additive" && score.scale instanceof Tensor ? score.scale : undefined;
  const vector = score.form === "additive" ? score.vector : undefined;
  const slots: (Tensor | undefined)[] = [score.query, score.key, call.value, scale, vector, call.sink, call.valueTable];
  for (const bias of biases) slots.push(tableOf(bias));
  for (const table of scoreMod?.tables ?? []) slots.push(isFloat(table) ? table : undefined);
  return slots;
}

/** Tables of ints and bools, as they are read: operands behind those with slots. */
export function fixedTables({ scoreMod }: Lowered): Tensor[] {
  return scoreMod?.tables.filter((table) => !isFloat(table)).map(packed) ?? [];
}

function isFloat({ dtype }: Tensor): boolean {
  return dtype === "float32" || dtype === "float64";
}

function tableOf(bias: BiasForm): Tensor {
  return bias.form === "dense" ? bias.bias : bias.table;
}

/** The same operands, laid out as kernels read them: copied only where they have to be. */
export function operandsOf({ biases }: Lowered, slots: Slots): Slots {
  return slots.map((x, slot) => {
    if (x === undefined) return undefined;
    const inRows = slot <= VALUE || (slot >= TABLES && biases[slot - TABLES]?.form === "dense");
    if (!inRows) return packed(x);
    const last = x.rank - 1;
    const step = x.rank === 0 || x.shape[last] <= 1 ? 1 : x.strides[last];
    return step === 1 || (slot >= TABLES && step === 0) ? x : packed(x);
  });
}

/** Whether the rows of all heads lie side by side: `[B, L, H, D]` in memory, seen as `[B, H, L, D]`. */
export function rowsFirst({ shape, strides }: Tensor): boolean {
  return shape[1] > 1 && shape[2] > 1 && strides[1] < strides[2];
}

export function present<T>(slots: readonly (T | undefined)[]): T[] {
  return slots.filter((slot): slot is T => slot !== undefined);
}

/** Values in the order of the filled slots; undefined where a slot is empty. */
export function inSlots<T>(values: readonly T[], slots: readonly unknown[]): (T | undefined)[] {
  let next = 0;
  return slots.map((slot) => (slot === undefined ? undefined : values[next++]));
}

export function addresses(values: readonly number[], slots: readonly unknown[]): number[] {
  return inSlots(values, slots).map((value) => value ?? 0);
}
