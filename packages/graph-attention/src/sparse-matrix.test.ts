import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matmul, randomKey, tensor, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { GATConv, GATv2Conv, Graph, SparseMatrix, sparseMatmul } from "./index.ts";

const bag = tensor([
  [0, 2, 0, 1],
  [0, 0, 0, 0],
  [3, 0, 0, 4],
]);

describe("SparseMatrix", () => {
  it("holds what is not 0, row by row", () => {
    const sparse = SparseMatrix.fromDense(bag);
    expect([sparse.shape, sparse.entryCount, sparse.values.toArray()]).toEqual([[3, 4], 4, [2, 1, 3, 4]]);
    const same = SparseMatrix.fromRows({ shape: [3, 4], offsets: [0, 2, 2, 4], columns: [1, 3, 0, 3], values: tensor([2, 1, 3, 4]) });
    expectClose(sparseMatmul(same, randomTensor([4, 2], 1)), sparseMatmul(sparse, randomTensor([4, 2], 1)));
    expect(SparseMatrix.fromRows({ shape: [1, 2], offsets: [0, 2], columns: [0, 1] }).values.toArray()).toEqual([1, 1]);
  });

  it.each(eachBackend())("multiplies as the dense matrix does, on $name", ({ use }) =>
    use(() => {
      const sizes = fc.record({ n: fc.nat(6), k: fc.integer({ min: 1, max: 6 }), m: fc.integer({ min: 1, max: 9 }), seed: fc.nat(99) });
      fc.assert(
        fc.property(sizes, ({ n, k, m, seed }) => {
          const dense = tensor(
            Float32Array.from({ length: n * k }, (_, i) => (((i + seed) * 7) % 5 < 2 ? i - 3 : 0)),
            { shape: [n, k] },
          );
          const b = randomTensor([k, m], seed);
          expectClose(sparseMatmul(SparseMatrix.fromDense(dense), b), matmul(dense, b), 1e-5);
        }),
        { numRuns: 40 },
      );
    }),
  );

  it("has the gradients of its central differences, by the values and by the dense matrix", () => {
    const sparse = SparseMatrix.fromDense(bag);
    const product = (values: Tensor, b: Tensor) => sparseMatmul(sparse.withValues(values), b);
    expectGradient(product, [randomTensor([4], 1), randomTensor([4, 3], 2)]);
  });

  it("stands where features of nodes stand", () => {
    const graph = Graph.fromEdges(tensor(Int32Array.of(0, 1, 2, 1, 2, 0), { shape: [2, 3] }));
    const sparse = SparseMatrix.fromDense(bag);
    for (const layer of [new GATConv(4, 3, { key: randomKey(1), heads: 2 }), new GATv2Conv(4, 3, { key: randomKey(1), heads: 2 })]) {
      expectClose(layer.forward(sparse, graph), layer.forward(bag, graph), 1e-6);
    }
  });

  it("names what is wrong", () => {
    const wrong: [() => unknown, string][] = [
      [
        () => SparseMatrix.fromRows({ shape: [2, 3], offsets: [0, 1], columns: [0] }),
        "SparseMatrix: offsets must be [rows + 1], from 0 to the number of entries; got rows 2, offsets 2, first 0",
      ],
      [
        () => SparseMatrix.fromRows({ shape: [2, 3], offsets: [0, 2, 1], columns: [0] }),
        "SparseMatrix: offsets must not fall; got row 1, from 2, to 1",
      ],
      [
        () => SparseMatrix.fromRows({ shape: [2, 3], offsets: [0, 1, 2], columns: [0, 3] }),
        "SparseMatrix: entry 1 lies in no column of 0 … 2; got column 3, row 1",
      ],
      [() => SparseMatrix.fromDense(bag).withValues(zeros([3])), "SparseMatrix: values must be [entries]; got values [3], entries 4"],
      [
        () => sparseMatmul(SparseMatrix.fromDense(bag), zeros([3, 2])),
        "sparseMatmul: the dense matrix must be [k, m], k the columns of the sparse one; got sparse [3, 4], dense [3, 2]",
      ],
    ];
    for (const [call, message] of wrong) expect(call).toThrow(message);
  });
});
