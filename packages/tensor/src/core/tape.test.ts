import { DTypeError, HeedError, ScopeError, ShapeError } from "@heed/kernels";
import { afterEach, describe, expect, it } from "vitest";
import { add, mul, sub } from "../operations/arithmetic.ts";
import { cast } from "../operations/cast.ts";
import { greater } from "../operations/comparisons.ts";
import { exp } from "../operations/exponential.ts";
import { matmul } from "../operations/matmul.ts";
import { sum } from "../operations/sum.ts";
import { softmax } from "../operations/softmax.ts";
import { topK } from "../operations/top-k.ts";
import { reshape, slice, transpose } from "../operations/views.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { copyInto } from "./compute.ts";
import { full, ones, tensor, zeros } from "./construct.ts";
import { keep } from "./keep.ts";
import { memory, scope } from "./scope.ts";
import { clearGrad, grad, noGrad, record, recordMany, valueAndGrad } from "./tape.ts";
import type { Tensor } from "./tensor.ts";

const leaf = (values: number[] = [1, 2, 3]) => tensor(values, { requiresGrad: true });

afterEach(() => {
  expect(memory().liveBytes, "live bytes after the test").toBe(0);
});

describe.each(eachBackend())("backward on $name", ({ use }) => {
  it("gives the same gradients outside scopes, in one, and in nested ones", () =>
    use(() => {
      const at = [randomTensor([3, 5], 1), randomTensor([5, 2], 2)];
      const gradients = (wrap: <T>(fn: () => T) => T) => {
        const [a, b] = at.map((x) => tensor(x.toTypedArray(), { shape: x.shape, requiresGrad: true }));
        wrap(() => {
          const weights = wrap(() => softmax(matmul(a, b), -1));
          const loss = wrap(() =>
            sum(
              mul(
                weights,
                wrap(() => exp(weights)),
              ),
            ),
          );
          wrap(() => loss.backward());
        });
        return [a.grad!.toArray(), b.grad!.toArray()];
      };
      const outside = gradients((fn) => fn());
      expect(gradients(scope)).toEqual(outside);
      let depth = 0;
      expect(gradients((fn) => (depth++ === 0 ? scope(fn) : fn()))).toEqual(outside);
    }));

  it("takes a cotangent of the tensor's shape and dtype, also one that is a view", () =>
    use(() => {
      const w = leaf();
      mul(w, w).backward(tensor([10, 20, 30]));
      expect(w.grad!.toArray()).toEqual([20, 80, 180]);
      clearGrad([w]);
      mul(w, w).backward(slice(tensor([9, 3, 2, 1]), 0, undefined, 0, -1));
      expect(w.grad!.toArray()).toEqual([2, 8, 18]);
    }));

  it("adds up where a tensor is used several times, also twice in one operation", () =>
    use(() => {
      const w = leaf();
      const y = mul(w, w);
      sum(add(add(y, y), mul(y, w))).backward();
      expect(w.grad!.toArray()).toEqual([7, 20, 39]);
    }));

  it("leaves gradients of outside leaves on the heap, and those of leaves in the making where the leaf is", () =>
    use(() => {
      const w = leaf();
      const inner = scope(() => {
        const own = leaf();
        sum(mul(mul(w, own), own)).backward();
        return own;
      });
      expect(w.grad!.storage.home).toBe("heap");
      expect(inner.grad!.toArray()).toEqual([2, 8, 18]);
      expect(w.grad!.toArray()).toEqual([1, 4, 9]);
    }));

  it("reaches a leaf through views of every kind", () =>
    use(() => {
      const w = tensor(
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        { requiresGrad: true },
      );
      sum(mul(slice(reshape(transpose(w), [6]), 0, 0, 4), tensor([1, 10, 100, 1000]))).backward();
      expect(w.grad!.toArray()).toEqual([
        [1, 100, 0],
        [10, 1000, 0],
      ]);
    }));

  it("frees its temporaries as it walks, and nothing that waits or is returned", () =>
    use(() => {
      const w = tensor(new Float32Array(10_000).fill(1), { requiresGrad: true });
      scope(() => {
        let y: Tensor = w;
        for (let i = 0; i < 30; i++) y = add(mul(y, 0.5), mul(y, 0.5));
        const before = memory().liveBytes;
        y.backward(full([10_000], 1));
        expect(memory().liveBytes - before).toBeLessThanOrEqual(4 * 40_000 + 64 * 40);
      });
      expect(w.grad!.toTypedArray().every((g) => g === 1)).toBe(true);
    }));

  it("walks several results of one operation, with undefined for those without a cotangent", () =>
    use(() => {
      const w = leaf([3, 1, 2]);
      const seen: boolean[] = [];
      const split = (x: Tensor): [Tensor, Tensor] => {
        const [a, b] = noGrad(() => [mul(x, 2), mul(x, 3)]);
        recordMany("split", [a, b], [x], [], ([ga, gb]) => {
          seen.push(ga !== undefined, gb !== undefined);
          return [add(mul(ga ?? zeros([3]), 2), mul(gb ?? zeros([3]), 3))];
        });
        return [a, b];
      };
      sum(split(w)[1]).backward();
      const [a, b] = split(w);
      sum(add(a, b)).backward();
      expect(seen).toEqual([false, true, true, true]);
      expect(w.grad!.toArray()).toEqual([8, 8, 8]);
    }));
});

describe("backward", () => {
  it("throws for a cotangent that is missing, or of another shape or dtype", () => {
    const y = mul(leaf(), 2);
    expect(() => y.backward()).toThrow(ShapeError);
    expect(() => y.backward(ones([4]))).toThrow(/cotangent must have the tensor's shape and dtype; got tensor \[3\], cotangent \[4\]/);
    expect(() => y.backward(ones([1]))).toThrow(ShapeError);
    expect(() => y.backward(ones([3], { dtype: "float64" }))).toThrow(ShapeError);
    y.backward(ones([3]));
  });

  it("consumes the recording: a second walk throws, also through a part that two results share", () => {
    const w = leaf();
    const shared = mul(w, w);
    const [a, b] = [sum(shared), sum(mul(shared, 2))];
    a.backward();
    expect(() => a.backward()).toThrow(/already consumed.*grad\(f\)/);
    expect(() => b.backward()).toThrow(/recording of "mul" was already consumed/);
    expect(w.grad!.toArray()).toEqual([2, 4, 6]);
  });

  it("records nothing itself", () => {
    const w = leaf();
    sum(mul(w, w)).backward();
    expect(w.grad!.requiresGrad).toBe(false);
  });

  it("throws when what it saved was written in place since, also through a view and inside a scope", () => {
    const w = leaf();
    const y = sum(mul(slice(w, 0, 0, 2), slice(w, 0, 0, 2)));
    copyInto(w, zeros([3]));
    expect(() => y.backward()).toThrow(/"mul" saved was written in place since/);
    scope(() => {
      const z = sum(mul(w, w));
      copyInto(w, ones([3]));
      expect(() => z.backward()).toThrow(HeedError);
    });
    // What no rule reads may change.
    const linear = sum(mul(w, 3));
    copyInto(w, zeros([3]));
    linear.backward();
    expect(w.grad!.toArray()).toEqual([3, 3, 3]);
  });

  it("throws ScopeError when what it needs ended with a scope that it did not leave by being returned", () => {
    const w = leaf();
    scope(() => {
      let y: Tensor | undefined;
      scope(() => {
        y = reshape(w, [3, 1]);
        y = mul(exp(y), 2);
      });
      expect(() => sum(y!)).toThrow(ScopeError);
    });
  });

  it("tells a history that was never there from one that ended with its scope", () => {
    expect(() => sum(tensor([1])).backward()).toThrow(/nothing was recorded/);
    expect(() => scope(() => sum(leaf())).backward()).toThrow(/recording of this tensor ended with its outermost scope.*inside the scope/);
  });

  it("stops at detach, at comparisons and at integers", () => {
    const w = leaf([3, 1, 2]);
    expect(w.detach().requiresGrad).toBe(false);
    expect(greater(w, 2).requiresGrad).toBe(false);
    expect(cast(w, "int32").requiresGrad).toBe(false);
    const { values, indices } = topK(w, 2);
    expect([values.requiresGrad, indices.requiresGrad]).toEqual([true, false]);
    sum(mul(w, w.detach())).backward();
    expect(w.grad!.toArray()).toEqual([3, 1, 2]);
  });

  it("stays with an outside tensor that a scope returns", () => {
    const w = leaf();
    const y = sum(mul(w, w));
    const { same, derived } = scope(() => ({ same: y, derived: add(y, 1) }));
    expect(derived.requiresGrad).toBe(false);
    same.backward();
    expect(w.grad!.toArray()).toEqual([2, 4, 6]);
  });

  it("finds a mistake in a rule", () => {
    const w = leaf();
    const y = record(
      "wrong",
      noGrad(() => mul(w, 2)),
      [w],
      [],
      (g) => [sum(g)],
    );
    expect(() => sum(y).backward()).toThrow(/internal: gradient 0 of "wrong" is \[\], not \[3\]/);
  });

  it("tells a rule which gradients are needed, and takes undefined for the others", () => {
    const [a, b] = [leaf(), tensor([1, 2, 3])];
    let asked: readonly boolean[] = [];
    const y = record(
      "pair",
      noGrad(() => mul(a, b)),
      [a, b],
      [b],
      (g, needs) => {
        asked = needs;
        return [mul(g, b), undefined];
      },
    );
    sum(y).backward();
    expect(asked).toEqual([true, false]);
    expect(a.grad!.toArray()).toEqual([1, 2, 3]);
  });
});

describe("noGrad", () => {
  it("records nothing, and puts recording back, also after an exception", () => {
    const w = leaf();
    expect(noGrad(() => mul(w, w)).requiresGrad).toBe(false);
    expect(() =>
      noGrad(() => {
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(noGrad(() => noGrad(() => 1) + Number(mul(w, w).requiresGrad))).toBe(1);
    expect(mul(w, w).requiresGrad).toBe(true);
  });

  it("refuses a promise, and lets no rejection go unhandled", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      const late = async () => {
        await Promise.resolve();
        throw new Error("late");
      };
      expect(() => noGrad(late)).toThrow(ScopeError);
      expect(() => scope(late)).toThrow(ScopeError);
      expect(() => grad(late as never)(tensor(1))).toThrow(ScopeError);
      await new Promise((resolve) => setTimeout(resolve, 5));
    } finally {
      process.off("unhandledRejection", note);
    }
    expect(unhandled).toEqual([]);
  });
});

describe.each(eachBackend())("grad on $name", ({ use }) => {
  const cube = (t: Tensor) => sum(mul(mul(t, t), t));

  it("differentiates by the first argument, passes the others on, and gives the value too", () =>
    use(() => {
      const f = (x: Tensor, factor: Tensor, power: number) => sum(mul(power === 2 ? mul(x, x) : x, factor));
      expect(grad(f)(tensor([1, 2]), tensor([3, 4]), 2).toArray()).toEqual([6, 16]);
      const { value, gradient } = valueAndGrad(f)(tensor([1, 2]), tensor([3, 4]), 2);
      expect([value.item(), gradient.toArray(), value.requiresGrad]).toEqual([19, [6, 16], false]);
    }));

  it("gives the second derivative inside scopes, around them and between them", () =>
    use(() => {
      const at = tensor([1, 2, 3]);
      const forms: ((x: Tensor) => Tensor)[] = [
        grad((x) => sum(grad(cube)(x))),
        grad((x) => scope(() => sum(grad(cube)(x)))),
        grad((x) => sum(scope(() => grad(cube)(x)))),
        grad((x) =>
          sum(
            grad((y: Tensor) =>
              scope(() =>
                sum(
                  mul(
                    scope(() => mul(y, y)),
                    y,
                  ),
                ),
              ),
            )(x),
          ),
        ),
        (x) => scope(() => scope(() => grad((y: Tensor) => sum(scope(() => grad(cube)(y))))(x))),
      ];
      for (const form of forms) {
        expect(form(at).toArray()).toEqual([6, 12, 18]);
        expect(scope(() => form(at)).toArray()).toEqual([6, 12, 18]);
      }
    }));

  it("does not confuse its variable with that of a gradient around it", () =>
    use(() => {
      // d/dx (x · d/dy (x · y²)) = d/dx (2 x² y) = 4 x y
      const f = grad((x: Tensor) => mul(x, grad((y: Tensor) => mul(x, mul(y, y)))(tensor(5))));
      expect(f(tensor(3)).item()).toBe(60);
      // The same tensor as both: d/dx (d/dy (x y) at y = x) = d/dx x = 1.
      expect(grad((x: Tensor) => grad((y: Tensor) => mul(x, y))(x))(tensor(3)).item()).toBe(1);
    }));

  it("gives zeros for what the result does not depend on, and separate gradients for the same tensor twice", () =>
    use(() => {
      const x = tensor([1, 2]);
      const { a, b, c } = grad(({ a: p, c: q }: { a: Tensor; b: Tensor; c: Tensor }) => sum(mul(p, mul(q, q))))({ a: x, b: x, c: x });
      expect([a.toArray(), b.toArray(), c.toArray()]).toEqual([
        [1, 4],
        [0, 0],
        [2, 8],
      ]);
    }));

  it("works in noGrad, and on what needs no gradient", () =>
    use(() => {
      expect(noGrad(() => grad(cube)(tensor([2]))).toArray()).toEqual([12]);
      expect(grad((_: Tensor) => tensor(7))(tensor([2])).toArray()).toEqual([0]);
    }));

  it("touches no .grad, and leaves recordings from before its call to their owner", () =>
    use(() => {
      const w = leaf();
      const before = mul(w, w);
      expect(grad((x: Tensor) => sum(mul(x, before)))(tensor([1, 1, 1])).toArray()).toEqual([1, 4, 9]);
      expect(w.grad).toBe(null);
      sum(before).backward();
      expect(w.grad!.toArray()).toEqual([2, 4, 6]);
    }));

  it("is not recorded itself, unless inside another gradient", () =>
    use(() => {
      const w = leaf();
      expect(grad(cube)(w).requiresGrad).toBe(false);
      expect(w.grad).toBe(null);
    }));
});

describe("grad", () => {
  it("says what its function must give and take", () => {
    expect(() => grad((x: Tensor) => mul(x, 2))(tensor([1, 2]))).toThrow(
      /grad: only a single element has an implied cotangent; got shape \[2\]/,
    );
    expect(() => grad((() => 3) as never)(tensor([1]))).toThrow(/the function's result must be a Tensor/);
    expect(() => grad(sum as never)(3 as never)).toThrow(/first argument must be a tensor, or tensors in arrays and plain objects/);
    expect(() => grad((x: Tensor) => sum(x))(tensor([1], { dtype: "int32" }))).toThrow(HeedError);
  });

  it("closes after an exception", () => {
    expect(() =>
      grad(() => {
        throw new Error("stop");
      })(tensor(1)),
    ).toThrow("stop");
    expect(grad((x: Tensor) => mul(x, x))(tensor(3)).requiresGrad).toBe(false);
  });

  it("may be used on kept copies across scopes", () => {
    const kept = scope(() => keep(add(tensor([1, 2]), 1)));
    expectClose(grad((x: Tensor) => sum(mul(x, x)))(kept), [4, 6]);
    expect(sub(kept, 1).toArray()).toEqual([1, 2]);
    expect(() => tensor([1], { dtype: "int32", requiresGrad: true })).toThrow(DTypeError);
  });
});
