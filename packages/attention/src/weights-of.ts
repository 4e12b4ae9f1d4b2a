import { HeedError, indexSelect, noGrad, reshape, slice, Tensor, tensor } from "@heed/tensor";
import { broadcastStrides, rowMajor } from "@heed/tensor/operation";
import type { Bias, BiasForm, MaskForm, ScoreForm, ScoreMod, TermContext } from "@heed/tensor/terms";
import { evaluate } from "./expressions/evaluate.ts";
import type { Region } from "./expressions/interpret.ts";
import { dense } from "./internal/dense.ts";
import { scoreOfForm } from "./internal/forms.ts";
import { lower } from "./internal/lower.ts";
import { lowerScore } from "./internal/lower-score.ts";
import type { Call } from "./internal/call.ts";
import { prepare } from "./internal/prepare.ts";
import type { AttentionOptions } from "./options.ts";

export type WeightsOfOptions = AttentionOptions & {
  /** Which sample (packed: sequence) and which query head. Default 0. */
  readonly batch?: number;
  readonly head?: number;
  /** Rows from, up to but without. Default all. */
  readonly queries?: readonly [from: number, to: number];
};

/**
 * Exact rows of the weights of one head, `[to − from, S]`, as `attention` with the same options has them (after the normaliser, before dropout),
 * without an array of L × S: for looking at what a model attends to. Without gradients. A query that may attend to nothing has a row of zeros.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width.
 * @param query `[B, H, L, D]`, key `[B, Hkv, S, D]`, as for `attention`
 * @throws {HeedError} for a sample, head or rows that are not there; and what `attention` throws.
 * Time O((to − from) S D), and what lowering the mask takes.
 * @see Vaswani et al. 2017, §3.2.1 (arXiv:1706.03762)
 */
export function weightsOf(query: Tensor, key: Tensor, options: WeightsOfOptions = {}): Tensor {
  const { batch = 0, head = 0, queries, ...rest } = options;
  // Values do not matter: a view of the keys is as good as any.
  const call = prepare("weightsOf", query, key, key, { ...rest, valueTable: undefined } as AttentionOptions);
  const { B, H } = call.context;
  const bounds = (at: number, count: number) => Number.isInteger(at) && at >= 0 && at < count;
  if (!bounds(batch, B) || !bounds(head, H))
    throw new HeedError("weightsOf", "there must be such a sample and head", { batch, head, B, H });
  const { packing } = call;
  const L = packing === undefined ? call.context.L : packing.query[batch + 1] - packing.query[batch];
  const S = packing === undefined ? call.context.S : packing.key[batch + 1] - packing.key[batch];
  const [from, to] = queries ?? [0, L];
  if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= L)) {
    throw new HeedError("weightsOf", "queries must be [from, to) within the sequence", { queries: [from, to], L });
  }
  return noGrad(() => {
    const lowered = lower(call, lowerScore);
    const { score, biases, mask } = lowered;
    const { queryOffset } = call.context;
    const offset = typeof queryOffset === "number" ? queryOffset : queryOffset[batch];
    const context: TermContext = { ...call.context, B: 1, H: 1, L: to - from, S, queryOffset: offset + from };
    const part = (x: Tensor, at: number, starts: Int32Array | undefined, first: number, last: number) => {
      const sample = packing === undefined && x.shape[0] > 1 ? batch : 0;
      const start = starts === undefined ? 0 : starts[batch];
      return slice(slice(slice(x, 0, sample, sample + 1), 1, at, at + 1), 2, start + first, start + last);
    };
    const [q, k] = [part(score.query, head, packing?.query, from, to), part(score.key, Math.floor(head / call.group), packing?.key, 0, S)];
    const perHead = (x: Tensor) => (x.size === 1 || x.rank === 0 ? x : slice(x, 0, head, head + 1));
    const form = {
      ...score,
      query: q,
      key: k,
      ...(score.form === "additive"
        ? {
            vector:
              score.vector.rank === 2
                ? slice(score.vector, 0, score.vector.shape[0] > 1 ? head : 0, score.vector.shape[0] > 1 ? head + 1 : 1)
                : score.vector,
          }
        : { scale: score.scale instanceof Tensor ? perHead(score.scale) : score.scale }),
    } as ScoreForm;
    const rows: Call = {
      ...call,
      query: q,
      key: k,
      value: k,
      group: 1,
      context,
      packing: undefined,
      score: scoreOfForm(form),
      biases: biases.map((bias) => biasRows(bias, call.context, batch, head, from, to, S)),
      scoreMod:
        call.scoreMod === undefined
          ? undefined
          : shifted(call.scoreMod, call.context, { b: [batch, 1], h: [head, 1], i: [from, to - from], j: [0, S], offsets: [offset] }),
      mask: mask === undefined ? undefined : maskRows(mask, call.context, batch, head, from, to, S),
      sink: call.sink === undefined ? undefined : slice(call.sink, 0, head, head + 1),
      dropout: undefined,
    };
    return reshape(dense(rows, new Set(["weights"])).weights!, [to - from, S]);
  });
}

/** A scoreMod for a block of pairs, which stands where it stands in the whole. */
function shifted(scoreMod: ScoreMod, context: TermContext, region: Region): ScoreMod {
  return { ...scoreMod, dense: (scores) => evaluate(scoreMod.lower(context), scores, region) };
}

/** The rows of a bias for one sample and head, `[1, 1, rows, S]`; one that the query takes part in stays a term. */
function biasRows(
  form: BiasForm,
  { B, H, L, S: longest }: TermContext,
  b: number,
  h: number,
  from: number,
  to: number,
  S: number,
): Tensor | Bias {
  if (form.form === "queryRelative") {
    const table = form.table.shape[0] > 1 ? slice(form.table, 0, h, h + 1) : form.table;
    return { name: form.form, dense: () => table, lower: () => ({ ...form, table }) };
  }
  const table = form.form === "dense" ? form.bias : form.table;
  const { shape } = table;
  const strides = form.form === "dense" ? broadcastStrides(shape, rowMajor(shape), [B, H, L, longest]) : [];
  const at = new Int32Array((to - from) * S);
  const [R, C] = form.form === "grid" ? [(shape[1] + 1) / 2, (shape[2] + 1) / 2] : [0, 0];
  const size = form.form === "grid" ? shape[1] * shape[2] : 0;
  const zeros: number[] = [];
  for (let i = from, n = 0; i < to; i++) {
    for (let j = 0; j < S; j++, n++) {
      if (form.form === "dense") at[n] = b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3];
      else if (form.form === "relative") {
        const row = (shape[0] > 1 ? b : 0) * shape[1] + (shape[1] > 1 ? h : 0);
        at[n] = row * shape[2] + j - i + L - 1;
      } else {
        const [own, key] = [i - form.prefix, j - form.prefix];
        if (own < 0 || key < 0) zeros.push(n);
        else
          at[n] =
            (shape[0] > 1 ? h : 0) * size + (Math.floor(key / C) - Math.floor(own / C) + R - 1) * shape[2] + (key % C) - (own % C) + C - 1;
      }
    }
  }
  const found = indexSelect(reshape(table, [table.size]), tensor(at));
  if (zeros.length === 0) return reshape(found, [1, 1, to - from, S]);
  const values = found.toTypedArray();
  for (const n of zeros) values[n] = 0;
  return tensor(values as Float32Array, { shape: [1, 1, to - from, S] });
}

/** The rows of a mask for one sample and head, boolean `[rows, S]`. */
function maskRows(mask: MaskForm, { L, S: longest }: TermContext, b: number, h: number, from: number, to: number, S: number): Tensor {
  const bits = new Uint8Array((to - from) * S);
  const group = (mask.batches > 1 ? b : 0) * mask.heads + (mask.heads > 1 ? h : 0);
  for (let i = from; i < to; i++) {
    const row = (i - from) * S;
    if (mask.form === "ranges") {
      for (let k = 0; k < mask.ranges; k++) {
        const at = ((group * L + i) * mask.ranges + k) * 2;
        const [low, high] = [mask.bounds[at], Math.min(mask.bounds[at + 1], S)];
        if (low < high) bits.fill(1, row + low, row + high);
      }
      continue;
    }
    const across = Math.ceil(longest / 64);
    const tiles = (group * Math.ceil(L / 64) + (i >> 6)) * across;
    for (let j = 0; j < S; j++) {
      const tile = tiles + (j >> 6);
      const bit = (i % 64) * 64 + (j % 64);
      bits[row + j] = mask.verdicts[tile] === 2 ? (mask.bits[mask.bitsAt[tile] + (bit >> 3)] >> (bit & 7)) & 1 : mask.verdicts[tile];
    }
  }
  return tensor(bits, { shape: [to - from, S], dtype: "bool" });
}
