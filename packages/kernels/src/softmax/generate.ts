import { f32, f32x4, f64, i32, i32x4, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, FunctionBuilder, Local, V128 } from "../assembler/index.ts";
import { Constants, fastDecayBlock, logBlock, sumOfLanes } from "../building-blocks/index.ts";
import { mapRow, sumRow } from "../building-blocks/row.ts";

type Int = Local<"i32">;
type Real = Local<"f32">;

/** Elements of a row whose exponentials are added up in float32 before their sum joins a float64 total. */
const SEGMENT = 1024;

/** The WebAssembly of softmax, its logarithm, and cross-entropy. Each goes over a row in a few passes; rows stay in L1 between. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const rowsOf = { rows: "i32", n: "i32" } as const;

  m.func("softmax", { params: { x: "i32", out: "i32", ...rowsOf } }, (f, { x, out, rows, n }) => {
    const t = tools(f, n);
    f.forRange(0, rows, 1, () => {
      t.findMost(x);
      t.exponentials(x, out);
      t.invertSum();
      mapRow(f, n, [out], [out], ([e]) => [f32x4.mul(e, t.factors)]);
      t.advance(x, out);
    });
  });

  m.func("softmaxGrad", { params: { y: "i32", g: "i32", out: "i32", ...rowsOf } }, (f, { y, g, out, rows, n }) => {
    const bytes = f.let(i32.shl(n, 2));
    const dots = f.local("v128");
    f.forRange(0, rows, 1, () => {
      const [dot] = sumRow(f, n, [y, g], 1, ([value, cotangent], [total]) => [f.madd(value, cotangent, total)]);
      dots.set(f32x4.splat(dot));
      mapRow(f, n, [y, g], [out], ([value, cotangent]) => [f32x4.mul(value, f32x4.sub(cotangent, dots))]);
      for (const pointer of [y, g, out]) f.increment(pointer, bytes);
    });
  });

  m.func("logSoftmax", { params: { x: "i32", out: "i32", ...rowsOf } }, (f, { x, out, rows, n }) => {
    const t = tools(f, n);
    f.forRange(0, rows, 1, () => {
      t.findMost(x);
      t.exponentials(x, undefined);
      t.takeLog();
      f.if(
        f32.eq(t.sum, 0),
        () => t.factors.set(f32x4.splat(0)),
        () => t.factors.set(f32x4.splat(t.log)),
      );
      mapRow(f, n, [x], [out], ([value]) => [f32x4.sub(f32x4.sub(value, t.mosts), t.factors)]);
      t.advance(x, out);
    });
  });

  m.func("logSoftmaxGrad", { params: { y: "i32", g: "i32", out: "i32", ...rowsOf } }, (f, { y, g, out, rows, n }) => {
    const bytes = f.let(i32.shl(n, 2));
    const totals = f.local("v128");
    const exp = fastDecayBlock(new Constants(f));
    f.forRange(0, rows, 1, () => {
      const [total] = sumRow(f, n, [g], 1, ([cotangent], [sum]) => [f32x4.add(sum, cotangent)]);
      totals.set(f32x4.splat(total));
      mapRow(f, n, [y, g], [out], ([value, cotangent]) => {
        const share = f.let(exp(value));
        return [f.nmadd(share, totals, cotangent)];
      });
      for (const pointer of [y, g, out]) f.increment(pointer, bytes);
    });
  });

  m.func("logSumExp", { params: { x: "i32", out: "i32", ...rowsOf } }, (f, { x, out, rows, n }) => {
    const t = tools(f, n);
    f.forRange(0, rows, 1, () => {
      t.findMost(x);
      t.exponentials(x, undefined);
      t.takeLog();
      f.store(out, f32.add(t.most, t.log));
      t.advance(x);
      f.increment(out, 4);
    });
  });

  m.func(
    "crossEntropy",
    { params: { logits: "i32", target: "i32", loss: "i32", ...rowsOf, labelSmoothing: "f32", ignoreIndex: "i32" } },
    (f, { logits, target, loss, rows, n, labelSmoothing, ignoreIndex }) => {
      const t = tools(f, n);
      const [label, value] = [f.local("i32"), f.local("f32")];
      const share = f.let(f32.div(labelSmoothing, f32.convertI32S(n)));
      const rest = f.let(f32.sub(1, labelSmoothing));
      f.forRange(0, rows, 1, () => {
        label.set(i32.load(target));
        value.set(0);
        f.if(i32.ne(label, ignoreIndex), () => {
          t.findMost(logits);
          t.exponentials(logits, undefined);
          t.takeLog();
          value.set(f32.sub(t.log, f32.mul(rest, f32.sub(f32.load(i32.add(logits, i32.shl(label, 2))), t.most))));
          f.if(f32.ne(labelSmoothing, 0), () => {
            const [total] = sumRow(f, n, [logits], 1, ([logit], [sum]) => [f32x4.add(sum, f32x4.sub(logit, t.mosts))]);
            value.set(f32.sub(value, f32.mul(share, total)));
          });
          f.if(f32.eq(t.sum, 0), () => value.set(Infinity)); // every class has probability 0
        });
        f.store(loss, value);
        t.advance(logits);
        f.increment(target, 4);
        f.increment(loss, 4);
      });
    },
  );

  m.func(
    "crossEntropyGrad",
    { params: { logits: "i32", target: "i32", g: "i32", out: "i32", ...rowsOf, labelSmoothing: "f32", ignoreIndex: "i32" } },
    (f, { logits, target, g, out, rows, n, labelSmoothing, ignoreIndex }) => {
      const t = tools(f, n);
      const [label, at, wanted] = [f.local("i32"), f.local("i32"), f.local("f32")];
      const share = f.let(f32.div(labelSmoothing, f32.convertI32S(n)));
      const shares = f.let(f32x4.splat(share));
      const rest = f.let(f32.sub(1, labelSmoothing));
      const cotangents = f.local("v128");
      f.forRange(0, rows, 1, () => {
        label.set(i32.load(target));
        f.block((done) => {
          f.if(i32.ne(label, ignoreIndex), () => {
            t.findMost(logits);
            t.exponentials(logits, out);
            f.if(f32.ne(t.sum, 0), () => {
              t.invertSum();
              at.set(i32.add(out, i32.shl(label, 2)));
              wanted.set(f32.sub(f32.sub(f32.div(f32.load(at), t.sum), share), rest));
              cotangents.set(v128.load32Splat(g));
              mapRow(f, n, [out], [out], ([e]) => [f32x4.mul(f32x4.sub(f32x4.mul(e, t.factors), shares), cotangents)]);
              f.store(at, f32.mul(wanted, f32.load(g)));
              f.branch(done);
            });
          });
          f.memoryFill(out, 0, t.bytes); // an ignored row, or one that is −∞ throughout
        });
        t.advance(logits, out);
        f.increment(target, 4);
        f.increment(g, 4);
      });
    },
  );
  return m.toBytes();
}

/** What the kernels share: passes over a row of n elements, and where they leave their results. */
function tools(f: FunctionBuilder, n: Int) {
  const k = new Constants(f);
  const exp = fastDecayBlock(k);
  const log = logBlock(k);
  const bytes = f.let(i32.shl(n, 2));
  const [most, sum, logOfSum] = f.locals("f32", 3) as [Real, Real, Real];
  const [mosts, factors, lanes] = f.locals("v128", 3);
  const first = f.let(i32x4.const(-1, 0, 0, 0));
  return {
    bytes,
    most,
    sum,
    log: logOfSum,
    mosts,
    factors,

    /** The maximum, 0 where it is −∞, so that −∞ less it stays −∞. NaN is passed over: the sum will meet it. */
    findMost(x: Int): void {
      const at = f.let(x);
      lanes.set(f32x4.splat(-Infinity));
      f.vectorLoop(
        n,
        () => {
          lanes.set(f32x4.pmax(lanes, v128.load(at)));
          f.increment(at, 16);
        },
        () => {
          lanes.set(f32x4.pmax(lanes, v128.load32Splat(at)));
          f.increment(at, 4);
        },
      );
      lanes.set(f32x4.pmax(lanes, f32x4.shuffle(lanes, lanes, [2, 3, 0, 1])));
      lanes.set(f32x4.pmax(lanes, f32x4.shuffle(lanes, lanes, [1, 0, 3, 2])));
      most.set(f32x4.extractLane(lanes, 0));
      f.if(f32.eq(most, -Infinity), () => most.set(0));
      mosts.set(f32x4.splat(most));
    },

    /** `e^(x − most)` to `out`, if there is one, and their sum: float32 within segments, float64 over them. */
    exponentials(x: Int, out: Int | undefined): void {
      const from = f.let(x);
      const to = out === undefined ? undefined : f.let(out);
      const values = f.locals("v128", 2);
      const sums = f.locals("v128", 2);
      const total = f.local("f64");
      const [left, length] = f.locals("i32", 2);
      const e = (load: V128) => exp(f32x4.sub(load, mosts));
      const step = (count: number) => {
        f.increment(from, count);
        if (to !== undefined) f.increment(to, count);
      };
      total.set(0);
      left.set(n);
      f.doWhile(i32.gtS(left, 0), () => {
        length.set(i32.minS(left, SEGMENT));
        for (const one of sums) one.set(f32x4.splat(0));
        const wide = f.let(i32.and(length, -8));
        f.forRange(0, wide, 8, () => {
          for (const i of [0, 1]) {
            values[i].set(e(v128.load(from, 16 * i)));
            sums[i].set(f32x4.add(sums[i], values[i]));
            if (to !== undefined) f.store(to, values[i], 16 * i);
          }
          step(32);
        });
        f.forRange(wide, length, 1, () => {
          values[0].set(e(v128.load32Splat(from)));
          sums[0].set(f32x4.add(sums[0], v128.and(values[0], first)));
          if (to !== undefined) f.store32Lane(to, values[0], 0);
          step(4);
        });
        sums[0].set(f32x4.add(sums[0], sums[1]));
        total.set(f64.add(total, f64.promoteF32(sumOfLanes(f, sums[0]))));
        left.set(i32.sub(left, length));
      });
      sum.set(f32.demoteF64(total));
    },

    /** `factors` = 1 / sum in all lanes, 0 where the sum is 0. */
    invertSum(): void {
      f.if(
        f32.eq(sum, 0),
        () => factors.set(f32x4.splat(0)),
        () => factors.set(f32x4.splat(f32.div(1, sum))),
      );
    },

    /** `log` = ln sum; −∞ for 0. */
    takeLog(): void {
      lanes.set(f32x4.splat(sum));
      lanes.set(log(lanes));
      logOfSum.set(f32x4.extractLane(lanes, 0));
    },

    advance(...pointers: Int[]): void {
      for (const pointer of pointers) f.increment(pointer, bytes);
    },
  };
}
