import { linearMemory } from "@heed/kernels";
import type { PassTable } from "../streaming/score-pass.ts";

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
