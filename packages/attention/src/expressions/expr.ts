import { DTypeError, HeedError, ShapeError, Tensor, UnsupportedError } from "@heed/tensor";
import type { ExpressionOperation, ExpressionType, ExpressionVariable } from "@heed/tensor/terms";

/** What takes part in arithmetic: an expression, a number or a boolean. */
export type Operand = Expr | number | boolean;

/** What an expression consists of, before tables have numbers. */
export type Node =
  | { readonly op: "constant"; readonly value: number }
  | { readonly op: "variable"; readonly name: ExpressionVariable }
  | { readonly op: ExpressionOperation; readonly operands: readonly Expr[] }
  | { readonly op: "lookup"; readonly table: Tensor; readonly indices: readonly Expr[]; readonly outside: number | undefined };

/**
 * A small typed expression of a score and its place: immutable, printable (`String(e)`). Arithmetic and comparisons are methods, functions such
 * as `tanh` and `select` are imported. int and float mix to float; an int with a number that is not whole does, too.
 */
export class Expr {
  readonly type: ExpressionType;
  readonly node: Node;

  /** @internal Use the variables of `scoreMod` and `maskMod`, and `table`. */
  constructor(type: ExpressionType, node: Node) {
    this.type = type;
    this.node = Object.freeze(node);
    Object.freeze(this);
  }

  add(other: Operand): Expr {
    return arithmetic("add", this, other);
  }

  sub(other: Operand): Expr {
    return arithmetic("sub", this, other);
  }

  mul(other: Operand): Expr {
    return arithmetic("mul", this, other);
  }

  /** A float, also of ints. */
  div(other: Operand): Expr {
    const [a, b] = [toFloat(this), toFloat(other)];
    return isConstant(b, 1) ? a : operation("div", "float", [a, b]);
  }

  /** Of ints, rounded down; 0 where the divisor is 0. */
  floorDiv(other: Operand): Expr {
    return operation("floorDiv", "int", ints("floorDiv", [this, other]));
  }

  /** Of ints: `a − floorDiv(a, b) · b`, which has the sign of b; 0 where the divisor is 0. */
  mod(other: Operand): Expr {
    return operation("mod", "int", ints("mod", [this, other]));
  }

  neg(): Expr {
    return negated(this);
  }

  less(other: Operand): Expr {
    return operation("less", "bool", numbers("less", [this, other]));
  }

  lessEqual(other: Operand): Expr {
    return operation("lessEqual", "bool", numbers("lessEqual", [this, other]));
  }

  greater(other: Operand): Expr {
    return expr(other).less(this);
  }

  greaterEqual(other: Operand): Expr {
    return expr(other).lessEqual(this);
  }

  equal(other: Operand): Expr {
    return operation("equal", "bool", numbers("equal", [this, other]));
  }

  notEqual(other: Operand): Expr {
    return this.equal(other).not();
  }

  and(other: Operand): Expr {
    return operation("and", "bool", bools("and", [this, other]));
  }

  or(other: Operand): Expr {
    return operation("or", "bool", bools("or", [this, other]));
  }

  not(): Expr {
    const [a] = bools("not", [this]);
    return a.node.op === "not" ? a.node.operands[0] : operation("not", "bool", [a]);
  }

  toString(): string {
    return print(this);
  }
}

/** A number, a boolean, or an expression as it is. */
export function expr(value: Operand): Expr {
  if (value instanceof Expr) return value;
  if (typeof value === "boolean") return constant("bool", Number(value));
  if (typeof value !== "number")
    throw new DTypeError("expression", "operands are expressions, numbers and booleans", { received: typeof value });
  return constant(Number.isInteger(value) && Math.abs(value) < 2 ** 31 && !Object.is(value, -0) ? "int" : "float", value);
}

/**
 * `x` as a float; a float as it is. Time O(1) a pair.
 * @throws {DTypeError} for a bool: `select(condition, 1, 0)`.
 * @see PyTorch's `Tensor.float`
 */
export function toFloat(value: Operand): Expr {
  const x = expr(value);
  if (x.type === "float") return x;
  if (x.type === "bool") throw new DTypeError("toFloat", "a bool is no number", { expression: String(x) }, "select(condition, 1, 0)");
  return x.node.op === "constant" ? constant("float", x.node.value) : operation("toFloat", "float", [x]);
}

/**
 * `a` where the condition holds, else `b`; what is not chosen has no gradient. Time O(1) a pair: both are computed.
 * @throws {DTypeError} for a condition that is no bool, or a bool beside a number.
 * @see PyTorch's `torch.where`
 */
export function select(condition: Operand, a: Operand, b: Operand): Expr {
  const [c] = bools("select", [condition]);
  const [x, y] = alike("select", [a, b]);
  if (c.node.op === "constant") return c.node.value === 1 ? x : y;
  return x === y ? x : operation("select", x.type, [c, x, y]);
}

/**
 * `min(a, b)`; a tie shares the gradient. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.minimum`
 */
export function min(a: Operand, b: Operand): Expr {
  const both = numbers("min", [a, b]);
  return operation("min", both[0].type, both);
}

/**
 * `max(a, b)`; a tie shares the gradient. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.maximum`
 */
export function max(a: Operand, b: Operand): Expr {
  const both = numbers("max", [a, b]);
  return operation("max", both[0].type, both);
}

/**
 * `|x|`; the gradient at 0 is 0. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.abs`
 */
export function abs(x: Operand): Expr {
  const [a] = numbers("abs", [x]);
  return operation("abs", a.type, [a]);
}

/**
 * `e^x`, a float, ∞ where that overflows. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.exp`
 */
export function exp(x: Operand): Expr {
  return operation("exp", "float", [toFloat(x)]);
}

/**
 * `ln x`, a float: −∞ at 0, NaN below. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.log`
 */
export function log(x: Operand): Expr {
  return operation("log", "float", [toFloat(x)]);
}

/**
 * `tanh x`, a float within ±1: `tanh(score.div(c)).mul(c)` is a softcap. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.tanh`
 */
export function tanh(x: Operand): Expr {
  return operation("tanh", "float", [toFloat(x)]);
}

/**
 * `1 / (1 + e^−x)`, a float from 0 to 1. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.sigmoid`
 */
export function sigmoid(x: Operand): Expr {
  return operation("sigmoid", "float", [toFloat(x)]);
}

/**
 * `√x`, a float: NaN below 0; its gradient at 0 is ∞. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.sqrt`
 */
export function sqrt(x: Operand): Expr {
  return operation("sqrt", "float", [toFloat(x)]);
}

/**
 * `⌊x⌋`, still a float; its gradient is 0. Time O(1) a pair.
 * @throws {DTypeError} for a bool.
 * @see PyTorch's `torch.floor`
 */
export function floor(x: Operand): Expr {
  return operation("floor", "float", [toFloat(x)]);
}

/** Numbers that an expression reads by index. */
export interface Table {
  /** The element at an int index per axis. What lies out of range is clamped to the edge, or the table's `outside`. */
  at(...indices: readonly Operand[]): Expr;
}

/**
 * A tensor that expressions read, as `table(values).at(i, j)`: of any shape with an axis, float32 or float64 (learned ones get gradients), int32,
 * or bool. Time O(1) a pair, a load.
 * @param options.outside what an index out of range reads; default: the nearest element
 * @throws {DTypeError} for other dtypes; {ShapeError} for a scalar, or when nothing is in it; and when the number of indices is not its rank.
 * @see Dong et al. 2024 (FlexAttention, arXiv:2412.05496), whose functions read tensors by index
 */
export function table(values: Tensor, { outside }: { readonly outside?: number } = {}): Table {
  if (!(values instanceof Tensor)) throw new HeedError("table", "values must be a tensor", { values: typeof values }, "table(tensor([…]))");
  const types: Readonly<Record<string, ExpressionType>> = { float32: "float", float64: "float", int32: "int", bool: "bool" };
  const type = types[values.dtype];
  if (type === undefined) throw new DTypeError("table", "values must be float32, float64, int32 or bool", { values: values.dtype });
  if (values.rank === 0 || values.size === 0)
    throw new ShapeError("table", "values must have an axis and an element", { values: values.shape });
  if (outside !== undefined && type !== "float" && !Number.isInteger(outside))
    throw new HeedError("table", "outside must be whole", { outside });
  return {
    at(...indices) {
      if (indices.length !== values.rank)
        throw new ShapeError("table", "there must be an index per axis", { indices: indices.length, values: values.shape });
      return new Expr(type, { op: "lookup", table: values, indices: ints("table", indices), outside });
    },
  };
}

/** @internal */
export function constant(type: ExpressionType, value: number): Expr {
  return new Expr(type, { op: "constant", value });
}

/** @internal */
export function variable(name: ExpressionVariable): Expr {
  return new Expr(name === "score" ? "float" : "int", { op: "variable", name });
}

function operation(op: ExpressionOperation, type: ExpressionType, operands: readonly Expr[]): Expr {
  return new Expr(type, { op, operands });
}

function isConstant(x: Expr, value: number): boolean {
  return x.node.op === "constant" && x.node.value === value;
}

function negated(x: Expr): Expr {
  const [a] = numbers("neg", [x]);
  if (a.node.op === "constant") return constant(a.type, -a.node.value);
  return a.node.op === "neg" ? a.node.operands[0] : operation("neg", a.type, [a]);
}

/** With what needs no operation left out, so that derivatives stay small. */
function arithmetic(op: "add" | "sub" | "mul", left: Operand, right: Operand): Expr {
  const [a, b] = numbers(op, [left, right]);
  const { type } = a;
  if (a.node.op === "constant" && b.node.op === "constant") {
    const [x, y] = [a.node.value, b.node.value];
    const value = op === "add" ? x + y : op === "sub" ? x - y : x * y;
    return constant(type, type === "int" ? value | 0 : value);
  }
  if (op === "mul") {
    if (isConstant(a, 0) || isConstant(b, 0)) return constant(type, 0);
    if (isConstant(a, 1)) return b;
    if (isConstant(b, 1)) return a;
    if (isConstant(a, -1)) return negated(b);
    if (isConstant(b, -1)) return negated(a);
  } else {
    if (isConstant(b, 0)) return a;
    if (isConstant(a, 0)) return op === "add" ? b : negated(b);
  }
  return operation(op, type, [a, b]);
}

function ints(op: string, values: readonly Operand[]): Expr[] {
  return values.map((value) => {
    const x = expr(value);
    if (x.type === "int") return x;
    throw new DTypeError(op, "operands and indices must be ints", { expression: String(x), type: x.type });
  });
}

function bools(op: string, values: readonly Operand[]): Expr[] {
  return values.map((value) => {
    const x = expr(value);
    if (x.type === "bool") return x;
    throw new DTypeError(op, "operands must be bools", { expression: String(x), type: x.type }, "Compare first: x.notEqual(0).");
  });
}

/** Numbers of one type: ints if all are, else floats. */
function numbers(op: string, values: readonly Operand[]): Expr[] {
  const all = values.map(expr);
  for (const x of all)
    if (x.type === "bool") throw new DTypeError(op, "a bool is no number", { expression: String(x) }, "select(condition, 1, 0)");
  return all.every(({ type }) => type === "int") ? all : all.map(toFloat);
}

function alike(op: string, values: readonly Operand[]): Expr[] {
  const all = values.map(expr);
  return all.every(({ type }) => type === "bool") ? all : numbers(op, all);
}

const symbols: Readonly<Partial<Record<ExpressionOperation, string>>> = {
  add: "+",
  sub: "−",
  mul: "·",
  div: "/",
  less: "<",
  lessEqual: "≤",
  equal: "=",
  and: "∧",
  or: "∨",
};

/** One line; tables are t0, t1, … in the order in which they are met. What is shared is printed each time. */
export function print(root: Expr, tables: Tensor[] = []): string {
  const text = (x: Expr): string => {
    const { node } = x;
    if (node.op === "constant") return x.type === "bool" ? String(node.value === 1) : String(node.value);
    if (node.op === "variable") return node.name;
    if (node.op === "lookup") {
      if (!tables.includes(node.table)) tables.push(node.table);
      return `t${tables.indexOf(node.table)}[${node.indices.map(text).join(", ")}]`;
    }
    const parts = node.operands.map(text);
    const symbol = symbols[node.op];
    if (symbol !== undefined) return `(${parts.join(` ${symbol} `)})`;
    if (node.op === "neg" || node.op === "not") return `${node.op === "neg" ? "−" : "¬"}${parts[0]}`;
    return node.op === "toFloat" ? parts[0] : `${node.op}(${parts.join(", ")})`;
  };
  return text(root);
}

/** Refuses the variables that an expression must not read. */
export function refuse(where: string, root: Expr, names: readonly ExpressionVariable[]): void {
  visit(root, ({ node }) => {
    if (node.op === "variable" && names.includes(node.name))
      throw new UnsupportedError(where, `the expression must not read ${node.name}`, { expression: String(root) });
  });
}

/** Each different part once, operands before what they are part of. */
export function visit(root: Expr, each: (x: Expr) => void): void {
  const seen = new Set<Expr>();
  const walk = (x: Expr) => {
    if (seen.has(x)) return;
    seen.add(x);
    const { node } = x;
    if (node.op === "lookup") node.indices.forEach(walk);
    else if (node.op !== "constant" && node.op !== "variable") node.operands.forEach(walk);
    each(x);
  };
  walk(root);
}
