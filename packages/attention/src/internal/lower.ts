import { DTypeError, ShapeError, Tensor } from "@heed/tensor/light";
import type { Bias, BiasForm, MaskForm, Score, ScoreForm, TermContext } from "@heed/tensor/terms";
import type { HeldScoreMod, ScoreModKernels } from "../streaming/score-pass.ts";
import { lowerBits } from "./lower-bits.ts";
import { checkedMask, requireFit } from "./fit.ts";
import type { Call } from "./call.ts";

/** The operands of one call, as kernels take them. */
export interface Lowered {
  readonly call: Call;
  /** Query `[B | 1, H, L, D]`, key `[B | 1, Hkv, S, D]`; packed: of all sequences together. */
  readonly score: ScoreForm;
  readonly biases: readonly BiasForm[];
  readonly mask: MaskForm | undefined;
  /** What kernels can do with the scoreMod: undefined where there is none, or it is a stranger's. */
  readonly scoreMod: ScoreModKernels | undefined;
}

/** `score.lower`, such that what a row holds that is not finite reaches no parameter, and no other row. */
export type LowerScore = (score: Score, query: Tensor, key: Tensor) => ScoreForm;

/** Lowers score, biases and mask, once per call. Uses ordinary operations, so that the tape reaches what they learned. */
export function lower(call: Call, lowerScore: LowerScore): Lowered {
  const { context } = call;
  return {
    call,
    score: scoreForm(call, lowerScore),
    biases: call.biases.map((bias) => biasForm(call, bias, context)),
    mask: maskForm(call, context),
    scoreMod: scoreModKernels(call),
  };
}

function scoreForm(call: Call, lowerScore: LowerScore): ScoreForm {
  const { query, key, score, where: name } = call;
  const form = lowerScore(score, query, key);
  const [q, k] = [form.query, form.key];
  if ((q !== query && !sameRows(q, query)) || (k !== key && !sameRows(k, key)) || q.shape[3] !== k.shape[3]) {
    const rule = `the score "${score.name}" must lower to [B, H, L, D] and [B, Hkv, S, D]`;
    throw new ShapeError(name, rule, { "lowered query": q.shape, "lowered key": k.shape, query: query.shape, key: key.shape });
  }
  requireDType(call, `the score "${score.name}"`, q);
  requireDType(call, `the score "${score.name}"`, k);
  return form;
}

const sameRows = ({ shape }: Tensor, like: Tensor) => shape.length === 4 && shape.every((n, axis) => axis === 3 || n === like.shape[axis]);

function biasForm(call: Call, bias: Bias | Tensor, context: TermContext): BiasForm {
  if (bias instanceof Tensor) return { form: "dense", bias };
  const { B, H, L, S, queryOffset } = context;
  const what = `the bias "${bias.name}"`;
  let form: BiasForm = typeof bias.lower === "function" ? bias.lower(context) : { form: "dense", bias: bias.dense(context) };
  // A grid counts queries from its own first cell on.
  if (form.form === "grid" && queryOffset !== 0) form = { form: "dense", bias: bias.dense(context) };
  requireDType(call, what, form.form === "dense" ? form.bias : form.table);
  if (form.form === "dense") {
    requireFit(call.where, what, form.bias, context);
    return form;
  }
  const { shape } = form.table;
  const odd = (n: number) => n % 2 === 1;
  const fits =
    shape.length === 3 &&
    (form.form === "relative"
      ? [1, B].includes(shape[0]) && [1, H].includes(shape[1]) && shape[2] === Math.max(L + S - 1, 0)
      : [1, H].includes(shape[0]) &&
        odd(shape[1]) &&
        (form.form === "queryRelative" ? shape[1] === 2 * form.maxDistance + 1 : odd(shape[2])));
  if (!fits)
    throw new ShapeError(call.where, `${what} lowers to a table that does not fit its form`, { form: form.form, table: shape, L, S });
  return form;
}

function scoreModKernels(call: Call): ScoreModKernels | undefined {
  const scoreMod = call.scoreMod as Partial<HeldScoreMod> | undefined;
  const kernels = scoreMod?.kernels?.();
  for (const table of kernels?.tables ?? []) {
    if (table.dtype === "float32" || table.dtype === "float64") requireDType(call, `each float table of "${scoreMod!.name}"`, table);
  }
  return kernels;
}

function requireDType({ where: name, query }: Call, what: string, x: Tensor): void {
  if (x.dtype !== query.dtype) throw new DTypeError(name, `${what} must have the dtype of query`, { got: x.dtype, query: query.dtype });
}

function maskForm(call: Call, context: TermContext): MaskForm | undefined {
  const { mask, where: name } = call;
  if (mask === undefined) return undefined;
  if (mask instanceof Tensor) return lowerBits(mask, context);
  if (typeof mask.lower !== "function") return lowerBits(checkedMask(call, mask.dense(context), mask.name), context);
  const form = mask.lower(context);
  const { B, H, L, S } = context;
  const { batches, heads } = form;
  const rows = form.form === "ranges" ? L * form.ranges * 2 : Math.ceil(L / form.rows) * Math.ceil(S / form.columns);
  const given = form.form === "ranges" ? form.bounds.length : form.verdicts.length;
  if (![1, B].includes(batches) || ![1, H].includes(heads) || given !== batches * heads * rows) {
    throw new ShapeError(name, `the mask "${mask.name}" must be of [B | 1, H | 1, L, S]`, {
      batches,
      heads,
      length: given,
      "[B, H, L, S]": [B, H, L, S],
    });
  }
  if (form.form === "tiles" && (form.rows !== 64 || form.columns !== 64))
    return lowerBits(checkedMask(call, mask.dense(context), mask.name), context);
  return form;
}
