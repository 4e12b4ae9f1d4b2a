import { describe, expect, it } from "vitest";
import { HeedError, noGrad, ones, randomKey, scope, ScopeError, sum, type Tensor } from "@heed/tensor";
import { Dropout, dropoutKey, evaluating, FeedForward, isTraining, Linear, Module, predict, training } from "./index.ts";

const key = randomKey(3);
const x = ones([8, 8]);
const bits = (y: Tensor) => Array.from(y.toTypedArray(), (value) => (value === 0 ? "0" : "1")).join("");

class Inner extends Module {
  readonly drop = new Dropout(0.5);
  readonly again = new Dropout(0.5);
}
class Outer extends Module {
  readonly parts = [new Inner(), new Inner()];

  /** Every dropout once, in the order given. */
  masks(order: readonly Dropout[] = this.all()): string[] {
    return order.map((drop) => bits(drop.forward(x)));
  }

  all(): Dropout[] {
    return this.parts.flatMap((part) => [part.drop, part.again]);
  }
}
function outer(): Outer {
  const model = new Outer();
  expect([...model.namedModules()]).toHaveLength(7);
  return model;
}

describe("training", () => {
  it("replays: the same step key gives the same masks, another one others", () => {
    const first = training(key.split(1), () => outer().masks());
    expect(training(key.split(1), () => outer().masks())).toEqual(first);
    expect(training(key.split(2), () => outer().masks())).not.toEqual(first);
  });

  it("gives each place its own mask, whatever was called before it", () => {
    const model = outer();
    const masks = training(key, () => model.masks());
    expect(new Set(masks).size).toBe(4);
    expect(training(key, () => model.masks([...model.all()].reverse())).reverse()).toEqual(masks);
    expect(training(key, () => model.masks([model.all()[2]]))).toEqual([masks[2]]);
  });

  it("numbers the calls of one module, and starts again with each training", () => {
    const model = outer();
    const [drop, other] = model.all();
    const [a, b, c] = training(key, () => model.masks([drop, drop, drop]));
    expect(new Set([a, b, c]).size).toBe(3);
    const replayed = training(key, () => [...model.masks([drop]), ...model.masks([other]), ...model.masks([drop])]);
    expect([replayed[0], replayed[2]]).toEqual([a, b]);
    expect(bits(training(key, () => drop.forward(x)))).toBe(a);
  });

  it("hangs masks on the path below the outermost module: walking a part alone changes none", () => {
    const model = outer();
    const before = training(key, () => model.masks());
    model.parts[1].parameters();
    expect(training(key, () => model.masks())).toEqual(before);
  });

  it("derives the keys that it promises", () => {
    expect(training(key, () => [dropoutKey("a.b"), dropoutKey("a.b"), dropoutKey("c")]).map(String)).toEqual(
      [key.split("a.b").split(0), key.split("a.b").split(1), key.split("c").split(0)].map(String),
    );
    expect(dropoutKey("a.b")).toBe(undefined);
  });

  it("nests: evaluating inside training, training inside evaluating, each with calls of its own", () => {
    const model = outer();
    const [drop] = model.all();
    const [a, b] = training(key, () => model.masks([drop, drop]));
    training(key, () => {
      expect(bits(drop.forward(x))).toBe(a);
      evaluating(() => {
        expect(isTraining()).toBe(false);
        expect(drop.forward(x)).toBe(x);
        expect(training(key, () => model.masks([drop, drop]))).toEqual([a, b]);
      });
      expect(isTraining()).toBe(true);
      expect(bits(drop.forward(x))).toBe(b);
    });
    expect(isTraining()).toBe(false);
  });

  it("ends with an exception too, and refuses promises", () => {
    expect(() =>
      training(key, () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(isTraining()).toBe(false);
    expect(() => training(key, async () => 1)).toThrow(ScopeError);
    expect(() => training(key, async () => 1)).toThrow(/training: the function must be synchronous, but it returned a promise/);
    expect(() => evaluating(async () => 1)).toThrow(/evaluating: the function must be synchronous/);
    expect(isTraining()).toBe(false);
  });
});

describe("predict", () => {
  const model = new FeedForward(8, 4, { key, dropoutP: 0.5 });

  it("evaluates without recording, and hands out what lives on the heap", () => {
    const y = training(key, () => predict(model, x));
    expect([y.requiresGrad, y.storage.home]).toEqual([false, "heap"]);
    expect(y.toArray()).toEqual(noGrad(() => model.forward(x)).toArray());
    expect(() => sum(y).backward()).toThrow(HeedError);
  });

  it("takes several inputs, gives what forward gives, and nests in a scope", () => {
    class Two extends Module {
      readonly layer = new Linear(8, 2, { key });
      forward(a: Tensor, b: Tensor, { factor }: { factor: number }) {
        return { sum: this.layer.forward(a.add(b)).mul(factor), rest: [a] };
      }
    }
    const two = new Two();
    const { sum: total, rest } = predict(two, x, x, { factor: 2 });
    expect(total.shape).toEqual([8, 2]);
    expect(rest[0]).toBe(x);
    expect(scope(() => predict(two, x, x, { factor: 2 }).sum.toArray())).toEqual(total.toArray());
  });
});
