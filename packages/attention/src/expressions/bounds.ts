import type { Expression, ExpressionForm } from "@heed/tensor/terms";
import { scalarOf, tableValues } from "./interpret.ts";

/** A rectangle of pairs of one sample and head: queries [i, iEnd), keys [j, jEnd). */
export interface Rectangle {
  readonly b: number;
  readonly h: number;
  readonly i: number;
  readonly iEnd: number;
  readonly j: number;
  readonly jEnd: number;
  /** Where query 0 stands. */
  readonly offset: number;
}

/** Numbers are in [low, high], and may be NaN besides. Of a bool, 0 and 1 say which it can be. */
class Interval {
  low = 0;
  high = 0;
  mayBeNaN = false;

  set(low: number, high: number, mayBeNaN = false): void {
    this.low = low;
    this.high = high;
    // ∞ − ∞ and 0 · ∞ are NaN: of what may be infinite, that may come.
    this.mayBeNaN = mayBeNaN || low === -Infinity || high === Infinity;
    if (Number.isNaN(low) || Number.isNaN(high)) this.anything();
  }

  anything(): void {
    this.low = -Infinity;
    this.high = Infinity;
    this.mayBeNaN = true;
  }
}

/** What an expression can be on a rectangle of pairs, by interval arithmetic: it never claims too little. Made once, asked often. */
export function boundsOf(form: ExpressionForm): (at: Rectangle) => "always" | "never" | "sometimes" {
  const values = tableValues(form);
  const ranges = values.map((list) => new RangeExtrema(list));
  const steps: ((at: Rectangle) => void)[] = [];
  const made = new Map<Expression, Interval>();
  const of = (x: Expression): Interval => {
    let interval = made.get(x);
    if (interval === undefined) {
      made.set(x, (interval = new Interval()));
      const step = stepOf(x, interval);
      if (step !== undefined) steps.push(step);
    }
    return interval;
  };
  const stepOf = (x: Expression, to: Interval): ((at: Rectangle) => void) | undefined => {
    if (x.op === "constant") {
      to.set(x.value, x.value);
      return undefined;
    }
    if (x.op === "variable") {
      const { name } = x;
      return (at) => {
        if (name === "i") to.set(at.i, at.iEnd - 1);
        else if (name === "j") to.set(at.j, at.jEnd - 1);
        else if (name === "position") to.set(at.i + at.offset, at.iEnd - 1 + at.offset);
        else if (name === "b" || name === "h") to.set(at[name], at[name]);
      };
    }
    if (x.op === "lookup") {
      const indices = x.indices.map(of);
      const [range, { shape, outside }] = [ranges[x.table], x];
      return () => {
        let [low, high] = [0, 0];
        let leaves = false;
        indices.forEach((index, axis) => {
          const last = shape[axis] - 1;
          leaves ||= index.low < 0 || index.high > last;
          low = low * shape[axis] + Math.max(0, Math.min(last, index.low));
          high = high * shape[axis] + Math.max(0, Math.min(last, index.high));
        });
        // Between the two corners, flat, lies all that the indices can mean, and more.
        range.into(to, low, high);
        if (leaves && outside !== undefined) to.set(Math.min(to.low, outside), Math.max(to.high, outside), to.mayBeNaN);
      };
    }
    const [a, b, c] = x.operands.map(of);
    const f = scalarOf(x.op, x.type);
    const isInt = x.type === "int";
    const grows = () => to.set(f(a.low), f(a.high), a.mayBeNaN);
    const corners = () => {
      const all = [f(a.low, b.low), f(a.low, b.high), f(a.high, b.low), f(a.high, b.high)];
      to.set(Math.min(...all), Math.max(...all), a.mayBeNaN || b.mayBeNaN);
    };
    /** Of ints: whether a result may have wrapped round. */
    const fits = (low: number, high: number) => !isInt || (low >= -(2 ** 31) && high < 2 ** 31);
    const orAnything = (low: number, high: number, mayBeNaN: boolean) =>
      fits(low, high) ? to.set(low, high, mayBeNaN) : to.set(-(2 ** 31), 2 ** 31 - 1);
    /** Approximations may be off by a rounding or two, and need not grow where the function does. */
    const nearly = (low: number, high: number, mayBeNaN: boolean) =>
      to.set(low - Math.abs(low) * 2 ** -40, high + Math.abs(high) * 2 ** -40, mayBeNaN);
    switch (x.op) {
      case "add":
        return () => orAnything(a.low + b.low, a.high + b.high, a.mayBeNaN || b.mayBeNaN);
      case "sub":
        return () => orAnything(a.low - b.high, a.high - b.low, a.mayBeNaN || b.mayBeNaN);
      case "mul":
        return () => {
          const all = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high];
          orAnything(Math.min(...all), Math.max(...all), a.mayBeNaN || b.mayBeNaN);
        };
      case "div":
        return () => (b.low > 0 || b.high < 0 ? corners() : to.anything());
      case "floorDiv":
        return () => (b.low > 0 || b.high < 0 ? corners() : to.set(-(2 ** 31), 2 ** 31 - 1));
      case "mod":
        return () => {
          const most = Math.max(Math.abs(b.low), Math.abs(b.high));
          // Within one multiple of a divisor that does not change, mod grows.
          if (b.low === b.high && b.low !== 0 && Math.floor(a.low / b.low) === Math.floor(a.high / b.low))
            to.set(f(a.low, b.low), f(a.high, b.low));
          else to.set(b.low < 0 ? 1 - most : 0, b.high > 0 ? most - 1 : 0);
        };
      case "min":
      case "max":
        return () => to.set(f(a.low, b.low), f(a.high, b.high), a.mayBeNaN || b.mayBeNaN);
      case "neg":
        return () => to.set(-a.high, -a.low, a.mayBeNaN);
      case "abs":
        return () => {
          const crosses = a.low <= 0 && a.high >= 0;
          to.set(crosses ? 0 : Math.min(Math.abs(a.low), Math.abs(a.high)), Math.max(Math.abs(a.low), Math.abs(a.high)), a.mayBeNaN);
        };
      case "exp":
      case "tanh":
      case "sigmoid":
        return () => nearly(f(a.low), f(a.high), a.mayBeNaN);
      case "log":
      case "sqrt":
        return () => (a.low < 0 ? to.anything() : nearly(f(a.low), f(a.high), a.mayBeNaN));
      case "floor":
      case "toFloat":
        return grows;
      case "less":
      case "lessEqual": {
        const strict = x.op === "less";
        return () => {
          const always = strict ? a.high < b.low : a.high <= b.low;
          const never = strict ? a.low >= b.high : a.low > b.high;
          to.set(always && !a.mayBeNaN && !b.mayBeNaN ? 1 : 0, never ? 0 : 1);
        };
      }
      case "equal":
        return () => {
          const one = a.low === a.high && b.low === b.high && a.low === b.low;
          to.set(one && !a.mayBeNaN && !b.mayBeNaN ? 1 : 0, a.low > b.high || b.low > a.high ? 0 : 1);
        };
      case "and":
        return () => to.set(a.low & b.low, a.high & b.high);
      case "or":
        return () => to.set(a.low | b.low, a.high | b.high);
      case "not":
        return () => to.set(1 - a.high, 1 - a.low);
      case "select":
        return () => {
          const [yes, no] = [a.high === 1, a.low === 0];
          to.set(
            Math.min(yes ? b.low : Infinity, no ? c.low : Infinity),
            Math.max(yes ? b.high : -Infinity, no ? c.high : -Infinity),
            (yes && b.mayBeNaN) || (no && c.mayBeNaN),
          );
        };
    }
  };
  const result = of(form.expression);
  return (at) => {
    for (const step of steps) step(at);
    return result.low === 1 ? "always" : result.high === 0 ? "never" : "sometimes";
  };
}

/** The least and the greatest of any range of a list, in O(log n): a binary tree over it. */
class RangeExtrema {
  readonly #size: number;
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  readonly #hasNaN: boolean;

  constructor(list: Float64Array) {
    this.#size = list.length;
    this.#hasNaN = list.some(Number.isNaN);
    this.#low = new Float64Array(2 * list.length);
    this.#low.set(list, list.length);
    this.#high = this.#low.slice();
    for (let at = list.length - 1; at > 0; at--) {
      this.#low[at] = Math.min(this.#low[2 * at], this.#low[2 * at + 1]);
      this.#high[at] = Math.max(this.#high[2 * at], this.#high[2 * at + 1]);
    }
  }

  /** Of the elements first … last. */
  into(to: Interval, first: number, last: number): void {
    if (this.#hasNaN) return to.anything();
    let [low, high] = [Infinity, -Infinity];
    for (let [l, r] = [first + this.#size, last + this.#size + 1]; l < r; l >>= 1, r >>= 1) {
      if (l & 1) {
        low = Math.min(low, this.#low[l]);
        high = Math.max(high, this.#high[l++]);
      }
      if (r & 1) {
        low = Math.min(low, this.#low[--r]);
        high = Math.max(high, this.#high[r]);
      }
    }
    to.set(low, high);
  }
}
