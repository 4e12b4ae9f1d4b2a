import { f32, f32x4, i32, ModuleBuilder, v128 } from "@heed/kernels/assembler";
import type { Build, Expression, FunctionBuilder, Local, V128 } from "@heed/kernels/assembler";
import { Constants, fastDecayBlock } from "@heed/kernels/building-blocks";

type Int = Local<"i32">;
type Vector = Local<"v128">;

const ROWS = { offsets: "i32", columns: "i32", slots: "i32", from: "i32", to: "i32" } as const;

/** The WebAssembly of edges. A row of `values` is one stretch of memory, so the time of an edge is that of fetching it. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);

  m.func(
    "weightedSum",
    { params: { values: "i32", weights: "i32", out: "i32", ...ROWS, heads: "i32", width: "i32" } },
    (f, { values, weights, out, heads, width, ...rows }) => {
      f.if(i32.eqz(heads), () => f.return());
      const bytes = f.let(i32.shl(i32.mul(heads, width), 2));
      const weightBytes = f.let(i32.shl(heads, 2));
      const [row, read, write, weightAt] = f.locals("i32", 4);
      const weight = f.local("v128");
      row.set(i32.add(out, i32.mul(rows.from, bytes)));
      byWidth(f, width, (step) =>
        eachRow(
          f,
          rows,
          () => f.memoryFill(row, 0, bytes),
          (column, slot) => {
            read.set(i32.add(values, i32.mul(column, bytes)));
            weightAt.set(i32.add(weights, i32.mul(slot, weightBytes)));
            write.set(row);
            eachOf(f, heads, () => {
              weight.set(v128.load32Splat(weightAt));
              f.increment(weightAt, 4);
              step(f, width, [read, write], ([from, to], load, store) => store(to, f.madd(weight, load(from), load(to))));
            });
          },
          () => f.increment(row, bytes),
          { array: values, bytes },
        ),
      );
    },
  );

  m.func(
    "edgeDots",
    { params: { a: "i32", b: "i32", out: "i32", ...ROWS, heads: "i32", width: "i32" } },
    (f, { a, b, out, heads, width, ...rows }) => {
      f.if(i32.eqz(heads), () => f.return());
      const bytes = f.let(i32.shl(i32.mul(heads, width), 2));
      const [row, left, right, write] = f.locals("i32", 4);
      const sum = f.local("v128");
      row.set(i32.add(a, i32.mul(rows.from, bytes)));
      byWidth(f, width, (step) =>
        eachRow(
          f,
          rows,
          () => {},
          (column, slot) => {
            left.set(row);
            right.set(i32.add(b, i32.mul(column, bytes)));
            write.set(i32.add(out, i32.shl(i32.mul(slot, heads), 2)));
            eachOf(f, heads, () => {
              sum.set(f32x4.splat(0));
              step(f, width, [left, right], ([x, y], load) => sum.set(f.madd(load(x), load(y), sum)));
              f.store(write, total(f, sum));
              f.increment(write, 4);
            });
          },
          () => f.increment(row, bytes),
          { array: b, bytes },
        ),
      );
    },
  );

  m.func("pairSum", { params: { a: "i32", b: "i32", out: "i32", ...ROWS, width: "i32" } }, (f, { a, b, out, width, ...rows }) => {
    const bytes = f.let(i32.shl(width, 2));
    const [row, left, right, write] = f.locals("i32", 4);
    row.set(i32.add(a, i32.mul(rows.from, bytes)));
    eachRow(
      f,
      rows,
      () => {},
      (column, slot) => {
        left.set(row);
        right.set(i32.add(b, i32.mul(column, bytes)));
        write.set(i32.add(out, i32.mul(slot, bytes)));
        along(f, width, [left, right, write], ([x, y, to], load, store) => store(to, f32x4.add(load(x), load(y))));
      },
      () => f.increment(row, bytes),
    );
  });

  m.func(
    "rowSum",
    { params: { x: "i32", out: "i32", offsets: "i32", slots: "i32", from: "i32", to: "i32", width: "i32" } },
    (f, { x, out, width, ...rows }) => {
      const bytes = f.let(i32.shl(width, 2));
      const [row, read, write] = f.locals("i32", 3);
      row.set(i32.add(out, i32.mul(rows.from, bytes)));
      eachRow(
        f,
        rows,
        () => f.memoryFill(row, 0, bytes),
        (_, slot) => {
          read.set(i32.add(x, i32.mul(slot, bytes)));
          write.set(row);
          along(f, width, [read, write], ([from, to], load, store) => store(to, f32x4.add(load(to), load(from))));
        },
        () => f.increment(row, bytes),
      );
    },
  );

  const SOFTMAX = { offsets: "i32", slots: "i32", from: "i32", to: "i32", heads: "i32" } as const;

  /** Softmax of a row's scores, which `first` gives while the greatest is looked for, and `again` once more. */
  const softmaxOf = (
    f: FunctionBuilder,
    rows: Rows,
    heads: Int,
    out: Int,
    scoresOf: (
      place: (base: Int, of: Int) => Expression<"i32">,
      load: Load,
      store: Store,
      row: Int,
    ) => { first(column: Int, slot: Int): Expression<"v128">; again(slot: Int): Expression<"v128"> },
  ): void => {
    const exp = fastDecayBlock(new Constants(f));
    const bytes = f.let(i32.shl(heads, 2));
    const [most, sum, value] = f.locals("v128", 3);
    const least = f.let(f32x4.splat(-Infinity));
    const zero = f.let(f32x4.splat(0));
    const one = f.let(f32x4.splat(1));
    eachHead(f, rows, heads, (shift, walk, load, store, row) => {
      const place = (base: Int, of: Int) => i32.add(i32.add(base, shift), i32.mul(of, bytes));
      const scores = scoresOf(place, load, store, row);
      most.set(least);
      walk((slot, column) => most.set(f32x4.pmax(most, scores.first(column, slot))));
      most.set(v128.bitselect(zero, most, f32x4.eq(most, least)));
      sum.set(zero);
      walk((slot) => {
        value.set(f32x4.sub(scores.again(slot), most));
        value.set(exp(value));
        sum.set(f32x4.add(sum, value));
        store(f.let(place(out, slot)), value);
      });
      // A sum of 0 (all −∞) leaves 0: its quotient is masked away.
      sum.set(v128.andnot(f32x4.div(one, sum), f32x4.eq(sum, zero)));
      walk((slot) => {
        const at = f.let(place(out, slot));
        store(at, f32x4.mul(load(at), sum));
      });
    });
  };

  m.func("edgeSoftmax", { params: { scores: "i32", out: "i32", ...SOFTMAX } }, (f, { scores, out, heads, ...rows }) => {
    softmaxOf(f, rows, heads, out, (place, load) => {
      const at = (slot: Int) => load(f.let(place(scores, slot)));
      return { first: (_, slot) => at(slot), again: at };
    });
  });

  m.func(
    "pairSoftmax",
    { params: { a: "i32", b: "i32", out: "i32", ...ROWS, heads: "i32", slope: "f32" } },
    (f, { a, b, out, heads, slope, ...rows }) => {
      const slopes = f.let(f32x4.splat(slope));
      const zero = f.let(f32x4.splat(0));
      const [own, z] = f.locals("v128", 2);
      softmaxOf(f, rows, heads, out, (place, load, store, row) => {
        own.set(load(f.let(place(a, row))));
        return {
          first: (column, slot) => {
            z.set(f32x4.add(own, load(f.let(place(b, column)))));
            z.set(v128.bitselect(z, f32x4.mul(z, slopes), f32x4.gt(z, zero)));
            store(f.let(place(out, slot)), z);
            return z;
          },
          again: (slot) => load(f.let(place(out, slot))),
        };
      });
    },
  );

  m.func(
    "pairSoftmaxGrad",
    { params: { a: "i32", b: "i32", weights: "i32", g: "i32", dz: "i32", da: "i32", ...ROWS, heads: "i32", slope: "f32" } },
    (f, { a, b, weights, g, dz, da, heads, slope, ...rows }) => {
      const bytes = f.let(i32.shl(heads, 2));
      const slopes = f.let(f32x4.splat(slope));
      const one = f.let(f32x4.splat(1));
      const zero = f.let(f32x4.splat(0));
      const [own, sum, z, gathered] = f.locals("v128", 4);
      eachHead(f, rows, heads, (shift, walk, load, store, row) => {
        const place = (base: Int, of: Int) => f.let(i32.add(i32.add(base, shift), i32.mul(of, bytes)));
        own.set(load(place(a, row)));
        sum.set(zero);
        walk((slot) => sum.set(f.madd(load(place(weights, slot)), load(place(g, slot)), sum)));
        gathered.set(zero);
        walk((slot, column) => {
          z.set(f32x4.add(own, load(place(b, column))));
          z.set(v128.bitselect(one, slopes, f32x4.gt(z, zero)));
          z.set(f32x4.mul(f32x4.mul(load(place(weights, slot)), f32x4.sub(load(place(g, slot)), sum)), z));
          store(place(dz, slot), z);
          gathered.set(f32x4.add(gathered, z));
        });
        store(place(da, row), gathered);
      });
    },
  );

  m.func("edgeSoftmaxGrad", { params: { weights: "i32", g: "i32", out: "i32", ...SOFTMAX } }, (f, { weights, g, out, heads, ...rows }) => {
    const bytes = f.let(i32.shl(heads, 2));
    const sum = f.local("v128");
    eachHead(f, rows, heads, (shift, walk, load, store) => {
      const place = (base: Int, slot: V<"i32">) => f.let(i32.add(i32.add(base, shift), i32.mul(slot, bytes)));
      sum.set(f32x4.splat(0));
      walk((slot) => sum.set(f.madd(load(place(weights, slot)), load(place(g, slot)), sum)));
      walk((slot) => store(place(out, slot), f32x4.mul(load(place(weights, slot)), f32x4.sub(load(place(g, slot)), sum))));
    });
  });

  const ADDITIVE = { a: "i32", b: "i32", c: "i32", vector: "i32" } as const;

  m.func(
    "edgeAdditive",
    { params: { ...ADDITIVE, out: "i32", ...ROWS, heads: "i32", width: "i32", slope: "f32" } },
    (f, { a, b, c, vector, out, heads, width, slope, ...rows }) => {
      const slopes = f.let(f32x4.splat(slope));
      const zero = f.let(f32x4.splat(0));
      const bytes = f.let(i32.shl(i32.mul(heads, width), 2));
      const [row, left, right, edge, factor, write] = f.locals("i32", 6);
      const [sum, z] = f.locals("v128", 2);
      row.set(i32.add(a, i32.mul(rows.from, bytes)));
      eachRow(
        f,
        rows,
        () => {},
        (column, slot) => {
          left.set(row);
          right.set(i32.add(b, i32.mul(column, bytes)));
          factor.set(vector);
          write.set(i32.add(out, i32.shl(i32.mul(slot, heads), 2)));
          const head = (pointers: Int[], sumOf: (load: Load) => Expression<"v128">) => {
            f.forRange(0, heads, 1, () => {
              sum.set(zero);
              along(f, width, pointers, (_, load) => {
                z.set(sumOf(load));
                z.set(v128.bitselect(z, f32x4.mul(z, slopes), f32x4.gt(z, zero)));
                sum.set(f.madd(z, load(factor), sum));
              });
              f.store(write, total(f, sum));
              f.increment(write, 4);
            });
          };
          const pair = (load: Load) => f32x4.add(load(left), load(right));
          f.if(
            c,
            () => {
              edge.set(i32.add(c, i32.mul(slot, bytes)));
              head([left, right, factor, edge], (load) => f32x4.add(pair(load), load(edge)));
            },
            () => head([left, right, factor], pair),
          );
        },
        () => f.increment(row, bytes),
      );
    },
  );

  m.func(
    "edgeAdditiveGrad",
    {
      params: { ...ADDITIVE, g: "i32", da: "i32", dc: "i32", dvector: "i32", ...ROWS, heads: "i32", width: "i32", slope: "f32" },
    },
    (f, { a, b, c, vector, g, da, dc, dvector, heads, width, slope, ...rows }) => {
      const slopes = f.let(f32x4.splat(slope));
      const zero = f.let(f32x4.splat(0));
      const one = f.let(f32x4.splat(1));
      const bytes = f.let(i32.shl(i32.mul(heads, width), 2));
      const [row, rowGradient, left, right, edge, factor, write, edgeGradient, vectorGradient, cotangentAt] = f.locals("i32", 10);
      const [cotangent, z, dz, slopeAt] = f.locals("v128", 4);
      row.set(i32.add(a, i32.mul(rows.from, bytes)));
      rowGradient.set(i32.add(da, i32.mul(rows.from, bytes)));
      eachRow(
        f,
        rows,
        () => f.memoryFill(rowGradient, 0, bytes),
        (column, slot) => {
          left.set(row);
          write.set(rowGradient);
          right.set(i32.add(b, i32.mul(column, bytes)));
          edge.set(i32.add(c, i32.mul(slot, bytes)));
          edgeGradient.set(i32.add(dc, i32.mul(slot, bytes)));
          factor.set(vector);
          vectorGradient.set(dvector);
          cotangentAt.set(i32.add(g, i32.shl(i32.mul(slot, heads), 2)));
          f.forRange(0, heads, 1, () => {
            cotangent.set(v128.load32Splat(cotangentAt));
            f.increment(cotangentAt, 4);
            const all = [left, right, edge, factor, write, edgeGradient, vectorGradient];
            along(f, width, all, (_, load, store) => {
              z.set(f32x4.add(load(left), load(right)));
              f.if(c, () => z.set(f32x4.add(z, load(edge))));
              slopeAt.set(v128.bitselect(one, slopes, f32x4.gt(z, zero)));
              dz.set(f32x4.mul(f32x4.mul(cotangent, load(factor)), slopeAt));
              store(write, f32x4.add(load(write), dz));
              f.if(dc, () => store(edgeGradient, dz));
              f.if(dvector, () => store(vectorGradient, f.madd(f32x4.mul(z, slopeAt), cotangent, load(vectorGradient))));
            });
          });
        },
        () => {
          f.increment(row, bytes);
          f.increment(rowGradient, bytes);
        },
      );
    },
  );
  return m.toBytes();
}

type V<T extends "i32"> = Local<T>;
type Load = (pointer: Int) => V128;
type Store = (pointer: Int, value: V128) => void;

interface Rows {
  readonly offsets: Int;
  readonly columns?: Int;
  readonly slots: Int;
  readonly from: Int;
  readonly to: Int;
}

/**
 * Walks the edges of rows [from, to): `begin` before a row's edges, `edge` for each, `end` after them. With `fetched`, the rows of that array that edges
 * lead to are fetched some edges ahead.
 */
function eachRow(
  f: FunctionBuilder,
  rows: Rows,
  begin: () => void,
  edge: (column: Int, slot: Int) => void,
  end: () => void,
  fetched?: { readonly array: Int; readonly bytes: Int },
): void {
  const [k, last, column, slot, columnAt, slotAt, ahead] = f.locals("i32", 7);
  const offsetAt = f.let(i32.add(rows.offsets, i32.shl(rows.from, 2)));
  const edgesEnd = f.let(i32.load(i32.add(rows.offsets, i32.shl(rows.to, 2))));
  k.set(i32.load(offsetAt));
  ahead.set(k);
  if (fetched !== undefined) f.if(i32.ltS(fetched.bytes, 2 * LINE), () => ahead.set(-1));
  columnAt.set(i32.add(rows.columns ?? rows.slots, i32.shl(k, 2)));
  slotAt.set(i32.add(rows.slots, i32.shl(k, 2)));
  f.forRange(rows.from, rows.to, 1, () => {
    begin();
    last.set(i32.load(offsetAt, 4));
    f.increment(offsetAt, 4);
    f.if(i32.ltS(k, last), () => {
      f.doWhile(i32.ltS(k, last), () => {
        if (fetched !== undefined) {
          f.if(i32.eq(k, ahead), () => {
            f.increment(ahead, EDGES_AHEAD);
            fetch(f, columnAt, i32.sub(i32.minS(ahead, edgesEnd), k), fetched.array, fetched.bytes);
          });
        }
        if (rows.columns !== undefined) {
          column.set(i32.load(columnAt));
          f.increment(columnAt, 4);
        }
        slot.set(i32.load(slotAt));
        f.increment(slotAt, 4);
        edge(column, slot);
        f.increment(k, 1);
      });
    });
    end();
  });
}

/** Bytes of a line of the cache. */
const LINE = 64;
/** Edges whose rows are fetched together: some tens of lines are as many as a core waits for at once, and stay in the first cache. */
const EDGES_AHEAD = 16;

/**
 * Loads a word of each line of the rows that the next edges lead to: so many short loads overlap, which the longer work of an edge keeps apart.
 */
function fetch(f: FunctionBuilder, columnAt: Int, count: Expression<"i32">, base: Int, bytes: Int): void {
  const [at, end, line, seen] = f.locals("i32", 4);
  at.set(columnAt);
  f.forRange(0, count, 1, () => {
    line.set(i32.add(base, i32.mul(i32.load(at), bytes)));
    end.set(i32.add(line, bytes));
    f.increment(at, 4);
    f.doWhile(i32.ltU(line, end), () => {
      seen.set(i32.load(line));
      f.increment(line, LINE);
    });
  });
}

/**
 * Runs `body` over `width` elements of arrays side by side, four at a time, then one by one in the first lane (the others are then 0, and dropped).
 * The pointers move on.
 */
function along(
  f: FunctionBuilder,
  width: Int,
  pointers: readonly Int[],
  body: (pointers: readonly Int[], load: Load, store: Store) => void,
): void {
  f.vectorLoop(
    width,
    () => {
      body(
        pointers,
        (pointer) => v128.load(pointer),
        (pointer, value) => f.store(pointer, value),
      );
      for (const pointer of pointers) f.increment(pointer, 16);
    },
    () => {
      body(
        pointers,
        (pointer) => v128.load32Zero(pointer),
        (pointer, value) => f.store32Lane(pointer, value, 0),
      );
      for (const pointer of pointers) f.increment(pointer, 4);
    },
  );
}

/** `body` for each of `count` turns, at least one. */
function eachOf(f: FunctionBuilder, count: Int, body: () => void): void {
  const left = f.let(count);
  f.doWhile(left, () => {
    body();
    f.increment(left, -1);
  });
}

/** As `along`, for a width that is a multiple of 8 and not 0: no tail, and two vectors a turn. */
function alongPairs(f: FunctionBuilder, width: Int, pointers: readonly Int[], body: Parameters<typeof along>[3]): void {
  const left = f.let(width);
  f.doWhile(left, () => {
    for (const offset of [0, 16]) {
      body(
        pointers,
        (pointer) => v128.load(pointer, offset),
        (pointer, value) => f.store(pointer, value, offset),
      );
    }
    for (const pointer of pointers) f.increment(pointer, 32);
    f.increment(left, -8);
  });
}

/** The same code for widths that are multiples of 8, and for all others. */
function byWidth(f: FunctionBuilder, width: Int, make: (step: typeof along) => void): void {
  f.if(
    i32.eqz(i32.or(i32.and(width, 7), i32.eqz(width))),
    () => make(alongPairs),
    () => make(along),
  );
}

/** For every row, four heads at a time, then one by one: `shift` is the head's byte offset; `walk` goes over the row's slots, and columns if they are asked for. */
function eachHead(
  f: FunctionBuilder,
  rows: Rows,
  heads: Int,
  body: (shift: Int, walk: (visit: (slot: Int, column: Int) => void) => void, load: Load, store: Store, row: Int) => void,
): void {
  const [first, last, slot, at, shift, column, columnAt, row] = f.locals("i32", 8);
  const walk = (visit: (slot: Int, column: Int) => void) => {
    at.set(i32.add(rows.slots, i32.shl(first, 2)));
    const leads = rows.columns !== undefined && visit.length > 1;
    if (leads) columnAt.set(i32.add(rows.columns, i32.shl(first, 2)));
    f.forRange(first, last, 1, () => {
      slot.set(i32.load(at));
      f.increment(at, 4);
      if (leads) {
        column.set(i32.load(columnAt));
        f.increment(columnAt, 4);
      }
      visit(slot, column);
    });
  };
  f.forRange(rows.from, rows.to, 1, (i) => {
    row.set(i);
    const offsetAt = f.let(i32.add(rows.offsets, i32.shl(i, 2)));
    first.set(i32.load(offsetAt));
    last.set(i32.load(offsetAt, 4));
    shift.set(0);
    f.vectorLoop(
      heads,
      () => {
        body(
          shift,
          walk,
          (pointer) => v128.load(pointer),
          (pointer, value) => f.store(pointer, value),
          row,
        );
        f.increment(shift, 16);
      },
      () => {
        body(
          shift,
          walk,
          (pointer) => v128.load32Zero(pointer),
          (pointer, value) => f.store32Lane(pointer, value, 0),
          row,
        );
        f.increment(shift, 4);
      },
    );
  });
}

/** The sum of the four lanes. */
function total(f: FunctionBuilder, sum: Vector): Expression<"f32"> {
  const pairs = f.let(f32x4.add(sum, f32x4.shuffle(sum, sum, [2, 3, 0, 1])));
  return f32.add(f32x4.extractLane(pairs, 0), f32x4.extractLane(pairs, 1));
}
