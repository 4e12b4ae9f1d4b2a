import { DTypeError, tensor } from "@heed/tensor";
import type { ExpressionForm, ExpressionVariable, Mask, MaskForm, TermContext } from "@heed/tensor/terms";
import { boundsOf } from "./bounds.ts";
import { refuse, visit, type Expr, type Operand } from "./expr.ts";
import { formOf } from "./form.ts";
import { interpret, tableValues } from "./interpret.ts";
import { BYTES_PER_TILE, lowerBySolving, TILE, type Extent } from "./lower-rows.ts";
import { built, pair, type PairVariables } from "./score-mod.ts";

/**
 * A mask from an expression, true = may attend: `maskMod(({ b, h, i, j, position }) => …)`. Floats in it compute in double precision.
 *
 * Lowers row by row where it can be solved for j, as windows, documents and their like can: comparisons of ints that are linear in j, of |…|, min,
 * max and whole quotients of them, of tables by key with what the query knows; `and`, `or`, `not` and `select` of these. Time O(parts of the
 * expression) a row then, some 100 ns. Else interval arithmetic finds tiles that are empty or full, quarter by quarter, and those on an edge are
 * computed pair by pair: O(parts) for each tile, and for each such pair.
 *
 * Letters: b sample, h head, i query, j key, L queries, S keys; position is i + queryOffset, below 0 for the first queries where L > S. Densely
 * `[B | 1, H | 1, L, S]`, 1 where samples or heads do not differ. A query for which it is false throughout sees nothing.
 * @throws {DTypeError} when the result is no bool; {HeedError} when the function returns no expression.
 * @see Dong et al. 2024 (FlexAttention, arXiv:2412.05496)
 * @example
 * const causal = maskMod(({ position, j }) => j.lessEqual(position));
 * const ids = table(tensor([0, 0, 1, 1], { dtype: "int32" }));
 * const document = maskMod(({ position, j }) => ids.at(position).equal(ids.at(j)));
 */
export function maskMod(
  build: (variables: PairVariables) => Operand,
  { name = "maskMod" }: { readonly name?: string } = {},
): Mask & { readonly expression: Expr } {
  const expression = built("maskMod", () => build(pair()));
  if (expression.type !== "bool") {
    throw new DTypeError(
      "maskMod",
      "the expression must be a bool",
      { expression: String(expression), type: expression.type },
      "Compare: j.lessEqual(i).",
    );
  }
  refuse("maskMod", expression, ["score"]);
  const reads = new Set<ExpressionVariable>();
  visit(expression, ({ node }) => node.op === "variable" && reads.add(node.name));
  const form = formOf(expression);
  const extent = ({ B, H, queryOffset }: TermContext) => ({
    batches: reads.has("b") || (reads.has("position") && typeof queryOffset !== "number") ? B : 1,
    heads: reads.has("h") ? H : 1,
  });
  return {
    name,
    expression,
    dense(context) {
      const { L, S } = context;
      const { batches, heads } = extent(context);
      const bits = new Uint8Array(batches * heads * L * S);
      const tables = tableValues(form);
      let at = 0;
      for (let b = 0; b < batches; b++)
        for (let h = 0; h < heads; h++)
          for (let i = 0; i < L; i += TILE) {
            const rows = Math.min(TILE, L - i);
            const open = opened(form, tables, offsetOf(context, b), b, h, i, rows, 0, S);
            for (let r = 0; r < rows; r++) for (let j = 0; j < S; j++) bits[at++] = open(r, j);
          }
      return tensor(bits, { shape: [batches, heads, L, S], dtype: "bool" });
    },
    lower(context) {
      const tables = tableValues(form);
      return lowerBySolving(form, tables, context, extent(context)) ?? tilesByIntervals(form, tables, context, extent(context));
    },
  };
}

const offsetOf = ({ queryOffset }: TermContext, b: number) => (typeof queryOffset === "number" ? queryOffset : queryOffset[b]);

/** Whether the pair at a row and column of a block is open. */
function opened(
  form: ExpressionForm,
  tables: readonly Float64Array[],
  offset: number,
  b: number,
  h: number,
  i: number,
  rows: number,
  j: number,
  columns: number,
): (row: number, column: number) => number {
  const region = { b: [b, 1], h: [h, 1], i: [i, rows], j: [j, columns], offsets: [offset] } as const;
  const { values, shape } = interpret(form.expression, tables, region);
  const [down, across] = [shape[2] === 1 ? 0 : shape[3], shape[3] === 1 ? 0 : 1];
  return (row, column) => values[row * down + column * across];
}

/** Tiles by interval arithmetic, quarter by quarter; only those on an edge are computed pair by pair. */
function tilesByIntervals(
  form: ExpressionForm,
  tables: readonly Float64Array[],
  context: TermContext,
  { batches, heads }: Extent,
): MaskForm {
  const { L, S } = context;
  const [down, across] = [Math.ceil(L / TILE), Math.ceil(S / TILE)];
  const verdicts = new Uint8Array(batches * heads * down * across);
  const bitsAt = new Int32Array(verdicts.length).fill(-1);
  let bits = new Uint8Array(BYTES_PER_TILE);
  let used = 0;
  const bounds = boundsOf(form);

  const ofHead = (b: number, h: number) => {
    const offset = offsetOf(context, b);
    const first = (b * heads + h) * down * across;
    /** Tiles [top, bottom) × [left, right). */
    const settle = (top: number, bottom: number, left: number, right: number) => {
      const at = { b, h, offset, i: top * TILE, iEnd: Math.min(bottom * TILE, L), j: left * TILE, jEnd: Math.min(right * TILE, S) };
      const found = bounds(at);
      if (found === "never") return;
      if (found === "always") {
        for (let row = top; row < bottom; row++) verdicts.fill(1, first + row * across + left, first + row * across + right);
        return;
      }
      if (bottom - top === 1 && right - left === 1) {
        one(first + top * across + left, at.i, at.iEnd - at.i, at.j, at.jEnd - at.j);
        return;
      }
      const [middle, centre] = [(top + bottom + 1) >> 1, (left + right + 1) >> 1];
      for (const [from, to] of [
        [top, middle],
        [middle, bottom],
      ])
        for (const [low, high] of [
          [left, centre],
          [centre, right],
        ])
          if (from < to && low < high) settle(from, to, low, high);
    };
    const one = (tile: number, i: number, rows: number, j: number, columns: number) => {
      if (used + BYTES_PER_TILE > bits.length) {
        const larger = new Uint8Array(2 * bits.length);
        larger.set(bits);
        bits = larger;
      }
      const open = opened(form, tables, offset, b, h, i, rows, j, columns);
      let count = 0;
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          if (open(r, c) === 0) continue;
          count++;
          bits[used + ((r * TILE + c) >> 3)] |= 1 << (c & 7);
        }
      }
      if (count === 0 || count === rows * columns) {
        verdicts[tile] = count === 0 ? 0 : 1;
        bits.fill(0, used, used + BYTES_PER_TILE);
        return;
      }
      verdicts[tile] = 2;
      bitsAt[tile] = used;
      used += BYTES_PER_TILE;
    };
    if (down * across > 0) settle(0, down, 0, across);
  };
  for (let b = 0; b < batches; b++) for (let h = 0; h < heads; h++) ofHead(b, h);
  return { form: "tiles", batches, heads, rows: TILE, columns: TILE, verdicts, bitsAt, bits: bits.slice(0, used) };
}
