import { f32x4, i32, v128 } from "../assembler/index.ts";
import type { FunctionHandle, Local, ModuleBuilder, V128 } from "../assembler/index.ts";

const DOTS = {
  m: "i32",
  n: "i32",
  k: "i32",
  a: "i32",
  rowA: "i32",
  b: "i32",
  columnB: "i32",
  c: "i32",
  rowC: "i32",
  start: "i32",
  rowStart: "i32",
} as const;

/** Columns of B, that is rows of Bᵀ, per tile: their sums make one vector. */
const COLUMNS = 4;

/**
 * A · Bᵀ where the rows of both are contiguous, as dot products along them, without packing. Strides are in bytes. What lies at
 * `start` is added, unless that is 0.
 */
export function defineDots(module: ModuleBuilder): FunctionHandle<typeof DOTS, undefined> {
  const two = defineDotTile(module, 2);
  const one = defineDotTile(module, 1);
  return module.internal("dots", { params: DOTS }, (f, { m, n, k, a, rowA, b, columnB, c, rowC, start, rowStart }) => {
    const evenRows = f.let(i32.and(m, -2));
    const [tileA, tileB, tileC, tileStart, columns] = f.locals("i32", 5);
    tileB.set(b);
    f.forRange(0, n, COLUMNS, (j) => {
      columns.set(i32.sub(n, j));
      tileA.set(a);
      tileC.set(i32.add(c, i32.shl(j, 2)));
      f.if(start, () => tileStart.set(i32.add(start, i32.shl(j, 2))));
      const tile = { k, a: tileA, rowA, b: tileB, columnB, columns, c: tileC, rowC, start: tileStart, rowStart };
      f.forRange(0, evenRows, 2, () => {
        f.call(two, tile);
        f.increment(tileA, i32.shl(rowA, 1));
        f.increment(tileC, i32.shl(rowC, 1));
        f.if(start, () => f.increment(tileStart, i32.shl(rowStart, 1)));
      });
      f.if(i32.and(m, 1), () => f.call(one, tile));
      f.increment(tileB, i32.mul(columnB, COLUMNS));
    });
  });
}

/** `rows` × 4 dot products; of the columns only the first `columns` are stored. */
function defineDotTile(module: ModuleBuilder, rows: 1 | 2) {
  const params = {
    k: "i32",
    a: "i32",
    rowA: "i32",
    b: "i32",
    columnB: "i32",
    columns: "i32",
    c: "i32",
    rowC: "i32",
    start: "i32",
    rowStart: "i32",
  } as const;
  return module.internal(`dots${rows}`, { params }, (f, { k, a, rowA, b, columnB, columns, c, rowC, start, rowStart }) => {
    const inputs = [a, ...(rows === 2 ? [f.let(i32.add(a, rowA))] : [])];
    // Columns that do not exist are the last one again: computed, not stored, and no foreign memory is read.
    const others = [b];
    for (let column = 1; column < COLUMNS; column++) {
      const pointer = f.let(others[column - 1]);
      f.if(i32.gtS(columns, column), () => f.increment(pointer, columnB));
      others.push(pointer);
    }
    const sums = inputs.map(() => f.locals("v128", COLUMNS));
    const rowsOfA = f.locals("v128", rows);
    const other = f.local("v128");

    const step = (load: (pointer: Local<"i32">) => V128, bytes: number): void => {
      for (const [row, vector] of rowsOfA.entries()) {
        vector.set(load(inputs[row]));
        f.increment(inputs[row], bytes);
      }
      for (let column = 0; column < COLUMNS; column++) {
        other.set(load(others[column]));
        f.increment(others[column], bytes);
        for (const [row, vector] of rowsOfA.entries()) sums[row][column].set(f.madd(vector, other, sums[row][column]));
      }
    };
    f.vectorLoop(
      k,
      () => step((pointer) => v128.load(pointer), 16),
      () => step((pointer) => v128.load32Zero(pointer), 4),
    );

    const totals = sums.map(([w, x, y, z]) => {
      const wx = f.let(f32x4.add(f32x4.shuffle(w, x, [0, 4, 1, 5]), f32x4.shuffle(w, x, [2, 6, 3, 7])));
      const yz = f.let(f32x4.add(f32x4.shuffle(y, z, [0, 4, 1, 5]), f32x4.shuffle(y, z, [2, 6, 3, 7])));
      return f.let(f32x4.add(f32x4.shuffle(wx, yz, [0, 1, 4, 5]), f32x4.shuffle(wx, yz, [2, 3, 6, 7])));
    });
    const held = f.local("v128");
    for (const total of totals) {
      f.if(
        i32.geS(columns, COLUMNS),
        () => {
          f.if(start, () => total.set(f32x4.add(v128.load(start), total)));
          f.store(c, total);
        },
        () => {
          const someLanes = (body: (lane: 0 | 1 | 2) => void): void => {
            for (const lane of [0, 1, 2] as const) f.if(i32.gtS(columns, lane), () => body(lane));
          };
          f.if(start, () => {
            someLanes((lane) => held.set(v128.load32Lane(start, held, lane, 4 * lane)));
            total.set(f32x4.add(held, total));
          });
          someLanes((lane) => f.store32Lane(c, total, lane, 4 * lane));
        },
      );
      f.increment(c, rowC);
      f.if(start, () => f.increment(start, rowStart));
    }
  });
}
