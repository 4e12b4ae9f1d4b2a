import { float32View, HeedError, ScopeError } from "@heed/kernels";
import { afterEach, describe, expect, it } from "vitest";
import { add, mul } from "../operations/arithmetic.ts";
import { concat } from "../operations/concat.ts";
import { sum } from "../operations/sum.ts";
import { slice } from "../operations/views.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { copyInto } from "./compute.ts";
import { ones, tensor, zeros } from "./construct.ts";
import { resident, type Stateful } from "./resident.ts";
import { memory, scope } from "./scope.ts";
import { clearGrad } from "./tape.ts";
import type { Tensor } from "./tensor.ts";

const leaf = (values: number[] = [1, 2, 3]) => tensor(values, { requiresGrad: true });
const model = (...tensors: Tensor[]): Stateful => ({ state: () => tensors });
const homes = (...tensors: (Tensor | null)[]) => tensors.map((t) => t?.storage.home);

afterEach(() => {
  expect(memory().liveBytes, "live bytes after the test").toBe(0);
});

describe.each(eachBackend())("resident on $name", ({ use }) => {
  it("keeps state in linear memory, where nothing is copied in any more, and returns it to the heap", () =>
    use(() => {
      const w = ones([1000]);
      const owner = resident([model(w)]);
      expect(memory().liveBytes).toBe(4000);
      scope(() => {
        const before = memory().liveBytes;
        sum(w);
        expect(memory().liveBytes - before).toBe(64);
        copyInto(w, add(w, 1));
      });
      expect(add(w, 1).storage.home).toBe("heap");
      expect(sum(w).item()).toBe(2000);
      owner.release();
      expect(homes(w)).toEqual(["heap"]);
      expect(sum(w).item()).toBe(2000);
    }));

  it("computes the same as without an owner, in scopes and outside", () =>
    use(() => {
      const train = (owned: boolean, wrap: <T>(fn: () => T) => T) => {
        const w = leaf();
        const owner = owned ? resident([w]) : undefined;
        for (let step = 0; step < 3; step++) {
          wrap(() => {
            sum(mul(mul(w, w), w)).backward();
            copyInto(w, add(w, mul(w.grad!, -0.01)));
            clearGrad([w]);
          });
        }
        owner?.release();
        return w.toArray();
      };
      const expected = train(false, (fn) => fn());
      expect(train(true, (fn) => fn())).toEqual(expected);
      expect(train(true, scope)).toEqual(expected);
      expect(train(false, scope)).toEqual(expected);
    }));
});

describe("owners", () => {
  it("keep a gradient that somebody holds when it is forgotten, and use its place again", () => {
    const w = leaf();
    const owner = resident([w]);
    sum(w).backward();
    const held = w.grad!;
    clearGrad([w]);
    expect([w.grad, held.storage.home, held.toArray()]).toEqual([null, "heap", [1, 1, 1]]);
    const addresses = [0, 1].map(() => {
      sum(w).backward();
      const address = w.heldGrad!.storage.addressInMemory("test");
      clearGrad([w]);
      return address;
    });
    expect(addresses[0]).toBe(addresses[1]);
    owner.release();
  });

  it("lay out state one behind another, gradients alike, with zeros in the gaps", () => {
    const [a, b, c] = [leaf(), leaf([1, 2, 3, 4, 5]), leaf()];
    const owner = resident([model(a, b, c)]);
    sum(concat([a, b, c])).backward();
    const at = (of: (x: Tensor) => Tensor) =>
      [a, b, c].map((x) => of(x).storage.addressInMemory("test") - of(a).storage.addressInMemory("test"));
    expect(at((x) => x)).toEqual([0, 64, 128]);
    expect(at((x) => x.heldGrad!)).toEqual([0, 64, 128]);
    const start = b.heldGrad!.storage.addressInMemory("test") / 4;
    expect([...float32View().subarray(start, start + 16)]).toEqual([1, 1, 1, 1, 1, ...Array<number>(11).fill(0)]);
    owner.release();
  });

  it("overlap: what they share stays until the last one releases, in whatever order", () => {
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
    ]) {
      const [embedding, a, b] = [leaf(), leaf(), leaf()];
      const owners = [resident([model(embedding, a)]), resident([model(embedding, b)]), resident([model(a, embedding)])];
      sum(add(add(embedding, a), b)).backward();
      expect(homes(embedding.grad, a.grad, b.grad)).toEqual(["resident", "resident", "resident"]);
      owners[order[0]].release();
      owners[order[0]].release();
      owners[order[1]].release();
      expect(homes(embedding, embedding.grad)).toEqual(["resident", "resident"]);
      owners[order[2]].release();
      expect(homes(embedding, a, b, embedding.grad, a.grad, b.grad)).toEqual(["heap", "heap", "heap", "heap", "heap", "heap"]);
      expect(embedding.grad!.toArray()).toEqual([1, 1, 1]);
    }
  });

  it("take a tensor listed twice, and a view, once", () => {
    const w = ones([8]);
    const owner = resident([w, model(w, w), slice(w, 0, 0, 2)]);
    expect(memory().liveBytes).toBe(32);
    owner.release();
    expect(homes(w)).toEqual(["heap"]);
  });

  it("take gradients that are there already, and let go of those that are forgotten", () => {
    const w = leaf();
    sum(w).backward();
    const owner = resident([w]);
    expect(homes(w.grad)).toEqual(["resident"]);
    sum(w).backward();
    expect(w.grad!.toArray()).toEqual([2, 2, 2]);
    const old = w.grad!;
    w.grad = null;
    expect(memory().liveBytes).toBe(12);
    expect(old.toArray()).toEqual([2, 2, 2]);
    sum(w).backward();
    clearGrad([w]);
    expect(memory().liveBytes).toBe(12);
    w.grad = ones([3]);
    sum(w).backward();
    expect(w.grad.toArray()).toEqual([2, 2, 2]);
    owner.release();
  });

  it("may begin and end inside a scope, also with tensors born or changed there", () => {
    const w = leaf();
    let born: Tensor | undefined;
    const owner = scope(() => {
      copyInto(w, zeros([3]));
      const state = add(w, 1);
      born = state;
      return resident([w, state]);
    });
    expect(homes(w, born!)).toEqual(["resident", "resident"]);
    scope(() => {
      copyInto(born!, add(born!, 1));
      owner.release();
      copyInto(w, add(born!, 1));
    });
    expect([w.toArray(), born!.toArray()]).toEqual([
      [3, 3, 3],
      [2, 2, 2],
    ]);
  });

  it("own all or nothing", () => {
    const w = leaf();
    let ended: Tensor | undefined;
    scope(() => {
      ended = add(w, 1);
    });
    expect(() => resident([w, ended!])).toThrow(ScopeError);
    expect(homes(w)).toEqual(["heap"]);
    expect(() => resident([model(w, 3 as never)])).toThrow(HeedError);
    expect(homes(w)).toEqual(["heap"]);
  });

  it("outlive exceptions of the steps between", () => {
    const w = leaf();
    const owner = resident([w]);
    expect(() =>
      scope(() => {
        sum(mul(w, w)).backward();
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(w.grad!.toArray()).toEqual([2, 4, 6]);
    owner.release();
  });
});

describe("the collector", () => {
  const collect = globalThis.gc;

  it.skipIf(collect === undefined)("releases what a forgotten owner held (needs --expose-gc)", async () => {
    const w = leaf();
    (() => void resident([w]))();
    expect(homes(w)).toEqual(["resident"]);
    for (let i = 0; i < 50 && w.storage.home === "resident"; i++) {
      collect!();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(homes(w)).toEqual(["heap"]);
    expect(w.toArray()).toEqual([1, 2, 3]);
  });

  it.skipIf(collect === undefined)("frees the state of models that were dropped with their owner (needs --expose-gc)", async () => {
    for (let i = 0; i < 20; i++) resident([ones([1000], { requiresGrad: true })]);
    expect(memory().liveBytes).toBeGreaterThan(0);
    for (let i = 0; i < 50 && memory().liveBytes > 0; i++) {
      collect!();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(memory().liveBytes).toBe(0);
  });
});
