import { select, tanh, toFloat, type Expr, type ScoreVariables } from "@heed/attention/expressions";
import * as T from "@heed/tensor";
import type { Tensor } from "@heed/tensor";
import { Unsupported } from "../operator.ts";
import type { Graph } from "../vector.ts";

type Node = Graph["nodes"][number];

/** What a name stands for while scores are read as one expression: places are known by what they were made of. */
type Meaning =
  | { readonly is: "expression"; readonly value: Expr }
  | { readonly is: "constants"; readonly values: readonly number[] }
  /** The shape of the scores, `[B, H, L, S]`. */
  | { readonly is: "shape" }
  /** One length of that shape. */
  | { readonly is: "length"; readonly axis: number }
  /** 0, 1, … up to such a length. */
  | { readonly is: "range"; readonly axis: number };

/** A graph from scores to scores as one expression of the score and its place. */
export function expressionOf(graph: Graph, { score, b, h, i, j }: ScoreVariables): Expr {
  const known = new Map<string, Meaning>([[graph.inputs[0]!, { is: "expression", value: score }]]);
  for (const [name, { values }] of Object.entries(graph.initializers)) known.set(name, { is: "constants", values: values.map(Number) });
  const places = [b, h, i, j];
  for (const node of graph.nodes) {
    const given = node.inputs.map((name) => {
      const meaning = known.get(name);
      if (meaning === undefined) throw new Unsupported(`score_mod reads ${name}, which nothing gives`);
      return meaning;
    });
    known.set(node.outputs[0]!, meaningOf(node, given, places));
  }
  const result = known.get(graph.outputs[0]!);
  if (result?.is !== "expression") throw new Unsupported("score_mod gives no score");
  return result.value;
}

function meaningOf({ opType }: Node, given: readonly Meaning[], places: readonly Expr[]): Meaning {
  const [a, b, c] = given;
  const unsupported = () => new Unsupported(`score_mod: ${opType} of ${given.map(({ is }) => is).join(", ")} is not part of expressions`);
  if (opType === "Shape" && a?.is === "expression") return { is: "shape" };
  if (opType === "Gather" && a?.is === "shape" && b?.is === "constants") return { is: "length", axis: (b.values[0]! + 4) % 4 };
  if (opType === "Range" && b?.is === "length") {
    if (a?.is !== "constants" || c?.is !== "constants" || a.values[0] !== 0 || c.values[0] !== 1) throw unsupported();
    return { is: "range", axis: b.axis };
  }
  if (opType === "Reshape" && a?.is === "range" && b?.is === "constants") {
    // The range must lie along its own axis of [B, H, L, S]: then its value there is the place itself.
    const lies = b.values.length === 4 && b.values.every((n, axis) => (axis === a.axis ? n === -1 : n === 1));
    if (!lies) throw unsupported();
    return { is: "expression", value: places[a.axis]! };
  }
  const operands = given.map((meaning) => {
    if (meaning.is === "expression") return meaning.value;
    if (meaning.is === "constants" && meaning.values.length === 1) return toFloat(meaning.values[0]!);
    throw unsupported();
  });
  const [x, y, z] = operands as [Expr, Expr, Expr];
  const value = (made: Expr): Meaning => ({ is: "expression", value: made });
  switch (opType) {
    case "Add":
      return value(x.add(y));
    case "Sub":
      return value(x.sub(y));
    case "Mul":
      return value(x.mul(y));
    case "Div":
      return value(x.div(y));
    case "Neg":
      return value(x.neg());
    case "Tanh":
      return value(tanh(x));
    case "GreaterOrEqual":
      return value(x.greaterEqual(y));
    case "Greater":
      return value(x.greater(y));
    case "LessOrEqual":
      return value(x.lessEqual(y));
    case "Less":
      return value(x.less(y));
    case "Equal":
      return value(x.equal(y));
    case "And":
      return value(x.and(y));
    case "Or":
      return value(x.or(y));
    case "Not":
      return value(x.not());
    case "Where":
      return value(select(x, y, z));
    default:
      throw unsupported();
  }
}

/** A graph from probabilities to probabilities, in tensor operations. */
export function onTensors(graph: Graph, x: Tensor): Tensor {
  const known = new Map<string, Tensor | number>([[graph.inputs[0]!, x]]);
  for (const [name, { values }] of Object.entries(graph.initializers)) {
    if (values.length !== 1) throw new Unsupported(`prob_mod: the initializer ${name} is no scalar`);
    known.set(name, Number(values[0]));
  }
  const operations: Readonly<Record<string, (a: Tensor | number, b: Tensor | number) => Tensor>> = {
    Add: T.add,
    Sub: T.sub,
    Mul: T.mul,
    Div: T.div,
  };
  for (const { opType, inputs, outputs } of graph.nodes) {
    const operation = operations[opType];
    if (operation === undefined) throw new Unsupported(`prob_mod: ${opType} is not read`);
    const [a, b] = inputs.map((name) => known.get(name)!) as [Tensor, Tensor];
    known.set(outputs[0]!, operation(a, b));
  }
  return known.get(graph.outputs[0]!) as Tensor;
}
