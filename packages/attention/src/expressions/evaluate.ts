import {
  abs,
  add,
  broadcastTo,
  div,
  exp,
  full,
  indexSelect,
  log,
  maximum,
  minimum,
  mul,
  neg,
  reshape,
  sigmoid,
  sqrt,
  sub,
  tanh,
  Tensor,
  tensor,
  where,
} from "@heed/tensor";
import type { RealDType } from "@heed/tensor/operation";
import type { Expression, ExpressionForm, TermContext } from "@heed/tensor/terms";
import { interpret, lookupPlaces, mapped, tableValues, type Block, type Region } from "./interpret.ts";

/** A float part: a tensor that broadcasts to `[B, H, L, S]`, or a number. */
type Float = Tensor | number;

const unary = { neg, abs, exp, log, tanh, sigmoid, sqrt } as const;
const binary = { add, sub, mul, div, min: minimum, max: maximum } as const;
const numbers = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
  div: (a: number, b: number) => a / b,
  min: Math.min,
  max: Math.max,
} as const;

/** All pairs of a call. */
export function wholeRegion({ B, H, L, S, queryOffset }: TermContext): Region {
  const offsets = typeof queryOffset === "number" ? [queryOffset] : Array.from(queryOffset);
  return { b: [0, B], h: [0, H], i: [0, L], j: [0, S], offsets };
}

/**
 * The dense definition of an expression of scores `[B, H, L, S]`: floats by tensor operations, so that gradients reach the scores and float tables;
 * ints and bools, which have none, by plain loops.
 */
export function evaluate(form: ExpressionForm, scores: Tensor, region: Region): Tensor {
  const dtype = scores.dtype as RealDType;
  const values = tableValues(form);
  const done = new Map<Expression, Float>();
  const blocks = new Map<Expression, Block>();

  /** Ints and bools; floats among their operands as they are, without a gradient. */
  const block = (x: Expression): Block => {
    let found = blocks.get(x);
    if (found === undefined) {
      found = interpret(x, values, region, (part) => blocks.get(part) ?? (part.type === "float" ? plain(float(part)) : undefined));
      blocks.set(x, found);
    }
    return found;
  };
  const float = (x: Expression): Float => {
    let found = done.get(x);
    if (found === undefined) done.set(x, (found = compute(x)));
    return found;
  };
  const compute = (x: Expression): Float => {
    if (x.op === "constant") return x.value;
    if (x.op === "variable") return scores;
    if (x.op === "lookup") return lookup(x);
    if (x.op === "toFloat") {
      const { values: ints, shape } = block(x.operands[0]);
      return tensor(ints, { shape, dtype });
    }
    if (x.op === "select") {
      const { values: bools, shape } = block(x.operands[0]);
      const [a, b] = [float(x.operands[1]), float(x.operands[2])];
      const condition = tensor(Uint8Array.from(bools), { shape, dtype: "bool" });
      return where(condition, typeof a === "number" && typeof b === "number" ? full([1, 1, 1, 1], a, { dtype }) : a, b);
    }
    const [a, b] = x.operands.map(float);
    if (x.op === "floor") {
      const { values: whole, shape } = mapped(Math.floor, [plain(a)]);
      return tensor(whole, { shape, dtype });
    }
    if (x.op in unary) {
      const one = a instanceof Tensor ? a : full([1, 1, 1, 1], a, { dtype });
      return unary[x.op as keyof typeof unary](one);
    }
    const op = x.op as keyof typeof binary;
    return typeof a === "number" && typeof b === "number" ? numbers[op](a, b) : binary[op](a, b);
  };
  const lookup = (x: Expression & { op: "lookup" }): Float => {
    const { values: places, shape } = lookupPlaces(x, x.indices.map(block));
    const from = form.tables[x.table];
    const picked = indexSelect(reshape(from, [from.size]), tensor(Int32Array.from(places, (at) => Math.max(at, 0))));
    const found = reshape(picked, shape);
    if (x.outside === undefined) return found;
    const inside = tensor(
      Uint8Array.from(places, (at) => Number(at >= 0)),
      { shape, dtype: "bool" },
    );
    return where(inside, found, x.outside);
  };

  const result = float(form.expression);
  return broadcastTo(result instanceof Tensor ? result : full([1, 1, 1, 1], result, { dtype }), scores.shape);
}

/** The elements without a history. */
function plain(x: Float): Block {
  if (typeof x === "number") return { values: Float64Array.of(x), shape: [1, 1, 1, 1] };
  const shape = [1, 1, 1, 1, ...x.shape].slice(-4) as unknown as Block["shape"];
  return { values: Float64Array.from(x.detach().toTypedArray()), shape };
}
