import { tensor, type Tensor } from "@heed/tensor";

/**
 * Zachary's karate club: 34 members, 78 friendships, and the side that each took when the club split in two. Nothing is random. Time O(1).
 * @returns edgeIndex int32 `[2, 156]`, each friendship in both directions; labels `[34]`: 0 with the instructor (node 0), 1 with the officer (node
 * 33)
 * @see Zachary 1977, "An Information Flow Model for Conflict and Fission in Small Groups"
 */
export function karateClub(): { nodeCount: number; edgeIndex: Tensor; labels: Int32Array; classNames: readonly string[] } {
  const nodeCount = friends.length;
  const pairs = friends.flatMap((others, i) => others.map((j) => [i, j] as const));
  const [lower, higher] = [pairs.map(([i]) => i), pairs.map(([, j]) => j)];
  const edges = [...lower, ...higher, ...higher, ...lower];
  return {
    nodeCount,
    edgeIndex: tensor(Int32Array.from(edges), { shape: [2, 2 * pairs.length] }),
    labels: Int32Array.from({ length: nodeCount }, (_, i) => Number(officers.includes(i))),
    classNames: ["instructor", "officer"],
  };
}

/** Friends with a higher number. */
const friends: readonly (readonly number[])[] = [
  [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
  [2, 3, 7, 13, 17, 19, 21, 30],
  [3, 7, 8, 9, 13, 27, 28, 32],
  [7, 12, 13],
  [6, 10],
  [6, 10, 16],
  [16],
  [],
  [30, 32, 33],
  [33],
  [],
  [],
  [],
  [33],
  [32, 33],
  [32, 33],
  [],
  [],
  [32, 33],
  [33],
  [32, 33],
  [],
  [32, 33],
  [25, 27, 29, 32, 33],
  [25, 27, 31],
  [31],
  [29, 33],
  [33],
  [31, 33],
  [32, 33],
  [32, 33],
  [32, 33],
  [33],
  [],
];

const officers: readonly number[] = [9, 14, 15, 18, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33];
