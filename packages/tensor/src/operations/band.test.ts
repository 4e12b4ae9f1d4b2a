import { profileKernels } from "@heed/kernels";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor } from "../core/construct.ts";
import { scope } from "../core/scope.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { randomKey } from "../random/random-key.ts";
import { add } from "./arithmetic.ts";
import { dropout } from "./dropout.ts";
import { gelu } from "./gelu.ts";
import { indexSelect } from "./index-select.ts";
import { addLayerNorm, layerNorm } from "./layer-norm.ts";
import { linear } from "./linear.ts";
import { relu } from "./relu.ts";
import { rmsNorm } from "./rms-norm.ts";
import { sum } from "./sum.ts";
import { slice } from "./views.ts";

/** Takes positions of an axis: by `slice`, whose gradient is known to be zero elsewhere, or by `indexSelect`, whose gradient is just a tensor. */
type Take = (x: Tensor, axis: number, first: number, count: number) => Tensor;
const sliced: Take = (x, axis, first, count) => slice(x, axis, first, first + count);
const selected: Take = (x, axis, first, count) =>
  indexSelect(
    x,
    tensor(
      Int32Array.from({ length: count }, (_, i) => first + i),
      { shape: [count] },
    ),
    axis,
  );

/** The parts of a transformer's block, for [..., 6] or the shape given, each of its inputs with a gradient. */
const layers: Record<string, { readonly weights: readonly Shape[]; readonly run: (x: Tensor, ...weights: Tensor[]) => Tensor }> = {
  linear: { weights: [[5, 6], [5]], run: (x, w, b) => linear(x, w, b) },
  "linear without bias": { weights: [[5, 6]], run: (x, w) => linear(x, w) },
  "linear with gelu": { weights: [[5, 6], [5]], run: (x, w, b) => linear(x, w, b, { activation: "gelu" }) },
  relu: { weights: [], run: (x) => relu(x) },
  layerNorm: { weights: [[6], [6]], run: (x, weight, bias) => layerNorm(x, { weight, bias }) },
  "layerNorm without parameters": { weights: [], run: (x) => layerNorm(x) },
  addLayerNorm: {
    weights: [[6], [6]],
    run: (x, weight, bias) => {
      const { sum, output } = addLayerNorm(x, gelu(x), { weight, bias });
      return add(sum, output);
    },
  },
  dropout: { weights: [], run: (x) => dropout(gelu(x), { p: 0.5, key: randomKey(7) }) },
  rmsNorm: { weights: [[6]], run: (x, weight) => rmsNorm(x, { weight }) },
  "a feed-forward with a residual, post-norm": {
    weights: [[7, 6], [6, 7], [6]],
    run: (x, up, down, weight) => addLayerNorm(x, linear(linear(x, up, undefined, { activation: "geluTanh" }), down), { weight }).output,
  },
};

function gradients(take: Take, name: string, shape: Shape, axis: number, first: number, count: number): (Tensor | null)[] {
  const { weights, run } = layers[name];
  const [x, ...parameters] = [shape, ...weights].map((each, i) =>
    tensor(randomTensor(each, i + 1).toTypedArray(), { shape: each, requiresGrad: true }),
  );
  scope(() => {
    const y = take(run(x, ...parameters), axis, first, count);
    y.backward(randomTensor(y.shape, 99));
  });
  return [x, ...parameters].map((each) => each.grad);
}

/** `[rows, depth]` of the left factors of all products that `fn` makes. */
function products(fn: () => void): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  profileKernels(fn, (_, kernel, args) => {
    if (kernel === "gemmBatched") found.push([args[4], args[6]]);
  });
  return found;
}

describe.each(eachBackend())("the gradient of a slice, on $name", ({ use }) => {
  it.each(Object.keys(layers))("passes %s as any other gradient does", (name) =>
    use(() => {
      for (const [shape, axis, first, count] of [
        [[3, 5, 6], 1, 0, 1],
        [[3, 5, 6], 1, 4, 1],
        [[3, 5, 6], 1, 1, 2],
        [[3, 5, 6], 1, 1, 3], // more than half
        [[3, 5, 6], 0, 2, 1],
        [[3, 5, 6], 0, 0, 3],
        [[4, 5, 6], 0, 1, 2],
        [[3, 5, 6], 1, 2, 0],
        [[3, 5, 6], 2, 1, 2], // no rows of their own: the last axis
        [[5, 6], 0, 2, 2],
        [[2, 3, 4, 6], 1, 1, 1],
        [[2, 3, 4, 6], 2, 0, 2],
      ] as const) {
        const found = gradients(sliced, name, shape, axis, first, count);
        const expected = gradients(selected, name, shape, axis, first, count);
        found.forEach((gradient, i) => expectClose(gradient!, expected[i]!, { rtol: 1e-5, atol: 1e-6 }));
      }
    }),
  );
});

describe("the gradient of a slice", () => {
  it("is that of central differences, and so is the second one", () => {
    for (const name of ["linear with gelu", "addLayerNorm", "rmsNorm", "a feed-forward with a residual, post-norm"]) {
      const { weights, run } = layers[name];
      expectGradient((x, ...parameters) => slice(run(x, ...parameters), 1, 1, 2), [[2, 3, 6], ...weights], { second: true });
    }
  });

  it("passes any chain of layers as any other gradient does", () => {
    const chain = fc.array(fc.constantFrom("relu", "layerNorm without parameters", "square linear", "residual"), {
      minLength: 1,
      maxLength: 5,
    });
    const build = (names: readonly string[], take: Take, first: number, count: number) => {
      const x = tensor(randomTensor([2, 4, 6], 1).toTypedArray(), { shape: [2, 4, 6], requiresGrad: true });
      const w = tensor(randomTensor([6, 6], 2).toTypedArray(), { shape: [6, 6], requiresGrad: true });
      scope(() => {
        let y = x;
        for (const name of names) {
          if (name === "square linear") y = linear(y, w);
          else if (name === "residual") y = add(y, gelu(linear(layerNorm(y), w)));
          else y = layers[name].run(y);
        }
        take(y, 1, first, count).backward(randomTensor([2, count, 6], 3));
      });
      return [x.grad, w.grad];
    };
    fc.assert(
      fc.property(chain, fc.integer({ min: 0, max: 3 }), (names, first) => {
        const count = 4 - first > 1 ? 2 : 1;
        const [found, expected] = [build(names, sliced, first, count), build(names, selected, first, count)];
        found.forEach((gradient, i) => {
          if (expected[i] === null) expect(gradient).toBeNull();
          else expectClose(gradient!, expected[i], { rtol: 1e-4, atol: 1e-5 });
        });
      }),
    );
  });

  it("costs what its rows cost: products of a class token's gradient have no rows of other tokens", () => {
    const name = "a feed-forward with a residual, post-norm";
    const of = (rows: number) => [
      [rows, 6],
      [6, rows],
      [rows, 7],
      [7, rows],
    ];
    expect(products(() => gradients(sliced, name, [16, 10, 6], 1, 0, 1))).toEqual(of(16));
    expect(products(() => gradients(selected, name, [16, 10, 6], 1, 0, 1))).toEqual(of(160));
  });

  it("stays within its rows where two meet that are zero at the same places, and only there", () => {
    const depth = (combine: (y: Tensor) => Tensor) => {
      const w = tensor(randomTensor([6, 6], 2).toTypedArray(), { shape: [6, 6], requiresGrad: true });
      const y = combine(linear(randomTensor([4, 5, 6], 1), w));
      return products(() => y.backward(randomTensor(y.shape, 3)));
    };
    expect(depth((y) => slice(add(y, relu(y)), 1, 2, 4))).toEqual([[6, 8]]);
    expect(depth((y) => slice(dropout(y, { p: 0.5, key: randomKey(7) }), 1, -1))).toEqual([[6, 4]]);
    expect(depth((y) => slice(y, 1, 1, 4))).toEqual([[6, 20]]); // more than half
    // Rows that differ, and all of them.
    expect(depth((y) => add(slice(y, 1, 2, 3), slice(y, 1, 0, 1)))).toEqual([[6, 20]]);
    expect(depth((y) => add(slice(y, 1, 2, 3), sum(y)))).toEqual([[6, 20]]);
  });

  it("leaves out rows that it does not reach, whatever they hold: there it is 0", () => {
    const x = tensor([1, 2, NaN, Infinity], { shape: [2, 2], requiresGrad: true });
    const w = tensor([3, 4, 5, 6], { shape: [2, 2], requiresGrad: true });
    slice(linear(x, w), 0, 0, 1).backward(tensor([[1, 1]]));
    expect(w.grad!.toArray()).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(x.grad!.toArray()).toEqual([
      [8, 10],
      [0, 0],
    ]);
  });
});
