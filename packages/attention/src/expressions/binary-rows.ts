import type { Expression } from "@heed/tensor/terms";

/** `to[at + j] = a[p + j · u] ∘ b[q + j · v]` for j < n: a row of an operation on two blocks, whose steps are 0 where a block does not vary. */
type BinaryRow = (
  a: Float64Array,
  p: number,
  u: number,
  b: Float64Array,
  q: number,
  v: number,
  to: Float64Array,
  at: number,
  n: number,
) => void;

// A loop for each: one loop that is given the operation costs a call per number, ten times as much.

const ofInts: Readonly<Partial<Record<Expression["op"], BinaryRow>>> = {
  add: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) to[at + j] = (a[p + j * u] + b[q + j * v]) | 0;
  },
  sub: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) to[at + j] = (a[p + j * u] - b[q + j * v]) | 0;
  },
  mul: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) to[at + j] = Math.imul(a[p + j * u], b[q + j * v]);
  },
  floorDiv: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) {
      const by = b[q + j * v];
      to[at + j] = by === 0 ? 0 : Math.floor(a[p + j * u] / by) | 0;
    }
  },
  mod: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) {
      const [x, by] = [a[p + j * u], b[q + j * v]];
      to[at + j] = by === 0 ? 0 : x - Math.floor(x / by) * by;
    }
  },
};

const ofAny: Readonly<Partial<Record<Expression["op"], BinaryRow>>> = {
  less: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) to[at + j] = a[p + j * u] < b[q + j * v] ? 1 : 0;
  },
  lessEqual: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) to[at + j] = a[p + j * u] <= b[q + j * v] ? 1 : 0;
  },
  equal: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) to[at + j] = a[p + j * u] === b[q + j * v] ? 1 : 0;
  },
  and: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) to[at + j] = a[p + j * u] & b[q + j * v];
  },
  or: (a, p, u, b, q, v, to, at, n) => {
    for (let j = 0; j < n; j++) to[at + j] = a[p + j * u] | b[q + j * v];
  },
};

/** The loop of an operation, where it has one of its own. */
export function binaryRow({ op, type }: Expression): BinaryRow | undefined {
  return ofAny[op] ?? (type === "int" ? ofInts[op] : undefined);
}
