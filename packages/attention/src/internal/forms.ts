import {
  add,
  concat,
  gather,
  indexSelect,
  leakyRelu,
  matmul,
  mul,
  reshape,
  sigmoid,
  square,
  sub,
  sum,
  tanh,
  tensor,
  transpose,
  unsqueeze,
  zeros,
  type Tensor,
} from "@heed/tensor";
import type { Bias, BiasForm, Score, ScoreForm, ScoreMod, TermContext } from "@heed/tensor/terms";
import type { ScoreModKernels } from "../streaming/score-pass.ts";

/** What operand forms mean, in tensor operations: the dense definition of what a kernel is given. */

/** Scores `[…, H, L, S]` times a number or one factor per head. */
export function scaledBy(scores: Tensor, scale: number | Tensor): Tensor {
  if (typeof scale === "number") return scale === 1 ? scores : mul(scores, scale);
  return mul(scores, reshape(scale, scale.size === 1 ? [] : [scale.size, 1, 1]));
}

/** A score whose query and key are those of the form already. */
export function scoreOfForm(form: ScoreForm): Score {
  return {
    name: form.form,
    dense(query, key) {
      if (form.form === "dot") return scaledBy(matmul(query, transpose(key)), form.scale);
      const [q, k] = [unsqueeze(query, -2), unsqueeze(key, -3)]; // [B, H, L, 1, D], [B, H, 1, S, D]
      if (form.form === "distance") return scaledBy(sum(square(sub(q, k)), -1), form.scale);
      const hidden = form.edgeTerm === undefined ? add(q, k) : add(add(q, k), form.edgeTerm);
      const { vector, activation } = form;
      const active =
        activation === "tanh"
          ? tanh(hidden)
          : activation === "sigmoid"
            ? sigmoid(hidden)
            : leakyRelu(hidden, { slope: form.negativeSlope ?? 0.01 });
      return sum(mul(active, vector.rank === 1 ? vector : reshape(vector, [vector.shape[0], 1, 1, vector.shape[1]])), -1);
    },
    lower: (query, key) => ({ ...form, query, key }),
  };
}

/** Of all forms but queryRelative, which the query takes part in. */
export function biasOfForm(form: BiasForm): Bias {
  return {
    name: form.form,
    dense(context) {
      const { L, S } = context;
      if (form.form === "dense") return form.bias;
      if (form.form === "queryRelative") throw new Error("internal: a queryRelative bias needs the query");
      const { table } = form;
      const places = new Int32Array(L * S);
      const [rows, columns] = [(table.shape.at(-2)! + 1) / 2, (table.shape.at(-1)! + 1) / 2];
      const outside = form.form === "grid" ? table.shape[1] * table.shape[2] : 0;
      for (let i = 0, at = 0; i < L; i++) {
        for (let j = 0; j < S; j++, at++) {
          if (form.form === "relative") places[at] = j - i + L - 1;
          else {
            const [from, to] = [i - form.prefix, j - form.prefix];
            const down = Math.floor(to / columns) - Math.floor(from / columns) + rows - 1;
            places[at] = from < 0 || to < 0 ? outside : down * (2 * columns - 1) + (to % columns) - (from % columns) + columns - 1;
          }
        }
      }
      if (form.form === "relative") return reshape(indexSelect(table, tensor(places), -1), [...table.shape.slice(0, 2), L, S]);
      // One more number, 0: what pairs with the prefix read.
      const flat = concat([reshape(table, [table.shape[0], outside]), zeros([table.shape[0], 1], { dtype: table.dtype as "float32" })], 1);
      return reshape(indexSelect(flat, tensor(places), -1), [table.shape[0], L, S]);
    },
    lower: () => form,
  };
}

/** The dense definition of a scoreMod with other tables; undefined leaves one as it is. */
export function scoreModOfTables({ dense, tables: own }: ScoreModKernels, tables: readonly (Tensor | undefined)[]): ScoreMod["dense"] {
  return (scores, context) =>
    dense(
      scores,
      context,
      own.map((table, n) => tables[n] ?? table),
    );
}

/** `⟨query, table[clip(j − (i + queryOffset))]⟩`, `[B, H, L, S]`: what a queryRelative bias adds inside the score's scale. */
export function relativeKeys(query: Tensor, table: Tensor, context: TermContext): Tensor {
  const { B, H, L, S } = context;
  const places = relativePlaces(context, (table.shape[1] - 1) / 2);
  const each = matmul(query, transpose(table)); // [B | 1, H, L, 2 · maxDistance + 1]
  const batch = Math.max(each.shape[0], places.length / (L * S || 1));
  const wide = batch > each.shape[0] ? add(each, zeros([batch, 1, 1, 1], { dtype: each.dtype as "float32" })) : each;
  const index = new Int32Array(batch * H * L * S);
  for (let b = 0; b < batch; b++) {
    const own = places.subarray(places.length > L * S ? b * L * S : 0).subarray(0, L * S);
    for (let h = 0; h < H; h++) index.set(own, (b * H + h) * L * S);
  }
  const found = gather(wide, tensor(index, { shape: [batch, H, L, S] }), -1);
  return batch === B ? found : add(found, zeros([B, 1, 1, 1], { dtype: found.dtype as "float32" }));
}

/** Rows of a table of clipped distances, `[B | 1, L, S]`. */
export function relativePlaces({ L, S, queryOffset }: TermContext, most: number): Int32Array {
  const offsets = typeof queryOffset === "number" ? [queryOffset] : queryOffset;
  const places = new Int32Array(offsets.length * L * S);
  let at = 0;
  for (const offset of offsets)
    for (let i = 0; i < L; i++) for (let j = 0; j < S; j++, at++) places[at] = Math.max(-most, Math.min(most, j - i - offset)) + most;
  return places;
}
