import type { Expression, ExpressionForm, ExpressionVariable } from "@heed/tensor/terms";
import { interpret } from "./interpret.ts";
import { RowRanges } from "./row-ranges.ts";

/** Ranges of a row are worth it up to so many. */
const MOST_RANGES = 8;

/** Rows of one sample and head, and the columns that they are asked about. */
interface Rows {
  readonly count: number;
  readonly columns: number;
  /** Values of a part that does not depend on j: one per row, or one for all. */
  perRow(part: Expression): Float64Array;
  /** Values of a part that does not depend on the row, one per column or one for all: kept from block to block. */
  perColumn(part: Expression): Column;
}

/** Where a condition holds; undefined where these tables make too many ranges of it. */
type Condition = (rows: Rows) => RowRanges | undefined;

/** `slope · j` and terms that do not depend on j. */
interface Linear {
  readonly slope: number;
  readonly terms: readonly { readonly factor: number; readonly part: Expression }[];
  readonly constant: number;
}

/** For which j an expression holds, row by row. */
export interface Solution {
  /** Of rows [first, first + count); undefined where they have too many ranges. */
  rows(first: number, count: number): RowRanges | undefined;
}

/**
 * Solves a bool for j: comparisons of what is linear in j, of |…|, min, max and whole quotients of it, of tables by key with what a row knows, and what is
 * made of them by and, or, not and select.
 * @returns solutions by sample and head; undefined for other expressions
 */
export function solve(
  form: ExpressionForm,
  tables: readonly Float64Array[],
): ((b: number, h: number, offset: number, columns: number) => Solution) | undefined {
  const condition = conditionOf(form.expression);
  if (condition === undefined) return undefined;
  return (b, h, offset, columns) => {
    const at = { b: [b, 1], h: [h, 1], offsets: [offset] } as const;
    const known = new Map<Expression, Column>();
    const perColumn = (part: Expression): Column => {
      let column = known.get(part);
      if (column === undefined) {
        const values = listOf(part, "j", tables, 0, columns) ?? interpret(part, tables, { ...at, i: [0, 1], j: [0, columns] }).values;
        known.set(part, (column = new Column(values, columns)));
      }
      return column;
    };
    return {
      rows(first, count) {
        const done = new Map<Expression, Float64Array>();
        const perRow = (part: Expression): Float64Array => {
          let values = done.get(part);
          if (values === undefined) {
            values = listOf(part, "i", tables, first, count) ?? listOf(part, "position", tables, first + offset, count);
            values ??= interpret(part, tables, { ...at, i: [first, count], j: [0, 1] }).values;
            done.set(part, values);
          }
          return values;
        };
        return condition({ count, columns, perRow, perColumn });
      },
    };
  };
}

/** What a list is read for by a variable that counts from `first` on: part of the list where that is in range. */
function listOf(
  part: Expression,
  name: ExpressionVariable,
  tables: readonly Float64Array[],
  first: number,
  count: number,
): Float64Array | undefined {
  if (part.op !== "lookup" || part.indices.length !== 1) return undefined;
  const [index] = part.indices;
  if (index.op !== "variable" || index.name !== name) return undefined;
  const list = tables[part.table];
  return first >= 0 && first + count <= list.length ? list.subarray(first, first + count) : undefined;
}

class Column {
  readonly values: Float64Array;
  readonly #columns: number;
  #order: "rising" | "falling" | "neither" | undefined;
  #runs: Map<number, number[]> | undefined;

  constructor(values: Float64Array, columns: number) {
    this.values = values;
    this.#columns = columns;
  }

  order(): "rising" | "falling" | "neither" {
    if (this.#order !== undefined) return this.#order;
    let [rises, falls] = [true, true];
    for (let j = 1; j < this.values.length; j++) {
      rises &&= this.values[j] >= this.values[j - 1];
      falls &&= this.values[j] <= this.values[j - 1];
    }
    return (this.#order = rises ? "rising" : falls ? "falling" : "neither");
  }

  /** The ranges of columns that have a value, by values. */
  runs(): ReadonlyMap<number, number[]> {
    if (this.#runs !== undefined) return this.#runs;
    const { values } = this;
    const found = new Map<number, number[]>();
    for (let low = 0, high = 0; low < values.length; low = high) {
      const value = values[low];
      while (high < values.length && values[high] === value) high++;
      if (high === low) {
        high++; // NaN equals nothing.
        continue;
      }
      const own = found.get(value);
      const end = values.length === 1 ? this.#columns : high;
      if (own === undefined) found.set(value, [low, end]);
      else own.push(low, end);
    }
    return (this.#runs = found);
  }
}

const readsRow = (x: Expression) => reads(x, "i") || reads(x, "position");

function reads(x: Expression, name: string): boolean {
  if (x.op === "constant") return false;
  if (x.op === "variable") return x.name === name;
  return (x.op === "lookup" ? x.indices : x.operands).some((part) => reads(part, name));
}

function conditionOf(x: Expression): Condition | undefined {
  if (!reads(x, "j")) return ({ count, columns, perRow }) => wherever(perRow(x), count, columns);
  if (!readsRow(x)) {
    return ({ count, perColumn }) => {
      const open = perColumn(x).runs().get(1) ?? [];
      return open.length > 2 * MOST_RANGES ? undefined : RowRanges.same(count, open);
    };
  }
  if (x.op === "constant" || x.op === "variable" || x.op === "lookup") return undefined;
  const [a, b] = x.operands;
  switch (x.op) {
    case "and":
      return both(conditionOf(a), conditionOf(b));
    case "or":
      return either(conditionOf(a), conditionOf(b));
    case "not":
      return opposite(conditionOf(a));
    case "select":
      return either(both(conditionOf(a), conditionOf(b)), both(opposite(conditionOf(a)), conditionOf(x.operands[2])));
    case "less":
      return atMost(a, b, true);
    case "lessEqual":
      return atMost(a, b, false);
    case "equal":
      return equal(a, b);
    default:
      return undefined;
  }
}

function wherever(flags: Float64Array, count: number, columns: number): RowRanges {
  const ranges = new RowRanges(count, 1);
  for (let row = 0; row < count; row++) if (flags[flags.length === 1 ? 0 : row] === 1) ranges.put(2 * row, 0, columns);
  return ranges;
}

function limited(ranges: RowRanges): RowRanges | undefined {
  return ranges.most > MOST_RANGES ? undefined : ranges;
}

function both(one: Condition | undefined, other: Condition | undefined): Condition | undefined {
  if (one === undefined || other === undefined) return undefined;
  return (rows) => {
    const [a, b] = [one(rows), other(rows)];
    return a === undefined || b === undefined ? undefined : limited(a.and(b));
  };
}

function either(one: Condition | undefined, other: Condition | undefined): Condition | undefined {
  if (one === undefined || other === undefined) return undefined;
  return (rows) => {
    const [a, b] = [one(rows), other(rows)];
    return a === undefined || b === undefined ? undefined : limited(a.or(b));
  };
}

function opposite(one: Condition | undefined): Condition | undefined {
  if (one === undefined) return undefined;
  return (rows) => {
    const a = one(rows);
    return a === undefined ? undefined : limited(a.not(rows.columns));
  };
}

const isLinear = (x: Expression | Linear): x is Linear => "slope" in x;

/** An int that is linear in j, also as a float; undefined for others. */
function linearOf(x: Expression | Linear): Linear | undefined {
  if (isLinear(x)) return x;
  if (x.op === "constant") return { slope: 0, terms: [], constant: x.value };
  if (!reads(x, "j")) return { slope: 0, terms: [{ factor: 1, part: x }], constant: 0 };
  if (x.op === "variable") return { slope: 1, terms: [], constant: 0 };
  if (x.op === "lookup") return undefined;
  const [a, b] = x.operands.map(linearOf);
  if (x.op === "toFloat") return a;
  if (x.type !== "int" || a === undefined) return undefined;
  if (x.op === "neg") return times(a, -1);
  if (b === undefined) return undefined;
  if (x.op === "add") return plus(a, b);
  if (x.op === "sub") return plus(a, times(b, -1));
  const [left, right] = x.operands;
  if (x.op === "mul" && left.op === "constant") return times(b, left.value);
  if (x.op === "mul" && right.op === "constant") return times(a, right.value);
  return undefined;
}

function times({ slope, terms, constant }: Linear, by: number): Linear {
  return { slope: slope * by, terms: terms.map(({ factor, part }) => ({ factor: factor * by, part })), constant: constant * by };
}

function plus(a: Linear, b: Linear): Linear {
  return { slope: a.slope + b.slope, terms: [...a.terms, ...b.terms], constant: a.constant + b.constant };
}

const number = (constant: number): Linear => ({ slope: 0, terms: [], constant });

/** x ≤ y, or x < y. */
function atMost(x: Expression | Linear, y: Expression | Linear, strict: boolean): Condition | undefined {
  const [left, right] = [linearOf(x), linearOf(y)];
  if (left !== undefined && right !== undefined) return linearAtMost(left, right, strict);
  if (!isLinear(x)) {
    const made = whereSmall(x, y, right, strict);
    if (made !== undefined) return made;
  }
  return isLinear(y) ? undefined : whereLarge(y, x, left, strict);
}

/** x ≤ y by what x is made of, where y is linear or an expression. */
function whereSmall(x: Expression, y: Expression | Linear, right: Linear | undefined, strict: boolean): Condition | undefined {
  if (x.op === "max" || x.op === "min") {
    const [one, other] = x.operands.map((part) => atMost(part, y, strict));
    return x.op === "max" ? both(one, other) : either(one, other);
  }
  if (right === undefined) return undefined;
  if (x.op === "abs") {
    const inner = linearOf(x.operands[0]);
    return inner && both(linearAtMost(inner, right, strict), linearAtMost(times(inner, -1), right, strict));
  }
  const quotient = quotientOf(x);
  // ⌊u / k⌋ ≤ y is u < k (y + 1), and < y is u < k y.
  if (quotient !== undefined && right.slope === 0 && isWhole(y))
    return linearAtMost(quotient.over, times(plus(right, number(strict ? 0 : 1)), quotient.by), true);
  return isLinear(y) || readsRow(x) || reads(y, "j") ? undefined : columnAtMost(x, y, strict);
}

/** x ≤ y by what y is made of. */
function whereLarge(y: Expression, x: Expression | Linear, left: Linear | undefined, strict: boolean): Condition | undefined {
  if (y.op === "max" || y.op === "min") {
    const [one, other] = y.operands.map((part) => atMost(x, part, strict));
    return y.op === "min" ? both(one, other) : either(one, other);
  }
  if (left === undefined) return undefined;
  if (y.op === "abs") {
    const inner = linearOf(y.operands[0]);
    return inner && either(linearAtMost(left, inner, strict), linearAtMost(left, times(inner, -1), strict));
  }
  const quotient = quotientOf(y);
  // x ≤ ⌊u / k⌋ is k x ≤ u, and < is k (x + 1) ≤ u.
  if (quotient !== undefined && left.slope === 0 && isWhole(x))
    return linearAtMost(times(plus(left, number(strict ? 1 : 0)), quotient.by), quotient.over, false);
  return isLinear(x) || readsRow(y) || reads(x, "j") ? undefined : opposite(columnAtMost(y, x, !strict, true));
}

const isWhole = (x: Expression | Linear) => isLinear(x) || x.type === "int" || x.op === "toFloat";

/** `⌊over / by⌋` of what is linear, by a number above 0. */
function quotientOf(x: Expression): { over: Linear; by: number } | undefined {
  if (x.op === "toFloat") return quotientOf(x.operands[0]);
  if (x.op !== "floorDiv") return undefined;
  const [over, by] = [linearOf(x.operands[0]), x.operands[1]];
  return over !== undefined && by.op === "constant" && by.value > 0 ? { over, by: by.value } : undefined;
}

/** The terms that do not depend on j, one number per row or one for all. */
function restOf({ terms, constant }: Linear, { count, perRow }: Rows): Float64Array {
  const values = terms.map(({ part }) => perRow(part));
  if (terms.length === 1 && terms[0].factor === 1 && constant === 0) return values[0];
  const rest = new Float64Array(values.every(({ length }) => length === 1) ? 1 : count).fill(constant);
  terms.forEach(({ factor }, n) => {
    const own = values[n];
    const step = own.length === 1 ? 0 : 1;
    for (let row = 0; row < rest.length; row++) rest[row] += factor * own[row * step];
  });
  return rest;
}

/** So far an int that is linear in j may be from 0 and remain one: beyond 2³¹ it would wrap round. Of what does not depend on j: any number. */
const reach = ({ slope }: Linear, columns: number) => (slope === 0 ? Infinity : 2 ** 31 - 1 - Math.abs(slope) * columns);

function linearAtMost(left: Linear, right: Linear, strict: boolean): Condition {
  const slope = left.slope - right.slope;
  return (rows) => {
    const { count, columns } = rows;
    const [x, y] = [restOf(left, rows), restOf(right, rows)];
    const [xStep, yStep] = [x, y].map(({ length }) => (length === 1 ? 0 : 1));
    const [xReach, yReach] = [reach(left, columns), reach(right, columns)];
    const ranges = new RowRanges(count, 1);
    const { bounds } = ranges;
    for (let row = 0; row < count; row++) {
      let low = x[row * xStep];
      let high = y[row * yStep];
      if (Math.abs(low) > xReach || Math.abs(high) > yReach) return undefined;
      // What depends on j is whole: so is the bound that counts.
      if (left.slope === 0) low = strict ? Math.floor(low) + 1 : Math.ceil(low);
      else high = strict ? Math.ceil(high) - 1 : Math.floor(high);
      const most = high - low; // slope · j ≤ most
      const edge = slope === 0 ? columns : most / slope;
      const from = slope < 0 ? Math.max(0, Math.ceil(edge)) : 0;
      const end = slope > 0 ? Math.min(columns, Math.floor(edge) + 1) : slope < 0 || most >= 0 ? columns : 0;
      // Never with NaN.
      if (!(from < end)) continue;
      bounds[2 * row] = from;
      bounds[2 * row + 1] = end;
    }
    return ranges;
  };
}

/** A table by key, or what is made of one, at most what the row knows; solved where it rises or falls. */
function columnAtMost(x: Expression, y: Expression, strict: boolean, withNaN = false): Condition {
  return ({ count, columns, perRow, perColumn }) => {
    const column = perColumn(x);
    const { values } = column;
    const order = column.order();
    // Where nothing is ordered, as of NaN, "not x < y" is not "y ≤ x".
    if (order === "neither" || values.length === 1) return undefined;
    const bounds = perRow(y);
    const ranges = new RowRanges(count, 1);
    for (let row = 0; row < count; row++) {
      const bound = bounds[bounds.length === 1 ? 0 : row];
      if (bound !== bound) {
        if (withNaN) ranges.put(2 * row, 0, columns);
        continue;
      }
      const isIn = (j: number) => (strict ? values[j] < bound : values[j] <= bound);
      let [from, to] = [0, columns];
      const rising = order === "rising";
      while (from < to) {
        const middle = (from + to) >> 1;
        if (isIn(middle) === rising) from = middle + 1;
        else to = middle;
      }
      if (rising) ranges.put(2 * row, 0, from);
      else ranges.put(2 * row, from, columns);
    }
    return ranges;
  };
}

function equal(x: Expression, y: Expression): Condition | undefined {
  if (linearOf(x) === undefined || linearOf(y) === undefined) {
    if (!readsRow(x) && !reads(y, "j")) return columnEqual(x, y);
    if (!readsRow(y) && !reads(x, "j")) return columnEqual(y, x);
  }
  return both(atMost(x, y, false), atMost(y, x, false));
}

/** A table by key, or what is made of one, equal to what the row knows. */
function columnEqual(x: Expression, y: Expression): Condition {
  return ({ count, perRow, perColumn }) => {
    const runs = perColumn(x).runs();
    const values = perRow(y);
    const step = values.length === 1 ? 0 : 1;
    let most = 1;
    for (let row = 0, last = NaN; row < count; row++) {
      const value = values[row * step];
      // Neighbours are mostly equal.
      if (value !== last) most = Math.max(most, (runs.get(value)?.length ?? 0) / 2);
      last = value;
    }
    if (most > MOST_RANGES) return undefined;
    const ranges = new RowRanges(count, most);
    let found: readonly number[] = [];
    for (let row = 0, last = NaN; row < count; row++) {
      const value = values[row * step];
      if (value !== last) found = runs.get(value) ?? [];
      last = value;
      for (let k = 0; k < found.length; k++) ranges.bounds[row * most * 2 + k] = found[k];
    }
    return ranges;
  };
}
