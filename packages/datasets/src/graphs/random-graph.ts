import { HeedError, randomIntegers, tensor, type RandomKey, type Tensor } from "@heed/tensor";

/**
 * A graph whose edges join nodes at random, sources and targets drawn alike and independently: loops and repeats may occur.
 * @returns edgeIndex int32 `[2, edgeCount]`
 * @throws {HeedError} for counts that are negative or no whole numbers, or edges without nodes.
 *
 * Time and memory O(edgeCount).
 * @see Elementary: independent draws
 */
export function randomGraph({ nodeCount, edgeCount, key }: { nodeCount: number; edgeCount: number; key: RandomKey }): {
  nodeCount: number;
  edgeIndex: Tensor;
} {
  if (
    ![nodeCount, edgeCount].every((count) => Number.isInteger(count) && count >= 0 && count < 2 ** 30) ||
    (nodeCount === 0 && edgeCount > 0)
  ) {
    throw new HeedError("randomGraph", "nodeCount and edgeCount must be whole numbers below 2³⁰, and edges need nodes", {
      nodeCount,
      edgeCount,
    });
  }
  if (edgeCount === 0) return { nodeCount, edgeIndex: tensor(new Int32Array(0), { shape: [2, 0] }) };
  return { nodeCount, edgeIndex: randomIntegers(key, [2, edgeCount], 0, nodeCount) };
}
