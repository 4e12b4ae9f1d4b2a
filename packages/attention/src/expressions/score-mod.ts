import { DTypeError, HeedError } from "@heed/tensor";
import type { HeldScoreMod, ScoreModKernels } from "../streaming/score-pass.ts";
import { evaluate, wholeRegion } from "./evaluate.ts";
import { expr, Expr, toFloat, variable, type Operand } from "./expr.ts";
import { formOf } from "./form.ts";
import { kernelsOf } from "./kernels.ts";

/** Where a pair of query and key stands, as int expressions. */
export interface PairVariables {
  /** Sample, head, query and key, from 0 on; in packed sequences i and j count within a sequence. */
  readonly b: Expr;
  readonly h: Expr;
  readonly i: Expr;
  readonly j: Expr;
  /** Where the query stands among the keys: i + queryOffset. */
  readonly position: Expr;
}

export interface ScoreVariables extends PairVariables {
  /** The score, after scale, softcap and biases. */
  readonly score: Expr;
}

/**
 * What is to be done to each score, as an option of attention: `scoreMod(({ score, h, position, j }) => …)` gives the expression of the new score. The
 * function runs once, here; what it returns is data, printable, differentiated by itself.
 *
 * float32 computes it in the streaming kernel, in a module that is compiled at its first call, once for all expressions of the same structure: numbers
 * and tables are operands. Where the engine refuses that, the dense definition runs (`explain`). A score of −∞ has the weight 0; what a closed pair holds
 * is kept from being heard by masks and biases only, so close pairs by `maskMod`.
 *
 * Letters: h head, j key, b sample, i query; position is i + queryOffset. Scores `[B, H, L, S]` → the same; without queries or keys there are none.
 * @throws {DTypeError} when the result is no number; {HeedError} when the function returns no expression.
 *
 * Time O(parts of the expression · L S): tile by tile in the kernel; densely, an array of L × S per part.
 * @example
 * const cap = scoreMod(({ score }) => tanh(score.div(20)).mul(20));
 * const slopes = table(tensor([0.5, 0.25]));
 * const alibi = scoreMod(({ score, h, position, j }) => score.add(slopes.at(h).mul(j.sub(position))));
 * @see Dong et al. 2024 (FlexAttention, arXiv:2412.05496)
 */
export function scoreMod(
  build: (variables: ScoreVariables) => Operand,
  { name = "scoreMod" }: { readonly name?: string } = {},
): HeldScoreMod & { readonly expression: Expr } {
  const expression = built("scoreMod", () => build({ ...pair(), score: variable("score") }));
  if (expression.type === "bool") {
    throw new DTypeError("scoreMod", "the expression must be a number", { expression: String(expression) }, "Close pairs by maskMod.");
  }
  const root = toFloat(expression);
  const form = formOf(root);
  const learned = form.tables.filter((table) => table.requiresGrad);
  let held: { readonly learned: string; readonly kernels: ScoreModKernels } | undefined;
  return {
    name,
    expression: root,
    dense: (scores, context) => evaluate(form, scores, wholeRegion(context)),
    lower: () => form,
    kernels() {
      // Whether a table is learned is part of what kernels are made for.
      const now = form.tables.map(({ requiresGrad }) => Number(requiresGrad)).join("");
      if (held?.learned !== now) held = { learned: now, kernels: kernelsOf(root) };
      return held.kernels;
    },
    parameters: () => Object.fromEntries(learned.map((table, at) => [`table${at}`, table])),
  };
}

/** @internal */
export function pair(): PairVariables {
  return { b: variable("b"), h: variable("h"), i: variable("i"), j: variable("j"), position: variable("position") };
}

/** @internal Runs a builder, and checks what came. */
export function built(where: string, build: () => Operand): Expr {
  const made: unknown = build();
  if (!(made instanceof Expr) && typeof made !== "number" && typeof made !== "boolean") {
    throw new HeedError(
      where,
      "the function must return an expression",
      { returned: typeof made },
      "Return what the variables' methods give.",
    );
  }
  return expr(made);
}
