import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor, zeros } from "../core/construct.ts";
import { eachBackend, expectGolden, expectGradient, loadGolden, randomTensor } from "../testing.ts";
import { embedding } from "./embedding.ts";
import { gather, scatterAdd } from "./gather.ts";
import { indexSelect } from "./index-select.ts";
import { transpose } from "./views.ts";
import { cast } from "./cast.ts";

describe.each(eachBackend())("on $name", ({ use }) => {
  const axisOf = (options: Readonly<Record<string, unknown>>) => options.axis as number;
  it.each(loadGolden("tensor", { op: "gather" }))("gather agrees with $source on $name", (golden) =>
    use(() => expectGolden(golden, ({ inputs: { x, index } }) => ({ y: gather(x, index, axisOf(golden.options)) }))),
  );
  it.each(loadGolden("tensor", { op: "scatter_add" }))("scatterAdd agrees with $source on $name", (golden) =>
    use(() => expectGolden(golden, ({ inputs: { x, index, src } }) => ({ y: scatterAdd(x, index, src, axisOf(golden.options)) }))),
  );
  it.each(loadGolden("tensor", { op: "index_select" }))("indexSelect agrees with $source on $name", (golden) =>
    use(() => expectGolden(golden, ({ inputs: { x, index } }) => ({ y: indexSelect(x, index, axisOf(golden.options)) }))),
  );
  it.each(loadGolden("tensor", { op: "embedding" }))("embedding agrees with $source on $name", (golden) => {
    const { padding_idx: row } = golden.options as { padding_idx: number | null };
    use(() =>
      expectGolden(golden, ({ inputs: { ids }, params: { weight } }) => ({
        y: embedding(weight, ids, row === null ? {} : { paddingIdx: row }),
      })),
    );
  });

  it("moves elements of every dtype as they are, at widths around the vectors'", () =>
    use(() => {
      fc.assert(
        fc.property(
          fc.constantFrom("float32" as const, "float64" as const, "int32" as const, "uint8" as const, "bool" as const),
          fc.integer({ min: 1, max: 19 }),
          fc.array(fc.nat(4), { maxLength: 9 }),
          (dtype, width, ids) => {
            const x = randomTensor([5, width], 1, { dtype, low: 0, high: dtype === "bool" ? 2 : 100 });
            const rows = x.toArray() as number[][];
            expect(indexSelect(x, tensor(Int32Array.from(ids))).toArray()).toEqual(ids.map((id) => rows[id]));
            const index = tensor(Int32Array.from(ids.flatMap((id) => new Array<number>(width).fill(id))), { shape: [ids.length, width] });
            expect(gather(x, index, 0).toArray()).toEqual(ids.map((id) => rows[id]));
            expect(indexSelect(transpose(x), tensor(Int32Array.from(ids)), 1).toArray()).toEqual(
              rows[0].map((_, c) => ids.map((id) => rows[id][c])),
            );
          },
        ),
      );
    }));
});

const ids = (...values: number[]) => tensor(Int32Array.from(values));

describe("gather", () => {
  it("takes an index that is shorter than x on other axes", () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ]);
    expect(gather(x, tensor([[2, 0]], { dtype: "int32" }), 0).toArray()).toEqual([[7, 2]]);
    expectGradient((y) => gather(y, tensor([[2, 0]], { dtype: "int32" }), 0), [[3, 3]]);
  });

  it("names the index that is out of range, and refuses another dtype", () => {
    expect(() => gather(zeros([3]), ids(0, 3), 0)).toThrow("gather: index must be from 0 to 2; got index 1 (row-major) 3, shape [2].");
    expect(() => indexSelect(zeros([2, 3]), ids(-1), 1)).toThrow("Negative indices do not count from the end here.");
    expect(() => gather(zeros([3]), tensor([0, 1]), 0)).toThrow('gather: index must be int32; got index "float32".');
    expect(() => gather(zeros([3, 2]), ids(0), 0)).toThrow("gather: index must have the rank of x");
    expect(() => scatterAdd(zeros([3]), ids(0, 1), zeros([3]), 0)).toThrow("scatterAdd: index must have the shape of src");
    expect(() => indexSelect(zeros([3]), zeros([1, 1], { dtype: "int32" }))).toThrow("indexSelect: index must have one axis");
  });

  it("and its relatives have the gradients of their central differences, second ones too", () => {
    const index = tensor(
      [
        [0, 2, 1, 2],
        [1, 1, 0, 2],
      ],
      { dtype: "int32" },
    );
    expectGradient((x) => gather(x, index, 1), [[2, 3]], { second: true });
    expectGradient(
      (x, src) => scatterAdd(x, index, src, 1),
      [
        [2, 3],
        [2, 4],
      ],
      { second: true },
    );
    expectGradient((x) => indexSelect(x, ids(2, 0, 2), 1), [[2, 3, 2]], { second: true });
    expectGradient((weight) => embedding(weight, index), [[3, 5]], { second: true });
  });

  it("takes empty operands", () => {
    expect(gather(zeros([2, 3]), zeros([2, 0], { dtype: "int32" }), 1).shape).toEqual([2, 0]);
    expect(indexSelect(zeros([0, 3]), zeros([0], { dtype: "int32" })).shape).toEqual([0, 3]);
    expect(scatterAdd(tensor([1, 2]), zeros([0], { dtype: "int32" }), zeros([0]), 0).toArray()).toEqual([1, 2]);
  });
});

describe("embedding", () => {
  it("leaves the gradient of the padding row 0, in a second derivative too", () => {
    const weight = tensor(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      { requiresGrad: true },
    );
    embedding(weight, ids(0, 1, 1), { paddingIdx: 1 }).backward(
      tensor([
        [1, 1],
        [1, 1],
        [1, 1],
      ]),
    );
    expect(weight.grad!.toArray()).toEqual([
      [1, 1],
      [0, 0],
      [0, 0],
    ]);
  });

  it("widens only what it reads of a table in half precision", () => {
    const y = embedding(
      cast(
        tensor([
          [0.5, 1],
          [2, 3],
        ]),
        "bfloat16",
      ),
      ids(1, 0),
    );
    expect([y.dtype, y.toArray()]).toEqual([
      "float32",
      [
        [2, 3],
        [0.5, 1],
      ],
    ]);
  });

  it("names an id out of range", () => {
    expect(() =>
      embedding(
        zeros([3, 2]),
        tensor(
          [
            [0, 1],
            [2, 5],
          ],
          { dtype: "int32" },
        ),
      ),
    ).toThrow("embedding: ids must be from 0 to 2; got ids 3 (row-major) 5, shape [2, 2].");
    expect(() => embedding(zeros([3, 2]), ids(0), { paddingIdx: 3 })).toThrow("embedding: paddingIdx must be a row from 0 to 2");
    expect(() => embedding(zeros([3]), ids(0))).toThrow("embedding: weight must be [N, E]; got weight [3].");
  });
});
