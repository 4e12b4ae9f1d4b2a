import { afterEach, describe, expect, it } from "vitest";
import { ScopeError } from "@heed/kernels";
import { add, mul } from "../operations/arithmetic.ts";
import { sum } from "../operations/sum.ts";
import { slice, transpose } from "../operations/views.ts";
import { tensor, zeros } from "./construct.ts";
import { copyInto } from "./compute.ts";
import { keep } from "./keep.ts";
import { resident } from "./resident.ts";
import { memory, scope } from "./scope.ts";
import { clearGrad, grad, noGrad } from "./tape.ts";
import type { Tensor } from "./tensor.ts";

const x = () =>
  tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
const leaf = () =>
  tensor(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    { requiresGrad: true },
  );

afterEach(() => {
  expect(memory().liveBytes, "live bytes after the test").toBe(0);
});

describe("scope", () => {
  it("moves what is returned out to the heap, also from arrays and plain objects", () => {
    const {
      a,
      list: [b, { c }],
    } = scope(() => ({ a: add(x(), 1), list: [add(x(), 2), { c: add(x(), 3) }] as const }));
    expect(a.toArray()).toEqual([
      [2, 3, 4],
      [5, 6, 7],
    ]);
    expect(b.toArray()).toEqual([
      [3, 4, 5],
      [6, 7, 8],
    ]);
    expect(c.toArray()).toEqual([
      [4, 5, 6],
      [7, 8, 9],
    ]);
    expect(a.storage.home).toBe("heap");
  });

  it("moves what a nested scope returns to the enclosing one, where it stays alive", () => {
    const y = scope(() => {
      const inner = scope(() => {
        add(x(), 7);
        return add(x(), 1);
      });
      expect(inner.storage.home).toBe("scope");
      add(x(), 9); // Reuses the region of the nested scope.
      return add(inner, 1);
    });
    expect(y.toArray()).toEqual([
      [3, 4, 5],
      [6, 7, 8],
    ]);
  });

  it("throws ScopeError when a tensor is touched after its scope ended", () => {
    let inside: Tensor | undefined;
    scope(() => {
      inside = add(x(), 1);
    });
    expect(() => inside!.toArray()).toThrow(ScopeError);
    expect(() => add(inside!, 1)).toThrow(/scope has ended.*keep\(x\)/s);
    expect(() => scope(() => add(inside!, 1))).toThrow(ScopeError);
  });

  it("throws for an asynchronous function, and frees its region", () => {
    expect(() => scope(async () => add(x(), 1))).toThrow(/must be synchronous/);
    expect(() => noGrad(async () => 1)).toThrow(ScopeError);
  });

  it("frees its region when left by an exception; writes in place that were made stay", () => {
    const target = zeros([2, 3]);
    expect(() =>
      scope(() => {
        copyInto(target, add(x(), 1));
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(target.toArray()).toEqual([
      [2, 3, 4],
      [5, 6, 7],
    ]);
  });

  it("keeps a view of an outside tensor alive", () => {
    const outside = x();
    let view: Tensor | undefined;
    scope(() => {
      view = slice(transpose(outside), 0, 1);
      expect(add(view, 0).toArray()).toEqual([
        [2, 5],
        [3, 6],
      ]);
    });
    expect(view!.toArray()).toEqual([
      [2, 5],
      [3, 6],
    ]);
  });

  it("lets a view that moves out take its own elements only", () => {
    const { row, column } = scope(() => {
      const y = add(x(), 1);
      return { row: slice(y, 0, 1), column: slice(y, 1, 0, 1) };
    });
    expect(row.toArray()).toEqual([[5, 6, 7]]);
    expect(row.storage.length).toBe(3);
    expect(column.toArray()).toEqual([[2], [5]]);
    expect(column.storage.length).toBe(2);
  });

  it("moves an unconsumed recording into the enclosing scope", () => {
    const w = leaf();
    scope(() => {
      const y = scope(() =>
        sum(
          mul(
            mul(w, w),
            scope(() => mul(w, w)),
          ),
        ),
      );
      add(x(), 100);
      y.backward();
    });
    expect(w.grad!.toArray()).toEqual([
      [4, 32, 108],
      [256, 500, 864],
    ]);
  });

  it("detaches what leaves the outermost scope: backward then throws ScopeError", () => {
    const w = leaf();
    const y = scope(() => sum(mul(w, w)));
    expect(y.item()).toBe(91);
    expect(y.requiresGrad).toBe(false);
    expect(() => y.backward()).toThrow(ScopeError);
  });

  it("copies an outside tensor in once per version, and only the part that its view spans", () => {
    const outside = tensor(new Float32Array(1_000_000), { shape: [1000, 1000] });
    scope(() => {
      const before = memory().liveBytes;
      add(slice(outside, 0, 10, 12), 1);
      expect(memory().liveBytes - before).toBeLessThan(3 * 8192);
      const after = memory().liveBytes;
      add(slice(outside, 0, 10, 12), 1);
      expect(memory().liveBytes - after).toBeLessThan(8192 + 64);
    });
  });

  it("sees what was written in place since the copy, inside and after the scope", () => {
    const state = zeros([2, 3]);
    scope(() => {
      expect(add(state, 0).toArray()).toEqual([
        [0, 0, 0],
        [0, 0, 0],
      ]);
      copyInto(state, x());
      expect(add(state, 1).toArray()).toEqual([
        [2, 3, 4],
        [5, 6, 7],
      ]);
      expect(state.toArray()).toEqual([
        [1, 2, 3],
        [4, 5, 6],
      ]);
    });
    expect(state.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it("leaves gradients of outside leaves on the heap", () => {
    const w = leaf();
    scope(() => scope(() => sum(mul(w, 3)).backward()));
    scope(() => sum(mul(w, 2)).backward());
    expect(w.grad!.storage.home).toBe("heap");
    expect(w.grad!.toArray()).toEqual([
      [5, 5, 5],
      [5, 5, 5],
    ]);
  });

  it("keeps a copy of what must outlive it", () => {
    let kept: Tensor | undefined;
    scope(() => {
      kept = keep(transpose(add(x(), 1)));
    });
    expect(kept!.toArray()).toEqual([
      [2, 5],
      [3, 6],
      [4, 7],
    ]);
  });
});

describe("backward", () => {
  it("throws when a saved tensor was written in place", () => {
    const w = leaf();
    const y = sum(mul(w, w));
    copyInto(w, x());
    expect(() => y.backward()).toThrow(/written in place/);
  });

  it("consumes the recording", () => {
    const w = leaf();
    const y = sum(mul(w, w));
    y.backward();
    expect(() => y.backward()).toThrow(/already consumed/);
  });

  it("says so when nothing was recorded", () => {
    expect(() => noGrad(() => sum(leaf())).backward()).toThrow(/nothing was recorded/);
    expect(() => mul(leaf(), 2).backward()).toThrow(/single element/);
  });

  it("adds up over several uses and several calls", () => {
    const w = leaf();
    const y = mul(w, w);
    sum(add(y, mul(y, w))).backward();
    expect(w.grad!.toArray()).toEqual([
      [5, 16, 33],
      [56, 85, 120],
    ]);
    sum(w).backward();
    expect(w.grad!.toArray()).toEqual([
      [6, 17, 34],
      [57, 86, 121],
    ]);
    clearGrad([w]);
    expect(w.grad).toBe(null);
  });

  it("frees its temporaries as it walks", () => {
    const w = tensor(new Float32Array(100_000), { requiresGrad: true });
    scope(() => {
      let y = mul(w, 1);
      for (let i = 0; i < 50; i++) y = mul(y, 1.5);
      const forward = memory().liveBytes;
      sum(y).backward();
      expect(memory().liveBytes - forward).toBeLessThan(8 * 400_000);
    });
  });
});

describe("grad", () => {
  it("nests, and touches no .grad", () => {
    const cube = (t: Tensor) => mul(mul(t, t), t);
    const at = tensor(2);
    const first = grad(cube);
    const second = grad((t: Tensor) => first(t));
    const third = grad((t: Tensor) => second(t));
    expect([first(at).item(), second(at).item(), third(at).item()]).toEqual([12, 12, 6]);
    expect(scope(() => third(at).item())).toBe(6);
    expect(at.grad).toBe(null);
  });

  it("takes tensors in arrays and plain objects", () => {
    const f = ({ a, b: [c] }: { a: Tensor; b: Tensor[] }) => sum(mul(a, c));
    const { a, b } = grad(f)({ a: tensor([1, 2]), b: [tensor([3, 4]), tensor([9, 9])] });
    expect([a.toArray(), b[0].toArray(), b[1].toArray()]).toEqual([
      [3, 4],
      [1, 2],
      [0, 0],
    ]);
  });
});

describe("resident", () => {
  it("keeps state and its gradients in linear memory until the last owner releases", () => {
    const w = leaf();
    const a = resident([w]);
    const b = resident([w]);
    expect(w.storage.home).toBe("resident");
    scope(() => sum(mul(w, w)).backward());
    expect(w.grad!.storage.home).toBe("resident");
    a.release();
    a.release();
    expect(w.storage.home).toBe("resident");
    b.release();
    expect([w.storage.home, w.grad!.storage.home]).toEqual(["heap", "heap"]);
    expect(w.grad!.toArray()).toEqual([
      [2, 4, 6],
      [8, 10, 12],
    ]);
    expect(w.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it("survives exceptions and clears gradients without leaking", () => {
    const w = leaf();
    const owner = resident([w]);
    for (let i = 0; i < 3; i++) {
      scope(() => sum(mul(w, w)).backward());
      clearGrad([w]);
    }
    expect(memory().liveBytes).toBe(24);
    owner.release();
  });
});
