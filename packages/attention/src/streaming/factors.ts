import { i32, type Expression, type FunctionBuilder } from "@heed/kernels/assembler";
import type { Pack } from "@heed/kernels/building-blocks";
import { MOST_PACKED } from "./plan.ts";
import type { Int, Work } from "./work.ts";

// Queries and cotangents as products read them best: the rows of a strip side by side, number after number (`Product` of product.ts).

/** Fewer keys than this are not worth packing the rows that meet them. */
const LEAST_KEYS = 64;

/** Whether queries (or cotangents) of so many numbers are packed for their products with `keys` keys: `setFactors`. */
export const packsRows = (keys: Expression<"i32">, width: Int): Expression<"i32"> =>
  i32.and(i32.leS(width, MOST_PACKED), i32.geS(keys, LEAST_KEYS));

/** Where a strip's rows of `operand` lie as products read them best: `panels` when they hold it, which are of whole strips, else in place. */
export function setFactors(
  f: FunctionBuilder,
  w: Work,
  operand: "query" | "cotangent",
  from: { readonly panels: Int; readonly row: Expression<"i32">; readonly width: Int; readonly stripRows: number },
): void {
  const { panels, stripRows } = from;
  const row = f.let(from.row);
  f.if(
    i32.and(i32.ne(panels, 0), i32.and(i32.eq(w.int("rows"), stripRows), i32.eqz(i32.remU(row, stripRows)))),
    () => {
      w.set(`${operand}Factors`, i32.add(panels, i32.shl(i32.mul(row, from.width), 2)));
      w.set(`${operand}FactorsRow`, 4);
      w.set(`${operand}FactorsStep`, 4 * stripRows);
    },
    () => {
      w.set(`${operand}Factors`, w.int(operand));
      w.set(`${operand}FactorsRow`, w.int(`${operand}Row`));
      w.set(`${operand}FactorsStep`, 4);
    },
  );
}

/** Packs the whole strips among `rows` rows of `width` numbers; `pack` is of the height of a strip. */
export function packStrips(
  f: FunctionBuilder,
  pack: Pack,
  from: {
    readonly panels: Expression<"i32">;
    readonly rows: Int;
    readonly width: Expression<"i32">;
    readonly source: Expression<"i32">;
    readonly sourceRow: Expression<"i32">;
    readonly stripRows: number;
  },
): void {
  const { panels, rows, width, source, sourceRow, stripRows } = from;
  const lines = i32.mul(i32.divU(rows, stripRows), stripRows);
  f.call(pack, { lines, from: 0, steps: width, source, lineStride: sourceRow, stepStride: 4, packed: panels });
}
