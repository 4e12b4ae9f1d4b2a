import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cast, matmul, randomKey, reshape, slice, sum, tensor, transpose, zeros, type Tensor } from "@heed/tensor";
import type { Bias, TermContext } from "@heed/tensor/terms";
import { eachBackend, expectClose, expectGradient, loadGolden, randomTensor } from "@heed/tensor/testing";
import { alibi, alibiSlopes, gridBias, initT5Bias, quadraticBias, rope, t5Bias, t5Buckets } from "./index.ts";

const context = (L: number, S: number, queryOffset: number | Int32Array = S - L, more: Partial<TermContext> = {}): TermContext => ({
  B: typeof queryOffset === "number" ? 1 : queryOffset.length,
  H: 2,
  L,
  S,
  queryOffset,
  ...more,
});

/** What a kernel reads from the lowered form, as [b, h, i, j]. */
function read(bias: Bias, at: TermContext, [rows, columns]: readonly [number, number] = [0, 0]): number[][][][] {
  const form = bias.lower(at);
  const { L, S } = at;
  const offsets = typeof at.queryOffset === "number" ? [at.queryOffset] : Array.from(at.queryOffset);
  const every = <T>(n: number, make: (index: number) => T) => Array.from({ length: n }, (_, index) => make(index));
  if (form.form === "relative") {
    const table = form.table.toArray() as number[][][];
    return table.map((heads) => heads.map((row) => every(L, (i) => every(S, (j) => row[j - i + L - 1]!))));
  }
  if (form.form !== "grid") throw new Error(form.form);
  const table = form.table.toArray() as number[][][];
  return offsets.map((offset) =>
    table.map((plane) =>
      every(L, (i) =>
        every(S, (j) => {
          const [query, key] = [i + offset - form.prefix, j - form.prefix];
          if (query < 0 || key < 0) return 0;
          const down = Math.floor(key / columns) - Math.floor(query / columns);
          return plane[down + rows - 1]![(key % columns) - (query % columns) + columns - 1]!;
        }),
      ),
    ),
  );
}

describe("alibi", () => {
  it.each(loadGolden("positional", { op: "alibi" }))("agrees with $source on $name", ({ options, outputs, tolerance }) => {
    const {
      num_heads: numHeads,
      symmetric,
      lq,
      lk,
    } = options as unknown as { num_heads: number; symmetric: boolean; lq: number; lk: number };
    expectClose(tensor(Float64Array.from(alibiSlopes(numHeads))), outputs.slopes!, tolerance);
    if (outputs.bias === undefined) return;
    const bias = alibi({ numHeads, symmetric }).dense(context(lq, lk, lk - lq, { dtype: "float64" }));
    expectClose(reshape(bias, [numHeads, lq, lk]), outputs.bias, tolerance);
  });

  it("makes its table in the dtype of the call", () => {
    expect(alibi({ numHeads: 2 }).dense(context(2, 2)).dtype).toBe("float32");
    expect(alibi({ numHeads: 2 }).dense(context(2, 2, 0, { dtype: "float64" })).dtype).toBe("float64");
  });
});

describe("t5Bias", () => {
  it.each(loadGolden("positional", { op: "t5_relative" }))("agrees with $source on $name", ({ inputs, params, options, outputs }) => {
    const {
      lq,
      lk,
      bidirectional,
      num_buckets: numBuckets,
      max_distance: maxDistance,
    } = options as unknown as {
      lq: number;
      lk: number;
      bidirectional: boolean;
      num_buckets: number;
      max_distance: number;
    };
    const relative = inputs.relative!.toTypedArray() as Int32Array;
    expect(t5Buckets(relative, { bidirectional, numBuckets, maxDistance })).toEqual(outputs.buckets_of_relative!.toTypedArray());
    const bias = t5Bias({ weight: params.weight!, bidirectional, maxDistance });
    expectClose(reshape(bias.dense(context(lq, lk)), outputs.bias!.shape), outputs.bias!);
  });

  it("has the gradient of its central differences, dense and lowered", () => {
    expectGradient((weight) => t5Bias({ weight }).dense(context(3, 5)), [randomTensor([8, 2], 1)]);
    expectGradient((weight) => (t5Bias({ weight }).lower(context(3, 5)) as { table: Tensor }).table, [randomTensor([8, 2], 1)]);
  });

  it("starts from a normal weight with a gradient", () => {
    const weight = initT5Bias(randomKey(1), { numHeads: 3 });
    expect([weight.shape, weight.requiresGrad]).toEqual([[32, 3], true]);
  });
});

describe("gridBias", () => {
  const grid = [2, 3] as const;

  it("reads the offset of the key's cell from the query's; pairs with the prefix get 0", () => {
    const table = randomTensor([2, 3, 5], 4);
    const cells = [...grid.keys()].length * 3; // 6 cells
    const dense = gridBias({ table, grid, prefix: 1 })
      .dense(context(cells + 1, cells + 1))
      .toArray() as number[][][][];
    const values = table.toArray() as number[][][];
    expect(dense[0]![1]![0]!.every((value) => value === 0)).toBe(true);
    expect(dense[0]![1]!.every((row) => row[0] === 0)).toBe(true);
    // Query cell (0, 2), key cell (1, 0): one row down, two columns back.
    expect(dense[0]![1]![1 + 2]![1 + 3]).toBe(values[1]![1 + 1]![-2 + 2]);
  });

  it("has the gradient of its central differences", () => {
    expectGradient((table) => gridBias({ table, grid }).dense(context(6, 6)), [randomTensor([2, 3, 5], 2)]);
    expectGradient(
      (centers, alpha) => quadraticBias({ centers, alpha, grid }).dense(context(4, 6, 1)),
      [randomTensor([2, 2], 2), randomTensor([2], 3)],
    );
  });
});

describe.each(eachBackend())("on $name", ({ use }) => {
  it("the lowered form says what the dense definition says, wherever queries stand", () =>
    use(() => {
      const sizes = fc.record({
        L: fc.integer({ min: 1, max: 6 }),
        S: fc.integer({ min: 1, max: 6 }),
        offsets: fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }),
      });
      fc.assert(
        fc.property(sizes, ({ L, S, offsets }) => {
          for (const queryOffset of [S - L, Int32Array.from(offsets)]) {
            const at = context(L, S, queryOffset);
            for (const bias of [
              alibi({ numHeads: 2 }),
              alibi({ numHeads: 2, symmetric: true }),
              t5Bias({ weight: randomTensor([8, 2], 1) }),
            ]) {
              expectClose(bias.dense(at), read(bias, at));
            }
          }
        }),
        { numRuns: 20 },
      );
      for (const prefix of [0, 1]) {
        for (const queryOffset of [0, 1, Int32Array.of(0, 2)]) {
          const at = context(3, 6, queryOffset);
          const table = gridBias({ table: randomTensor([2, 3, 5], 1), grid: [2, 3], prefix });
          const quadratic = quadraticBias({ centers: randomTensor([2, 2], 1), alpha: randomTensor([2], 2), grid: [2, 3], prefix });
          for (const bias of [table, quadratic]) expectClose(bias.dense(at), read(bias, at, [2, 3]));
        }
      }
    }));
});

describe("rope", () => {
  it.each(loadGolden("positional", { op: "rope" }))("agrees with $source on $name", ({ inputs, options, output, tolerance }) => {
    const {
      style,
      base,
      rotary_dim: rotaryDim,
      position_scale: positionScale,
    } = options as unknown as {
      style: string;
      base: number;
      rotary_dim: number;
      position_scale: number;
    };
    const turn = {
      positions: inputs.positions!,
      base,
      rotaryDim,
      positionScale,
      style: style === "interleaved" ? style : "halfSplit",
    } as const;
    expectClose(rope(inputs.x!, turn), output, tolerance);
  });

  it("lets products depend on the distance alone, and keeps lengths", () => {
    const [q, k, x] = [
      [1, 8],
      [1, 8],
      [3, 8],
    ].map((shape, seed) => cast(randomTensor(shape, seed), "float64")) as [Tensor, Tensor, Tensor];
    const product = (i: number, j: number) => matmul(rope(q, { positions: i }), transpose(rope(k, { positions: j }))).item();
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), fc.nat(500), (i, j, shift) => {
        expect(product(i + shift, j + shift)).toBeCloseTo(product(i, j), 9);
      }),
    );
    expectClose(sum(rope(x, { positions: 17 }).mul(rope(x, { positions: 17 })), -1), sum(x.mul(x), -1), 1e-12);
  });

  it("counts positions from a number, takes a list, and none at all", () => {
    const x = randomTensor([2, 3, 4], 5);
    expectClose(rope(x, { positions: 2 }), rope(x, { positions: [2, 3, 4] }));
    expectClose(slice(rope(x), 1, 0, 1), slice(x, 1, 0, 1));
    expect(rope(zeros([0, 4])).shape).toEqual([0, 4]);
    expectClose(rope(x, { rotaryDim: 0 }), x);
  });

  it("has the gradient of its central differences", () => {
    expectGradient((x) => rope(x, { positions: 3 }), [randomTensor([2, 3, 5], 1)]);
    expectGradient((x) => rope(x, { positions: 3, style: "halfSplit", rotaryDim: 2 }), [randomTensor([2, 3, 5], 1)]);
  });
});
