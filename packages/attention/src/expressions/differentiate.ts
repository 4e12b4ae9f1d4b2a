import type { Tensor } from "@heed/tensor";
import { constant, select, visit, type Expr } from "./expr.ts";

/** What a table's element adds to the result, where an expression reads it. */
export interface LookupDerivative {
  readonly lookup: Expr;
  readonly table: Tensor;
  readonly derivative: Expr;
}

export interface Derivatives {
  /** By the score. */
  readonly score: Expr;
  /** By each place where a float table is read. */
  readonly lookups: readonly LookupDerivative[];
}

/**
 * The derivatives of a float expression by the score and by what it reads of float tables, as expressions: from the result back to its parts,
 * each part once. At a kink as the operations of tensor: 0 at 0 for abs, halves where min and max tie. What an expression does not read has the
 * derivative 0, and no entry among `lookups`; ints and bools pass nothing on.
 *
 * Time O(parts of the expression); backward of attention compiles the result into its kernel.
 * @see Griewank and Walther, "Evaluating Derivatives", 2nd edition, 2008, §3.2 (the reverse mode)
 */
export function differentiate(root: Expr): Derivatives {
  const order: Expr[] = [];
  visit(root, (x) => order.push(x));
  const slopes = new Map<Expr, Expr>([[root, constant("float", 1)]]);
  const give = (x: Expr, slope: Expr) => {
    if (x.type !== "float" || (slope.node.op === "constant" && slope.node.value === 0)) return;
    const before = slopes.get(x);
    slopes.set(x, before === undefined ? slope : before.add(slope));
  };
  let score: Expr = constant("float", 0);
  const lookups: LookupDerivative[] = [];
  const zero = constant("float", 0);
  for (const x of order.reverse()) {
    const g = slopes.get(x);
    if (g === undefined || x.type !== "float") continue;
    const { node } = x;
    if (node.op === "constant") continue;
    if (node.op === "variable") {
      if (node.name === "score") score = score.add(g);
      continue;
    }
    if (node.op === "lookup") {
      lookups.push({ lookup: x, table: node.table, derivative: g });
      continue;
    }
    const [a, b, c] = node.operands;
    switch (node.op) {
      case "add":
        give(a, g);
        give(b, g);
        break;
      case "sub":
        give(a, g);
        give(b, g.neg());
        break;
      case "mul":
        give(a, g.mul(b));
        give(b, g.mul(a));
        break;
      case "div":
        give(a, g.div(b));
        give(b, g.mul(x).div(b).neg());
        break;
      case "min":
      case "max": {
        const [low, high] = node.op === "max" ? [b, a] : [a, b];
        const tie = a.equal(b);
        give(a, select(tie, g.mul(0.5), select(low.less(high), g, zero)));
        give(b, select(tie, g.mul(0.5), select(low.less(high), zero, g)));
        break;
      }
      case "neg":
        give(a, g.neg());
        break;
      case "abs":
        give(a, select(a.greater(0), g, select(a.less(0), g.neg(), zero)));
        break;
      case "exp":
        give(a, g.mul(x));
        break;
      case "log":
        give(a, g.div(a));
        break;
      case "tanh":
        give(a, g.mul(constant("float", 1).sub(x.mul(x))));
        break;
      case "sigmoid":
        give(a, g.mul(x).mul(constant("float", 1).sub(x)));
        break;
      case "sqrt":
        give(a, g.div(x.mul(2)));
        break;
      case "select":
        give(b, select(a, g, zero));
        give(c, select(a, zero, g));
        break;
      default: // floor and toFloat pass nothing on.
    }
  }
  return { score, lookups };
}
