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
      const row = f.let(i32.add(out, i32.mul(rows.from, bytes)));
      const body = (sum: RowSum) => (walk: Walk) => {
        sum({ values, weights, heads, width, out: row }, walk);
        f.increment(row, bytes);
      };
      bySize(f, heads, width, (sum) => eachStretch(f, rows, body(sum), { array: values, bytes }));
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

  /** Leaves e^(score − greatest) in `out`, and returns what makes weights of them. */
  const powersOf = (f: FunctionBuilder): ((group: HeadGroup, out: Int, scores: Scores) => readonly Vector[]) => {
    const exp = fastDecayBlock(new Constants(f));
    const [most, sum, value] = [f.locals("v128", 2), f.locals("v128", 2), f.locals("v128", 2)];
    const least = f.let(f32x4.splat(-Infinity));
    const zero = f.let(f32x4.splat(0));
    const one = f.let(f32x4.splat(1));
    return ({ parts, array, store, walk }, out, scores) => {
      const place = array(out);
      scores.greatest().forEach((greatest, p) => {
        most[p]!.set(greatest);
        most[p]!.set(v128.bitselect(zero, most[p]!, f32x4.eq(most[p]!, least)));
        sum[p]!.set(zero);
      });
      walk((slot) => {
        scores.of(slot).forEach((score, p) => value[p]!.set(f32x4.sub(score, most[p]!)));
        const at = place(slot);
        for (const p of parts) value[p]!.set(exp(value[p]!));
        for (const p of parts) {
          sum[p]!.set(f32x4.add(sum[p]!, value[p]!));
          store(at, p, value[p]!);
        }
      });
      // A sum of 0 (all −∞) leaves 0: its quotient is masked away.
      for (const p of parts) sum[p]!.set(v128.andnot(f32x4.div(one, sum[p]!), f32x4.eq(sum[p]!, zero)));
      return sum;
    };
  };

  const scaled = ({ parts, array, load, store, walk }: HeadGroup, out: Int, factors: readonly Vector[]): void => {
    const place = array(out);
    walk((slot) => {
      const at = place(slot);
      for (const p of parts) store(at, p, f32x4.mul(load(at, p), factors[p]!));
    });
  };

  /** `leakyRelu(a[row] + b[column])`, kept in `out` on the way. */
  const pairScores = (f: FunctionBuilder, a: Int, b: Int, out: Int, slope: Local<"f32">): ((group: HeadGroup) => Scores) => {
    const slopes = f.let(f32x4.splat(slope));
    const zero = f.let(f32x4.splat(0));
    const [own, z, high] = [f.locals("v128", 2), f.locals("v128", 2), f.locals("v128", 2)];
    return ({ parts, array, load, store, walk, row }) => {
      const ownAt = array(a)(row);
      for (const p of parts) own[p]!.set(load(ownAt, p));
      const [bAt, outAt] = [array(b), array(out)];
      return {
        greatest() {
          for (const p of parts) high[p]!.set(f32x4.splat(-Infinity));
          walk((slot, column) => {
            const [from, to] = [bAt(column), outAt(slot)];
            for (const p of parts) {
              z[p]!.set(f32x4.add(own[p]!, load(from, p)));
              z[p]!.set(f.madd(f32x4.pmin(z[p]!, zero), slopes, f32x4.pmax(z[p]!, zero)));
              store(to, p, z[p]!);
              high[p]!.set(f32x4.pmax(high[p]!, z[p]!));
            }
          });
          return parts.map((p) => high[p]!);
        },
        of(slot) {
          const at = outAt(slot);
          return parts.map((p) => load(at, p));
        },
      };
    };
  };

  m.func("edgeSoftmax", { params: { scores: "i32", out: "i32", ...SOFTMAX } }, (f, { scores, out, heads, ...rows }) => {
    const powers = powersOf(f);
    const high = f.locals("v128", 2);
    eachHead(f, rows, heads, (group) => {
      const { parts, array, load, walk } = group;
      const place = array(scores);
      const of = (slot: Int) => {
        const at = place(slot);
        return parts.map((p) => load(at, p));
      };
      const greatest = () => {
        for (const p of parts) high[p]!.set(f32x4.splat(-Infinity));
        walk((slot) => of(slot).forEach((score, p) => high[p]!.set(f32x4.pmax(high[p]!, score))));
        return parts.map((p) => high[p]!);
      };
      scaled(group, out, powers(group, out, { greatest, of }));
    });
  });

  m.func(
    "pairSoftmax",
    { params: { a: "i32", b: "i32", out: "i32", ...ROWS, heads: "i32", slope: "f32" } },
    (f, { a, b, out, heads, slope, ...rows }) => {
      const [powers, scores] = [powersOf(f), pairScores(f, a, b, out, slope)];
      eachHead(f, rows, heads, (group) => scaled(group, out, powers(group, out, scores(group))));
    },
  );

  m.func(
    "pairAttention",
    {
      // prettier-ignore
      params: {
        a: "i32", b: "i32", values: "i32", weights: "i32", factors: "i32", out: "i32", offsets: "i32", columns: "i32", from: "i32", to: "i32",
        heads: "i32", width: "i32", slope: "f32", keep: "i32",
      },
    },
    (f, { a, b, values, weights, factors, out, heads, width, slope, keep, ...rows }) => {
      const bytes = f.let(i32.shl(i32.mul(heads, width), 2));
      f.if(i32.eqz(heads), () => f.return());
      const outRow = f.let(i32.add(out, i32.mul(rows.from, bytes)));
      const rowFactors = f.let(i32.add(factors, i32.shl(i32.mul(rows.from, heads), 2)));
      const [powers, scores] = [powersOf(f), pairScores(f, a, b, weights, slope)];
      const body = (sum: RowSum) => (walk: Walk, row: Int) => {
        eachGroup(f, heads, row, walk, (group) => {
          const found = powers(group, weights, scores(group));
          const at = group.array(factors)(row);
          for (const p of group.parts) group.store(at, p, found[p]!);
        });
        sum({ values, weights, heads, width, out: outRow, factors: rowFactors }, walk);
        f.if(keep, () =>
          eachGroup(f, heads, row, walk, (group) => {
            const at = group.array(factors)(row);
            scaled(group, weights, group.parts.map((p) => f.let(group.load(at, p)))); // prettier-ignore
          }),
        );
        f.increment(outRow, bytes);
        f.increment(rowFactors, i32.shl(heads, 2));
      };
      bySize(f, heads, width, (sum) => eachStretch(f, rows, body(sum), { array: values, bytes }));
    },
  );

  m.func(
    "pairSoftmaxGrad",
    { params: { a: "i32", b: "i32", weights: "i32", g: "i32", dz: "i32", da: "i32", ...ROWS, heads: "i32", slope: "f32" } },
    (f, { a, b, weights, g, dz, da, heads, slope, ...rows }) => {
      const slopes = f.let(f32x4.splat(slope));
      const one = f.let(f32x4.splat(1));
      const zero = f.let(f32x4.splat(0));
      const [own, sum, gathered] = [f.locals("v128", 2), f.locals("v128", 2), f.locals("v128", 2)];
      const z = f.local("v128");
      eachHead(f, rows, heads, ({ parts, array, load, store, walk, row }) => {
        const [ownAt, gatheredAt] = [array(a)(row), array(da)(row)];
        const [bAt, weightAt, cotangentAt, dzAt] = [b, weights, g, dz].map(array) as [Place, Place, Place, Place];
        for (const p of parts) {
          own[p]!.set(load(ownAt, p));
          sum[p]!.set(zero);
          gathered[p]!.set(zero);
        }
        walk((slot) => {
          const [weight, cotangent] = [weightAt(slot), cotangentAt(slot)];
          for (const p of parts) sum[p]!.set(f.madd(load(weight, p), load(cotangent, p), sum[p]!));
        });
        walk((slot, column) => {
          const [from, weight, cotangent, to] = [bAt(column), weightAt(slot), cotangentAt(slot), dzAt(slot)];
          for (const p of parts) {
            z.set(f32x4.add(own[p]!, load(from, p)));
            z.set(v128.bitselect(one, slopes, f32x4.gt(z, zero)));
            z.set(f32x4.mul(f32x4.mul(load(weight, p), f32x4.sub(load(cotangent, p), sum[p]!)), z));
            store(to, p, z);
            gathered[p]!.set(f32x4.add(gathered[p]!, z));
          }
        });
        for (const p of parts) store(gatheredAt, p, gathered[p]!);
      });
    },
  );

  m.func("edgeSoftmaxGrad", { params: { weights: "i32", g: "i32", out: "i32", ...SOFTMAX } }, (f, { weights, g, out, heads, ...rows }) => {
    const sum = f.locals("v128", 2);
    eachHead(f, rows, heads, ({ parts, array, load, store, walk }) => {
      const [weightAt, cotangentAt, outAt] = [weights, g, out].map(array) as [Place, Place, Place];
      for (const p of parts) sum[p]!.set(f32x4.splat(0));
      walk((slot) => {
        const [weight, cotangent] = [weightAt(slot), cotangentAt(slot)];
        for (const p of parts) sum[p]!.set(f.madd(load(weight, p), load(cotangent, p), sum[p]!));
      });
      walk((slot) => {
        const [weight, cotangent, to] = [weightAt(slot), cotangentAt(slot), outAt(slot)];
        for (const p of parts) store(to, p, f32x4.mul(load(weight, p), f32x4.sub(load(cotangent, p), sum[p]!)));
      });
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

type Load = (pointer: Int) => V128;
type Store = (pointer: Int, value: V128) => void;

interface Rows {
  readonly offsets: Int;
  readonly columns?: Int;
  /** Absent: edges are numbered in the order of rows. */
  readonly slots?: Int;
  readonly from: Int;
  readonly to: Int;
}

type Walk = (visit: (slot: Int, column: Int) => void) => void;
interface Fetched {
  readonly array: Int;
  readonly bytes: Int;
}

/**
 * For each of rows [from, to): `body` is given a way to walk the row's edges, as often as it likes. With `fetched`, the rows of that array that edges lead
 * to are fetched some edges ahead.
 */
function eachStretch(f: FunctionBuilder, rows: Rows, body: (walk: Walk, row: Int) => void, fetched?: Fetched): void {
  const [first, last, column, slot, columnAt, slotAt, ahead] = f.locals("i32", 7);
  const offsetAt = f.let(i32.add(rows.offsets, i32.shl(rows.from, 2)));
  const edgesEnd = f.let(i32.load(i32.add(rows.offsets, i32.shl(rows.to, 2))));
  last.set(i32.load(offsetAt));
  ahead.set(last);
  if (fetched !== undefined) f.if(i32.ltS(fetched.bytes, 2 * LINE), () => ahead.set(-1));
  f.forRange(rows.from, rows.to, 1, (row) => {
    first.set(last);
    f.increment(offsetAt, 4);
    last.set(i32.load(offsetAt));
    body((visit) => {
      const leads = rows.columns !== undefined && visit.length > 1;
      if (leads) columnAt.set(i32.add(rows.columns, i32.shl(first, 2)));
      if (rows.slots !== undefined) slotAt.set(i32.add(rows.slots, i32.shl(first, 2)));
      f.forRange(first, last, 1, (k) => {
        if (leads) {
          if (fetched !== undefined) {
            // Only the first walk of a row gets there: the others find their rows in the cache.
            f.if(i32.eq(k, ahead), () => {
              f.increment(ahead, EDGES_AHEAD);
              fetch(f, columnAt, i32.sub(i32.minS(ahead, edgesEnd), k), fetched.array, fetched.bytes);
            });
          }
          column.set(i32.load(columnAt));
          f.increment(columnAt, 4);
        }
        if (rows.slots === undefined) return visit(k, column);
        slot.set(i32.load(slotAt));
        f.increment(slotAt, 4);
        visit(slot, column);
      });
    }, row);
  });
}

/** `out[h, :] = Σ weights[slot, h] · values[column, h, :]` over the edges of a row; times `factors[h]` where there are any. */
type RowSum = (arrays: SumArrays, walk: Walk) => void;
interface SumArrays {
  readonly values: Int;
  readonly weights: Int;
  readonly heads: Int;
  readonly width: Int;
  /** Of the row, as are `factors`. */
  readonly out: Int;
  readonly factors?: Int;
}

/** Vectors of a row that stay in registers. */
const BLOCK_VECTORS = 8;

/** The same code for heads that fill blocks of registers, alone or with others, and for all others. */
function bySize(f: FunctionBuilder, heads: Int, width: Int, make: (sum: RowSum) => void): void {
  const once = (headsPerBlock: number) => () => {
    make((arrays, walk) => sumBlocks(f, headsPerBlock, arrays, walk));
    f.return();
  };
  const whole = f.let(i32.eqz(i32.and(i32.mul(heads, width), 4 * BLOCK_VECTORS - 1)));
  for (const headsPerBlock of [4, 2]) f.if(i32.and(whole, i32.eq(width, (4 * BLOCK_VECTORS) / headsPerBlock)), once(headsPerBlock));
  f.if(i32.and(i32.eqz(i32.and(width, 4 * BLOCK_VECTORS - 1)), i32.gtS(width, 0)), once(1));
  make((arrays, walk) => sumInPlace(f, arrays, walk));
}

/** A block of the row at a time. */
function sumBlocks(
  f: FunctionBuilder,
  headsPerBlock: number,
  { values, weights, heads, width, out, factors }: SumArrays,
  walk: Walk,
): void {
  const sums = f.locals("v128", BLOCK_VECTORS);
  const weight = f.local("v128");
  const [shift, weightShift, within, read, weightAt, write] = f.locals("i32", 6);
  const weightBytes = f.let(i32.shl(heads, 2));
  const bytes = f.let(i32.mul(weightBytes, width));
  const vectorsPerHead = BLOCK_VECTORS / headsPerBlock;
  const loadWeight = (v: number) => {
    if (v % vectorsPerHead === 0) weight.set(v128.load32Splat(weightAt, (4 * v) / vectorsPerHead));
  };
  shift.set(0);
  weightShift.set(0);
  within.set(0);
  f.doWhile(i32.ltS(shift, bytes), () => {
    for (const sum of sums) sum.set(f32x4.splat(0));
    walk((slot, column) => {
      read.set(i32.add(i32.add(values, shift), i32.mul(column, bytes)));
      weightAt.set(i32.add(i32.add(weights, weightShift), i32.mul(slot, weightBytes)));
      sums.forEach((sum, v) => {
        loadWeight(v);
        sum.set(f.madd(weight, v128.load(read, 16 * v), sum));
      });
    });
    write.set(i32.add(out, shift));
    if (factors !== undefined) weightAt.set(i32.add(factors, weightShift));
    sums.forEach((sum, v) => {
      if (factors !== undefined) loadWeight(v);
      f.store(write, factors === undefined ? sum : f32x4.mul(sum, weight), 16 * v);
    });
    f.increment(shift, 16 * BLOCK_VECTORS);
    if (headsPerBlock > 1) f.increment(weightShift, 4 * headsPerBlock);
    else {
      f.increment(within, 4 * BLOCK_VECTORS);
      f.if(i32.eq(within, width), () => {
        within.set(0);
        f.increment(weightShift, 4);
      });
    }
  });
}

/** All of the row, in memory. */
function sumInPlace(f: FunctionBuilder, { values, weights, heads, width, out, factors }: SumArrays, walk: Walk): void {
  const [read, write, weightAt] = f.locals("i32", 3);
  const weight = f.local("v128");
  const weightBytes = f.let(i32.shl(heads, 2));
  const bytes = f.let(i32.mul(weightBytes, width));
  const eachHeadOf = (body: () => void) => {
    write.set(out);
    eachOf(f, heads, () => {
      weight.set(v128.load32Splat(weightAt));
      f.increment(weightAt, 4);
      body();
    });
  };
  f.memoryFill(out, 0, bytes);
  walk((slot, column) => {
    read.set(i32.add(values, i32.mul(column, bytes)));
    weightAt.set(i32.add(weights, i32.mul(slot, weightBytes)));
    eachHeadOf(() => along(f, width, [read, write], ([from, to], load, store) => store(to, f.madd(weight, load(from), load(to)))));
  });
  if (factors === undefined) return;
  weightAt.set(factors);
  eachHeadOf(() => along(f, width, [write], ([to], load, store) => store(to, f32x4.mul(weight, load(to)))));
}

/**
 * Walks the edges of rows [from, to): `begin` before a row's edges, `edge` for each, `end` after them. With `fetched`, the rows of that array that edges
 * lead to are fetched some edges ahead.
 */
function eachRow(
  f: FunctionBuilder,
  rows: Rows & { readonly slots: Int },
  begin: () => void,
  edge: (column: Int, slot: Int) => void,
  end: () => void,
  fetched?: Fetched,
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

type Place = (of: Int) => Int;

/** Heads that are dealt with together: eight or four, in vectors of four, or one alone. */
interface HeadGroup {
  /** Of each vector: its place in the group. */
  readonly parts: readonly number[];
  /** For an array of `[·, heads]`: pointers to the group's numbers of an edge or node. */
  array(pointer: Int): Place;
  load(pointer: Int, part: number): V128;
  store(pointer: Int, part: number, value: V128): void;
  /** Goes over the row's edges. */
  readonly walk: Walk;
  readonly row: Int;
}

/** Scores of a group of heads: `greatest` walks a row's edges, `of` comes back to each. */
interface Scores {
  greatest(): readonly V128[];
  of(slot: Int): readonly V128[];
}

/** A row's heads, group by group. */
function eachGroup(f: FunctionBuilder, heads: Int, row: Int, walk: Walk, body: (group: HeadGroup) => void): void {
  const [shift, left] = f.locals("i32", 2);
  const bytes = f.let(i32.shl(heads, 2));
  const vectors = (parts: readonly number[]): HeadGroup => ({
    parts,
    array: (pointer) => {
      const start = f.let(i32.add(pointer, shift));
      return (of) => f.let(i32.add(start, i32.mul(of, bytes)));
    },
    load: (pointer, part) => v128.load(pointer, 16 * part),
    store: (pointer, part, value) => f.store(pointer, value, 16 * part),
    walk,
    row,
  });
  const single: HeadGroup = {
    ...vectors([0]),
    load: (pointer) => v128.load32Zero(pointer),
    store: (pointer, _, value) => f.store32Lane(pointer, value, 0),
  };
  const groups = [
    [8, vectors([0, 1])],
    [4, vectors([0])],
    [1, single],
  ] as const;
  shift.set(0);
  left.set(heads);
  for (const [count, group] of groups) {
    f.if(i32.geS(left, count), () => {
      f.doWhile(i32.geS(left, count), () => {
        body(group);
        f.increment(shift, 4 * count);
        f.increment(left, -count);
      });
    });
  }
}

/** For every row, its heads group by group. */
function eachHead(f: FunctionBuilder, rows: Rows, heads: Int, body: (group: HeadGroup) => void): void {
  eachStretch(f, rows, (walk, row) => eachGroup(f, heads, row, walk, body));
}

/** The sum of the four lanes. */
function total(f: FunctionBuilder, sum: Vector): Expression<"f32"> {
  const pairs = f.let(f32x4.add(sum, f32x4.shuffle(sum, sum, [2, 3, 0, 1])));
  return f32.add(f32x4.extractLane(pairs, 0), f32x4.extractLane(pairs, 1));
}
