/**
 * `heed/portable-math`: packages compute the same bits on every engine, and draw the same random numbers.
 *
 * ECMAScript leaves the transcendental functions of `Math`, and `**`, to the engine; so packages use the ones of
 * `@heed/kernels` instead. `Math.random` cannot be seeded; use a random key. Constants such as `2 ** 32` are fine.
 */
const banned = new Set([
  "acos",
  "acosh",
  "asin",
  "asinh",
  "atan",
  "atan2",
  "atanh",
  "cbrt",
  "cos",
  "cosh",
  "exp",
  "expm1",
  "hypot",
  "log",
  "log10",
  "log1p",
  "log2",
  "pow",
  "random",
  "sin",
  "sinh",
  "tan",
  "tanh",
]);

// As much of ESTree as this rule looks at.
interface Node {
  type: string;
  name?: string;
  value?: unknown;
  operator?: string;
  computed?: boolean;
  object?: Node;
  property?: Node;
  id?: Node;
  init?: Node | null;
  key?: Node;
  properties?: Node[];
  left?: Node;
  right?: Node;
}
interface Context {
  report(problem: { node: Node; message: string }): void;
}

const isMath = (node: Node | null | undefined) =>
  (node?.type === "Identifier" && node.name === "Math") ||
  (node?.type === "MemberExpression" && node.object?.name === "globalThis" && node.property?.name === "Math");
const isNumber = (node: Node | undefined) => node?.type === "Literal" && typeof node.value === "number";

const portableMath = {
  create(context: Context) {
    const check = (node: Node, name: unknown) => {
      if (!banned.has(String(name))) return;
      const instead = name === "random" ? "draw from a randomKey" : `import { math } from "@heed/kernels" (in kernels: src/math)`;
      context.report({ node, message: `Math.${name} differs between engines or runs; ${instead}.` });
    };
    return {
      MemberExpression(node: Node) {
        if (isMath(node.object)) check(node, node.computed === true ? node.property?.value : node.property?.name);
      },
      VariableDeclarator(node: Node) {
        if (isMath(node.init)) for (const property of node.id?.properties ?? []) check(property, property.key?.name);
      },
      BinaryExpression(node: Node) {
        if (node.operator !== "**" || isNumber(node.left)) return;
        context.report({
          node,
          message: "`**` differs between engines unless its base is a literal; multiply, or use math.pow of @heed/kernels.",
        });
      },
      AssignmentExpression(node: Node) {
        if (node.operator === "**=")
          context.report({ node, message: "`**=` differs between engines; multiply, or use math.pow of @heed/kernels." });
      },
    };
  },
};

export default { meta: { name: "heed" }, rules: { "portable-math": portableMath } };
