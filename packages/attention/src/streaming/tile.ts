import { f32x4, i32, i32x4, v128, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { jobOf, workOf } from "./work.ts";

const COPY = { source: "i32", sourceRow: "i32", rows: "i32", bytes: "i32", to: "i32", toRow: "i32", padding: "i32", flags: "i32" } as const;

/** Copies rows of `bytes`, each followed by `padding` bytes of 0. Rows whose byte at `flags` is 1 (0: there are none) become 0. */
export function defineCopyRows(m: ModuleBuilder): FunctionHandle<typeof COPY, undefined> {
  return m.internal("copyRows", { params: COPY }, (f, { source, sourceRow, rows, bytes, to, toRow, padding, flags }) => {
    const [at, out, keep] = [f.local("i32"), f.local("i32"), f.local("v128")];
    const width = f.let(i32.shrU(bytes, 2));
    const advance = (by: number): void => {
      f.increment(at, by);
      f.increment(out, by);
    };
    keep.set(i32x4.splat(-1));
    f.forRange(0, rows, 1, (row) => {
      f.if(flags, () => keep.set(i32x4.splat(i32.sub(i32.load8U(i32.add(flags, row)), 1))));
      at.set(source);
      out.set(to);
      f.vectorLoop(
        width,
        () => {
          f.store(out, v128.and(v128.load(at), keep));
          advance(16);
        },
        () => {
          f.store32Lane(out, v128.and(v128.load32Zero(at), keep), 0);
          advance(4);
        },
      );
      f.forRange(0, padding, 4, () => {
        f.store(out, i32.const(0));
        f.increment(out, 4);
      });
      f.increment(source, sourceRow);
      f.increment(to, toRow);
    });
  });
}

const TOUCH = { source: "i32", sourceRow: "i32", rows: "i32", bytes: "i32", to: "i32" } as const;
type TouchRows = FunctionHandle<typeof TOUCH, undefined>;

/**
 * Reads rows once, in the order in which they lie, so that the processor fetches ahead: packing reads several rows at a time, which it
 * cannot foresee. What is written to `to`, 16 bytes, means nothing: it keeps the engine from leaving the reads out.
 */
export function defineTouchRows(m: ModuleBuilder): TouchRows {
  const LINE = 64;
  return m.internal("touchRows", { params: TOUCH }, (f, { source, sourceRow, rows, bytes, to }) => {
    const [at, end, seen] = [f.local("i32"), f.local("i32"), f.local("v128")];
    f.forRange(0, rows, 1, () => {
      at.set(source);
      end.set(i32.add(source, bytes));
      f.doWhile(i32.ltU(at, end), () => {
        seen.set(v128.or(seen, v128.load32Zero(at)));
        f.increment(at, LINE);
      });
      f.increment(source, sourceRow);
    });
    f.store(to, seen);
  });
}

const LOOK = { x: "i32", row: "i32", rows: "i32", width: "i32" } as const;
export type NotFinite = FunctionHandle<typeof LOOK, "i32">;

/** Whether rows of `width` numbers, `row` bytes apart, hold NaN or ±∞. */
export function defineNotFinite(m: ModuleBuilder): NotFinite {
  return m.internal("notFinite", { params: LOOK, result: "i32" }, (f, { x, row, rows, width }) => {
    const at = f.local("i32");
    const [all, zero] = f.locals("v128", 2);
    // 0 · x is NaN for NaN and ±∞, else ±0: so a union of bits is NaN if any is. It takes a third of the time of a sum.
    const add = (value: ReturnType<typeof v128.load>) => all.set(v128.or(all, f32x4.mul(value, zero)));
    f.forRange(0, rows, 1, () => {
      at.set(x);
      f.vectorLoop(
        width,
        () => {
          add(v128.load(at));
          f.increment(at, 16);
        },
        () => {
          add(v128.load32Zero(at));
          f.increment(at, 4);
        },
      );
      f.increment(x, row);
    });
    f.return(v128.anyTrue(f32x4.ne(all, all)));
  });
}

const READ = { work: "i32", source: "i32", sourceRow: "i32", rows: "i32", width: "i32" } as const;

/** Reads rows ahead (`touchRows`), and looks at them where somebody asks (`looks` of the job). */
export function defineReadRows(m: ModuleBuilder, notFinite: NotFinite, touchRows: TouchRows): FunctionHandle<typeof READ, undefined> {
  return m.internal("readRows", { params: READ }, (f, { work, source, sourceRow, rows, width }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    f.if(
      job.int("looks"),
      () => f.if(f.call(notFinite, { x: source, row: sourceRow, rows, width }), () => job.set("looks", -1)),
      () => f.call(touchRows, { source, sourceRow, rows, bytes: i32.shl(width, 2), to: w.int("room") }),
    );
  });
}

/** Most bytes of an operand that are read ahead. */
const MOST_AHEAD = 64 * 1024;

/**
 * Reads the rows of the sample in place (`definePlace`) once, all heads together, where these share rows and the rows are few: memory hands out
 * neighbours far sooner than one head's part of every row after the other's. (17 tokens, four heads: forward and backward 12 % faster.) Rows that will
 * be written are read for the same reason. `to` is as of `touchRows`.
 */
export function defineTouchSample(
  m: ModuleBuilder,
  touchRows: TouchRows,
  operands: readonly ("query" | "key" | "value" | "output" | `${"output" | "query" | "key" | "value"}Gradient`)[],
): FunctionHandle<{ work: "i32"; to: "i32" }, undefined> {
  return m.internal("touchSample", { params: { work: "i32", to: "i32" } }, (f, { work, to }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    for (const operand of operands) {
      const [isOfKeys, isAsQueries] = [/^(key|value)/.test(operand), /^(query|key)/.test(operand)];
      const rows = w.local(isOfKeys ? "S" : "L");
      const sourceRow = f.let(i32.shl(job.int(`${operand}Row`), 2));
      const lastHead = i32.mul(i32.sub(job.int(isOfKeys ? "Hkv" : "H"), 1), job.int(`${operand}Head`));
      const bytes = f.let(i32.shl(i32.add(lastHead, job.int(isAsQueries ? "D" : "E")), 2));
      f.if(i32.and(i32.leS(bytes, sourceRow), i32.leU(i32.mul(rows, sourceRow), MOST_AHEAD)), () => {
        const first = w.int(isOfKeys ? "firstKey" : "firstQuery");
        const source = job.address(operand, [w.int("b"), `${operand}Batch`], [first, `${operand}Row`]);
        f.call(touchRows, { source, sourceRow, rows, bytes, to });
      });
    }
  });
}
