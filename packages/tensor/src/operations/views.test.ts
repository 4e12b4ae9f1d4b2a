import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import { rowMajor, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGolden } from "../testing/expect-golden.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { loadGolden } from "../testing/load-golden.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { flip } from "./flip.ts";
import { square } from "./powers.ts";
import { roll } from "./roll.ts";
import { expand, permute, reshape, slice, squeeze, transpose, unsqueeze } from "./views.ts";

type Step = readonly [string, ...unknown[]];

/** The steps of the golden `view_chain`. */
function take(x: Tensor, [name, ...given]: Step): Tensor {
  const numbers = given as number[];
  const list = given[0] as number[];
  switch (name) {
    case "transpose":
      return transpose(x, numbers[0], numbers[1]);
    case "permute":
      return permute(x, list);
    case "reshape":
      return reshape(x, list);
    case "slice":
      return slice(x, numbers[0], numbers[1], numbers[2], numbers[3]);
    case "flip":
      return flip(x, list);
    case "expand":
      return expand(x, list);
    case "squeeze":
      return squeeze(x, numbers[0]);
    case "unsqueeze":
      return unsqueeze(x, numbers[0]);
    case "roll":
      return roll(x, numbers[0], numbers[1]);
    case "square":
      return square(x);
    default:
      throw new Error(`no step ${name}`);
  }
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "view_chain" }))("agrees with $source on $name", (stored) =>
    use(() => {
      expectGolden(stored, ({ inputs: { x } }) => ({ y: (stored.options.steps as Step[]).reduce(take, x) }));
    }),
  );
});

/** A tensor as plain data: what views mean, without strides. */
interface Plain {
  readonly shape: readonly number[];
  readonly at: (index: readonly number[]) => number;
}

/** One random step on both: the view, and its definition. */
const steps: readonly ((x: Tensor, plain: Plain, draw: (n: number) => number) => [Tensor, Plain])[] = [
  (x, { shape, at }, draw) => {
    const order = shape.map((_, axis) => axis);
    for (let i = order.length - 1; i > 0; i--) {
      const j = draw(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return [
      permute(x, order),
      { shape: order.map((axis) => shape[axis]), at: (index) => at(shape.map((_, axis) => index[order.indexOf(axis)])) },
    ];
  },
  (x, { shape, at }, draw) => {
    const axis = draw(shape.length);
    const step = [1, 2, -1, -2][draw(4)];
    const [start, stop] = [draw(shape[axis] + 1) - 1, draw(shape[axis] + 2)];
    const positions = Array.from({ length: shape[axis] }, (_, i) => i);
    const first = start < 0 ? start + shape[axis] : start;
    const chosen = (step > 0 ? positions : [...positions].reverse())
      .filter((i) => (step > 0 ? i >= first && i < stop : i <= first && i > stop))
      .filter((_, i) => i % Math.abs(step) === 0);
    return [
      slice(x, axis, start, stop, step),
      {
        shape: shape.map((n, i) => (i === axis ? chosen.length : n)),
        at: (index) => at(index.map((i, other) => (other === axis ? chosen[i] : i))),
      },
    ];
  },
  (x, { shape, at }, draw) => {
    const axis = draw(shape.length + 1);
    const length = 1 + draw(3);
    const stretched = [...shape.slice(0, axis), length, ...shape.slice(axis)];
    return [expand(unsqueeze(x, axis), stretched), { shape: stretched, at: (index) => at(index.filter((_, i) => i !== axis)) }];
  },
  (x, { shape, at }, draw) => {
    // Joins two neighbours, or splits off a factor.
    const axis = draw(shape.length);
    const joined = axis + 1 < shape.length && draw(2) === 0;
    const factor = [1, 2, 3].filter((f) => shape[axis] % f === 0).at(-1)!;
    const to = joined
      ? [...shape.slice(0, axis), shape[axis] * shape[axis + 1], ...shape.slice(axis + 2)]
      : [...shape.slice(0, axis), factor, shape[axis] / factor, ...shape.slice(axis + 1)];
    const [before, after] = [rowMajor(shape), rowMajor(to)];
    return [
      reshape(x, to),
      {
        shape: to,
        at: (index) => {
          const flat = index.reduce((sum, i, other) => sum + i * after[other], 0);
          return at(shape.map((length, other) => Math.floor(flat / before[other]) % length));
        },
      },
    ];
  },
];

it("chains of views show the elements that their definitions say", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(3), fc.nat(1e6)), { maxLength: 6 }),
      (shape, chain) => {
        const x = randomTensor(shape, 1);
        const data = x.toTypedArray();
        const strides = rowMajor(shape);
        let pair: [Tensor, Plain] = [x, { shape, at: (index) => data[index.reduce((sum, i, axis) => sum + i * strides[axis], 0)] }];
        for (const [kind, seed] of chain) {
          let state = seed;
          const draw = (n: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 1) % n;
          if (sizeOf(pair[0].shape) < 200) pair = steps[kind](...pair, draw);
        }
        const [view, plain] = pair;
        expect(view.shape).toEqual(plain.shape);
        const expected: number[] = [];
        const visit = (index: number[]) => {
          if (index.length === plain.shape.length) expected.push(plain.at(index));
          else for (let i = 0; i < plain.shape[index.length]; i++) visit([...index, i]);
        };
        visit([]);
        expect([...view.toTypedArray()]).toEqual(expected);
        // A kernel that reads through the strides sees the same.
        expectClose(
          square(view),
          tensor(
            expected.map((value) => Math.fround(value * value)),
            { shape: plain.shape },
          ),
          0,
        );
      },
    ),
    { numRuns: 300, seed: 1 },
  );
});

it("views share storage, and reshape copies only where it must", () => {
  const x = randomTensor([2, 3, 5], 1);
  for (const view of [
    transpose(x, 0, 1),
    slice(x, 1, 0, 2),
    expand(x, [7, 2, 3, 5]),
    reshape(x, [6, 5]),
    reshape(transpose(x, 0, 1), [3, 2, 5, 1]),
    unsqueeze(x, 1),
  ]) {
    expect(view.storage).toBe(x.storage);
  }
  expect(reshape(transpose(x, 0, 1), [6, 5]).storage).not.toBe(x.storage);
});

describe("has the gradient of its central differences", () => {
  const cases: Readonly<Record<string, (x: Tensor) => Tensor>> = {
    transpose: (x) => transpose(x, 0, 1),
    permute: (x) => permute(x, [2, 0, 1]),
    reshape: (x) => reshape(transpose(x), [3, -1]),
    "slice with steps": (x) => slice(x, 2, 4, 0, -2),
    "slice of the end": (x) => slice(x, 1, -1),
    "slice backwards to the start": (x) => slice(x, 2, undefined, undefined, -3),
    "an empty slice": (x) => slice(x, 1, 2, 1),
    expand: (x) => expand(unsqueeze(x, 1), [7, 2, 3, 3, 5]),
    squeeze: (x) => squeeze(reshape(x, [2, 1, 15])),
  };
  it.each(Object.entries(cases))("%s", (_, view) => expectGradient((x) => square(view(x)), [[2, 3, 5]], { second: true }));
});

it("says which axis or shape does not fit", () => {
  const x = zeros([2, 3]);
  expect(() => transpose(x, 0, 2)).toThrow(/transpose: axis must be an integer from -2 to 1; got axis 2/);
  expect(() => permute(x, [0, 0])).toThrow(/permute: axes must name every axis once; got axes \[0, 0\], shape \[2, 3\]/);
  expect(() => reshape(x, [4, -1])).toThrow(/reshape: the number of elements must stay the same/);
  expect(() => reshape(x, [-1, -1])).toThrow(/reshape/);
  expect(() => slice(x, 0, 0, 1, 0)).toThrow(/slice: start, stop and step must be integers, step not 0/);
  expect(() => expand(x, [2, 4])).toThrow(/expand: only axes of length 1 stretch/);
  expect(() => squeeze(x, 0)).toThrow(/squeeze: the axis must have length 1/);
});

it("says that lengths and axes come as one list", () => {
  const x = zeros([2, 3]);
  const onePerArgument = (name: "reshape" | "permute" | "expand") => (x[name] as unknown as (...lengths: number[]) => Tensor).call(x, 3, 2);
  for (const name of ["reshape", "permute", "expand"] as const) {
    expect(() => onePerArgument(name)).toThrow(`${name}: takes one list of numbers; got received 3. Write [2, 3], not 2, 3.`);
  }
  expect(() => (zeros as unknown as (...lengths: number[]) => Tensor)(3, 2)).toThrow("full: takes one list of numbers; got received 3.");
});
