import { i32, type FunctionBuilder } from "@heed/kernels/assembler";
import type { biasOf, Int, Work } from "./work.ts";

/**
 * Goes over the pairs of a strip whose query and key both lie on the grid of a bias: where the pair's number is, in bytes from the start of the table (or of
 * its gradient), and its score's address.
 */
export function overGrid(
  f: FunctionBuilder,
  w: Work,
  form: ReturnType<typeof biasOf>,
  strip: Int,
  body: (place: Int, at: Int) => void,
): void {
  const [gridRows, gridColumns, prefix] = [form.local("gridRows"), form.local("gridColumns"), form.local("prefix")];
  const [columns, rowBytes, column] = [w.local("columns"), w.local("stripRow"), w.local("column")];
  const across = f.let(i32.sub(i32.shl(gridColumns, 1), 1));
  const query = f.let(i32.sub(w.int("row"), prefix));
  const [start, from, key, place, at] = f.locals("i32", 5);
  // The first of the strip's keys that lies on the grid.
  start.set(i32.sub(prefix, column));
  from.set(0);
  start.set(i32.maxS(start, from));
  f.forRange(0, w.int("rows"), 1, () => {
    f.if(i32.geS(query, 0), () => {
      const [down, right] = [f.let(i32.divU(query, gridColumns)), f.let(i32.remU(query, gridColumns))];
      f.forRange(start, columns, 1, (j) => {
        key.set(i32.sub(i32.add(column, j), prefix));
        const rowsApart = i32.sub(i32.add(i32.divU(key, gridColumns), gridRows), i32.add(down, 1));
        const columnsApart = i32.sub(i32.add(i32.remU(key, gridColumns), gridColumns), i32.add(right, 1));
        place.set(i32.shl(i32.add(i32.mul(rowsApart, across), columnsApart), 2));
        at.set(i32.add(strip, i32.shl(j, 2)));
        body(place, at);
      });
    });
    f.increment(query, 1);
    f.increment(strip, rowBytes);
  });
}
