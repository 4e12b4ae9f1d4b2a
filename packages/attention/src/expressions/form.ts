import type { Tensor } from "@heed/tensor";
import type { Expression, ExpressionForm } from "@heed/tensor/terms";
import { visit, type Expr } from "./expr.ts";

/** An expression as data, its tables numbered in the order in which they are met. Parts that are shared stay shared. */
export function formOf(root: Expr): ExpressionForm {
  const { expressions, tables } = formsOf([root]);
  return { form: "expression", expression: expressions[0], tables };
}

/** Several expressions, which share tables and parts. */
export function formsOf(roots: readonly Expr[]): { expressions: Expression[]; tables: Tensor[] } {
  const tables: Tensor[] = [];
  const made = new Map<Expr, Expression>();
  const make = (x: Expr) => {
    if (made.has(x)) return;
    const { node, type } = x;
    if (node.op === "constant") made.set(x, { op: "constant", type, value: node.value });
    else if (node.op === "variable") made.set(x, { op: "variable", type: type as "float" | "int", name: node.name });
    else if (node.op === "lookup") {
      if (!tables.includes(node.table)) tables.push(node.table);
      const { table, outside } = node;
      const indices = node.indices.map((index) => made.get(index)!);
      made.set(x, { op: "lookup", type, table: tables.indexOf(table), shape: table.shape, indices, outside });
    } else made.set(x, { op: node.op, type, operands: node.operands.map((operand) => made.get(operand)!) });
  };
  for (const root of roots) visit(root, make);
  return { expressions: roots.map((root) => made.get(root)!), tables };
}
