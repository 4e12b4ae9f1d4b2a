import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import type { Tensor } from "../core/tensor.ts";
import { eachBackend, expectClose, expectGolden, expectGradient, loadGolden, randomTensor } from "../testing.ts";
import { flip } from "./flip.ts";
import { square } from "./powers.ts";
import { roll } from "./roll.ts";
import { tile } from "./tile.ts";
import { tril, triu } from "./triangular.ts";
import { expand, permute, reshape, slice, squeeze, transpose, unsqueeze } from "./views.ts";

type Step = [string, ...never[]];
const steps: Record<string, (x: Tensor, ...rest: never[]) => Tensor> = {
  transpose,
  permute,
  reshape,
  slice,
  flip,
  expand,
  squeeze,
  unsqueeze,
  roll,
  square,
};

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "view_chain" }))("views agree with $source on $name", (golden) =>
    use(() =>
      expectGolden(golden, ({ inputs }) => ({
        y: (golden.options.steps as Step[]).reduce((x, [name, ...rest]) => steps[name](x, ...rest), inputs.x),
      })),
    ),
  );
  it.each(loadGolden("tensor", { op: "tile" }))("tile agrees with $source on $name", (golden) =>
    use(() => expectGolden(golden, ({ inputs }) => ({ y: tile(inputs.x, golden.options.repeats as number[]) }))),
  );
  it.each(loadGolden("tensor", { op: "tri" }))("triangles agree with $source on $name", (golden) => {
    const { fn, diagonal } = golden.options as { fn: "tril" | "triu"; diagonal: number };
    use(() => expectGolden(golden, ({ inputs }) => ({ y: (fn === "tril" ? tril : triu)(inputs.x, diagonal) })));
  });
});

const [A, B, C] = [2, 3, 5];
const x = randomTensor([A, B, C], 1);
/** The element at an index, of a nested array. */
const at = (y: Tensor, ...index: number[]) => index.reduce<unknown>((list, i) => (list as unknown[])[i], y.toArray()) as number;

describe("flip and roll", () => {
  it("put elements where their definitions say, on views too", () => {
    fc.assert(
      fc.property(fc.subarray([0, 1, 2]), fc.integer({ min: -12, max: 12 }), fc.nat(2), (axes, shift, axis) => {
        const flipped = flip(x, axes);
        const rolled = roll(flip(x, axes), shift, axis);
        const mirror = (i: number, length: number, here: number) => (axes.includes(here) ? length - 1 - i : i);
        const lengths = [A, B, C];
        for (let a = 0; a < A; a++)
          for (let b = 0; b < B; b++)
            for (let c = 0; c < C; c++) {
              expect(at(flipped, a, b, c)).toBe(at(x, mirror(a, A, 0), mirror(b, B, 1), mirror(c, C, 2)));
              const moved = [a, b, c];
              moved[axis] = (((moved[axis] + shift) % lengths[axis]) + lengths[axis]) % lengths[axis];
              expect(at(rolled, ...moved)).toBe(at(flipped, a, b, c));
            }
      }),
      { numRuns: 30, seed: 1 },
    );
    expect(flip(x, 0).storage).toBe(x.storage);
    expect(flip(x).shape).toEqual(x.shape);
  });

  it("take empty axes, and refuse axes that are not there", () => {
    expect(roll(zeros([0, 2]), 3, 0).shape).toEqual([0, 2]);
    expect(flip(zeros([0, 2])).shape).toEqual([0, 2]);
    expect(() => flip(x, 3)).toThrow("flip: axis must be an integer from -3 to 2");
    expect(() => roll(x, 0.5, 0)).toThrow("roll: shift must be an integer");
  });
});

describe("tile", () => {
  it("repeats the whole tensor, with axes added in front", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { maxLength: 5 }), (repeats) => {
        const y = tile(x, repeats);
        const rank = Math.max(3, repeats.length);
        const shape = [...new Array<number>(rank - 3).fill(1), A, B, C];
        const times = [...new Array<number>(rank - repeats.length).fill(1), ...repeats];
        expect(y.shape).toEqual(shape.map((n, i) => n * times[i]));
        if (y.size > 0) {
          const last = y.shape.map((n) => n - 1);
          expect(at(y, ...last)).toBe(at(x, A - 1, B - 1, C - 1));
        }
      }),
    );
    expect(tile(tensor([1, 2]), [2, 2]).toArray()).toEqual([
      [1, 2, 1, 2],
      [1, 2, 1, 2],
    ]);
    expect(() => tile(x, [-1])).toThrow("tile: repeats must be non-negative integers; got repeats [-1].");
  });
});

describe("tril and triu", () => {
  it("keep the elements that their definition says, of any dtype, and zero NaN", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -7, max: 7 }),
        fc.constantFrom("float32" as const, "int32" as const, "bool" as const),
        (diagonal, dtype) => {
          const source = randomTensor([A, B, C], 2, { dtype, low: 1, high: dtype === "bool" ? 2 : 9 });
          const [lower, upper] = [tril(source, diagonal).toTypedArray(), triu(source, diagonal).toTypedArray()];
          source.toTypedArray().forEach((value: number, i: number) => {
            const [row, column] = [Math.floor(i / C) % B, i % C];
            expect(lower[i]).toBe(column <= row + diagonal ? value : 0);
            expect(upper[i]).toBe(column >= row + diagonal ? value : 0);
          });
        },
      ),
    );
    expect(
      tril(
        tensor([
          [1, Number.NaN],
          [2, 3],
        ]),
      ).toArray(),
    ).toEqual([
      [1, 0],
      [2, 3],
    ]);
    expect(
      tril(
        transpose(
          tensor([
            [1, 2],
            [3, 4],
          ]),
        ),
      ).toArray(),
    ).toEqual([
      [1, 0],
      [2, 4],
    ]);
    expect(tril(zeros([0, 3])).shape).toEqual([0, 3]);
    expect(() => triu(zeros([3]))).toThrow("triu: x must have at least two axes");
  });
});

it("have the gradients of their central differences", () => {
  expectGradient((y) => roll(flip(y, [0, 2]), 2, 1), [[A, B, C]], { second: true });
  expectGradient((y) => tile(y, [2, 1, 3, 1]), [[A, B, C]]);
  expectGradient((y) => [tril(y, 1), triu(y, -1)], [[A, B, C]], { second: true });
  expectClose(reshape(tile(x, [1, 1, 1]), [A * B * C]), reshape(x, [-1]));
});
