import { math } from "@heed/kernels";
import type { Expression, ExpressionForm, ExpressionOperation } from "@heed/tensor/terms";
import { binaryRow } from "./binary-rows.ts";

/** Values over a block of pairs, `[b, h, i, j]` with 1 where they do not differ. Bools are 0 and 1. */
export interface Block {
  readonly values: Float64Array;
  readonly shape: readonly [number, number, number, number];
}

/** Which pairs: from and count of each axis; `offset(b)` is where query 0 of a sample stands. */
export interface Region {
  readonly b: readonly [number, number];
  readonly h: readonly [number, number];
  readonly i: readonly [number, number];
  readonly j: readonly [number, number];
  /** One number, or one per sample. */
  readonly offsets: readonly number[];
}

type Scalar = (...values: number[]) => number;

const floats: Readonly<Partial<Record<ExpressionOperation, Scalar>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  exp: (a) => math.exp(a),
  log: (a) => math.log(a),
  tanh: (a) => math.tanh(a),
  sigmoid: (a) => 1 / (1 + math.exp(-a)),
  sqrt: Math.sqrt,
  floor: Math.floor,
};
const ints: Readonly<Partial<Record<ExpressionOperation, Scalar>>> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  neg: (a) => -a | 0,
  floorDiv: (a, b) => (b === 0 ? 0 : Math.floor(a / b) | 0),
  mod: (a, b) => (b === 0 ? 0 : a - Math.floor(a / b) * b),
};
const both: Readonly<Partial<Record<ExpressionOperation, Scalar>>> = {
  // NaN where one is, as tensors have it.
  min: Math.min,
  max: Math.max,
  abs: Math.abs,
  toFloat: (a) => a,
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  equal: (a, b) => Number(a === b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  not: (a) => 1 - a,
  select: (c, a, b) => (c === 1 ? a : b),
};

/** The function of an operation on numbers of that type, in double precision. */
export function scalarOf(op: ExpressionOperation, type: Expression["type"]): Scalar {
  return (both[op] ?? (type === "int" ? ints : floats)[op])!;
}

/** Elements of an expression's tables, as doubles. */
export function tableValues({ tables }: ExpressionForm): Float64Array[] {
  return tables.map((table) => new Float64Array(table.detach().toTypedArray()));
}

/**
 * The value of an expression over a block of pairs, in double precision: for masks, and for the ints and bools of scores, which have no gradient.
 * @param given values that are known already: the float parts that read the score
 */
export function interpret(
  root: Expression,
  tables: readonly Float64Array[],
  region: Region,
  given?: (part: Expression) => Block | undefined,
): Block {
  const done = new Map<Expression, Block>();
  const value = (x: Expression): Block => {
    let block = done.get(x);
    if (block === undefined) done.set(x, (block = given?.(x) ?? compute(x)));
    return block;
  };
  const compute = (x: Expression): Block => {
    switch (x.op) {
      case "constant":
        return { values: Float64Array.of(x.value), shape: [1, 1, 1, 1] };
      case "variable":
        return variable(x.name, region);
      case "lookup": {
        const indices = x.indices.map(value);
        const places = lookupPlaces(x, indices);
        const own = tables[x.table];
        return { values: places.values.map((at) => (at < 0 ? x.outside! : own[at])), shape: places.shape };
      }
      default:
        return mapped(scalarOf(x.op, x.type), x.operands.map(value), binaryRow(x));
    }
  };
  return value(root);
}

/** Where a lookup reads its table, flat; −1 where it reads `outside`. */
export function lookupPlaces({ shape, outside }: Expression & { op: "lookup" }, indices: readonly Block[]): Block {
  if (shape.length === 1 && outside === undefined) {
    const last = shape[0] - 1;
    return mapped((at) => (at < 0 ? 0 : at > last ? last : at), indices);
  }
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
  return mapped((...at) => {
    let place = 0;
    for (let axis = 0; axis < at.length; axis++) {
      const last = shape[axis] - 1;
      if (outside !== undefined && (at[axis] < 0 || at[axis] > last)) return -1;
      place += Math.max(0, Math.min(last, at[axis])) * strides[axis];
    }
    return place;
  }, indices);
}

function variable(name: string, region: Region): Block {
  const count = (axis: "b" | "h" | "i" | "j") => {
    const [first, length] = region[axis];
    const values = new Float64Array(length);
    for (let n = 0; n < length; n++) values[n] = first + n;
    return values;
  };
  if (name === "b") return { values: count("b"), shape: [region.b[1], 1, 1, 1] };
  if (name === "h") return { values: count("h"), shape: [1, region.h[1], 1, 1] };
  if (name === "i") return { values: count("i"), shape: [1, 1, region.i[1], 1] };
  if (name === "j") return { values: count("j"), shape: [1, 1, 1, region.j[1]] };
  const { offsets } = region;
  const queries = count("i");
  if (offsets.length === 1) return { values: queries.map((i) => i + offsets[0]), shape: [1, 1, queries.length, 1] };
  const values = new Float64Array(region.b[1] * queries.length);
  for (let n = 0; n < region.b[1]; n++)
    values.set(
      queries.map((i) => i + offsets[region.b[0] + n]),
      n * queries.length,
    );
  return { values, shape: [region.b[1], 1, queries.length, 1] };
}

/**
 * A function of numbers over blocks that broadcast.
 * @param binary the same of two blocks, row by row
 */
export function mapped(f: Scalar, blocks: readonly Block[], binary?: ReturnType<typeof binaryRow>): Block {
  const shape = [0, 1, 2, 3].map((axis) =>
    blocks.reduce((most, block) => (most === 1 ? block.shape[axis] : most), 1),
  ) as unknown as Block["shape"];
  const [nb, nh, ni, nj] = shape;
  const values = new Float64Array(nb * nh * ni * nj);
  const steps = blocks.map(({ shape: own }) => {
    const strides = [own[1] * own[2] * own[3], own[2] * own[3], own[3], 1];
    return strides.map((stride, axis) => (own[axis] === 1 ? 0 : stride));
  });
  const starts = blocks.map(() => 0);
  const [first, second, third] = blocks.map(({ values: own }) => own);
  const last = steps.map((stride) => stride[3]);
  let to = 0;
  for (let b = 0; b < nb; b++) {
    for (let h = 0; h < nh; h++) {
      for (let i = 0; i < ni; i++) {
        for (let k = 0; k < blocks.length; k++) starts[k] = b * steps[k][0] + h * steps[k][1] + i * steps[k][2];
        const [p, q, r] = starts;
        const [u, v, w] = last;
        if (binary !== undefined) {
          binary(first, p, u, second, q, v, values, to, nj);
          to += nj;
        } else if (blocks.length === 1) for (let j = 0; j < nj; j++) values[to++] = f(first[p + j * u]);
        else if (blocks.length === 2) for (let j = 0; j < nj; j++) values[to++] = f(first[p + j * u], second[q + j * v]);
        else if (blocks.length === 3) for (let j = 0; j < nj; j++) values[to++] = f(first[p + j * u], second[q + j * v], third[r + j * w]);
        else for (let j = 0; j < nj; j++) values[to++] = f(...blocks.map(({ values: own }, k) => own[starts[k] + j * last[k]]));
      }
    }
  }
  return { values, shape };
}
