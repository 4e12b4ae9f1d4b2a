import { f32x4, i32, v128 } from "../assembler/index.ts";
import type { Expression, FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from "../assembler/index.ts";

/** Loads and stores of the last one to three elements of a row. */
export interface Tails {
  readonly load: FunctionHandle<{ pointer: "i32"; count: "i32" }, "v128">;
  readonly store: FunctionHandle<{ pointer: "i32"; count: "i32"; value: "v128" }, undefined>;
}

/** Adds the two functions to a module; they are called once a row at most. `count` is 1, 2 or 3; missing lanes are 0. */
export function tails(m: ModuleBuilder): Tails {
  return {
    load: m.internal("loadTail", { params: { pointer: "i32", count: "i32" }, result: "v128" }, (f, { pointer, count }) => {
      f.if(i32.eq(count, 1), () => f.return(v128.load32Zero(pointer)));
      const pair = f.let(v128.load64Zero(pointer));
      f.if(i32.eq(count, 2), () => f.return(pair));
      f.return(v128.load32Lane(pointer, pair, 2, 8));
    }),
    store: m.internal("storeTail", { params: { pointer: "i32", count: "i32", value: "v128" } }, (f, { pointer, count, value }) => {
      f.if(i32.eq(count, 1), () => {
        f.store32Lane(pointer, value, 0);
        f.return();
      });
      f.store64Lane(pointer, value, 0);
      f.if(i32.eq(count, 3), () => f.store32Lane(pointer, value, 2, 8));
    }),
  };
}

/**
 * `out[i] = body(inputs[0][i], …)` for `n` elements of four bytes, four at a time. `out` may be an input. The pointers and `n` are
 * used up.
 *
 * The body is in the module once, and no call is inside the loop: it would make the engine keep every constant in memory.
 * So the last vector is the last four elements, which overlap those before; its inputs are read first, since `out` may be
 * an input. An element's value does not depend on its place, so the overlap is written with what it holds.
 *
 * @param together how many vectors of a longer row go side by side, for bodies that are long chains; the wide build takes two at least
 */
export function elementLoop(
  f: FunctionBuilder,
  tail: Tails,
  inputs: readonly Local<"i32">[],
  out: Local<"i32">,
  n: Local<"i32">,
  body: (...values: Local<"v128">[]) => Expression<"v128">,
  together = f.build === "wide" ? 2 : 1,
): void {
  const values = f.locals("v128", inputs.length, "value");
  const lasts = f.locals("v128", inputs.length, "last");
  const result = f.local("v128", "result");
  const pointers = new Set([...inputs, out]);
  if (together > 1) {
    // All are read before any is written, so that the wide build's engine makes one vector of two.
    f.if(i32.geS(n, 4 * together), () => {
      f.doWhile(i32.geS(n, 4 * together), () => {
        const results = f.sideBySide(together, (index) => body(...inputs.map((pointer) => f.let(v128.load(pointer, 16 * index)))));
        results.forEach((result, index) => f.store(out, result, 16 * index));
        for (const pointer of pointers) f.increment(pointer, 16 * together);
        f.increment(n, -4 * together);
      });
    });
  }
  f.block((done) => {
    f.branchIf(done, i32.leS(n, 0));
    const short = f.let(i32.ltS(n, 4), "short");
    f.if(
      short,
      () => inputs.forEach((pointer, j) => values[j]!.set(f.call(tail.load, { pointer, count: n }))),
      () => {
        const last = f.let(i32.shl(i32.sub(n, 4), 2), "last");
        inputs.forEach((pointer, j) => {
          values[j]!.set(v128.load(pointer));
          lasts[j]!.set(v128.load(i32.add(pointer, last)));
        });
      },
    );
    f.block((tooShort) => {
      f.loop((again) => {
        result.set(body(...values));
        f.branchIf(tooShort, short);
        f.store(out, result);
        f.increment(n, -4);
        f.branchIf(done, i32.leS(n, 0));
        for (const pointer of pointers) f.increment(pointer, 16);
        f.if(
          i32.geS(n, 4),
          () => inputs.forEach((pointer, j) => values[j]!.set(v128.load(pointer))),
          () => {
            inputs.forEach((_, j) => values[j]!.set(lasts[j]!));
            out.set(i32.sub(out, i32.shl(i32.sub(4, n), 2)));
          },
        );
        f.branch(again);
      });
    });
    f.call(tail.store, { pointer: out, count: n, value: result });
  });
}

/** The sum of the four lanes, as (0 + 2) + (1 + 3). */
export function sumOfLanes(f: FunctionBuilder, vector: Local<"v128">): Expression<"f32"> {
  const pairs = f.let(f32x4.add(vector, f32x4.shuffle(vector, vector, [2, 3, 0, 1])));
  return f32x4.extractLane(f32x4.add(pairs, f32x4.shuffle(pairs, pairs, [1, 0, 3, 2])), 0);
}
