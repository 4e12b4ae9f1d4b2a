import { HeedError, Tensor } from "@heed/tensor";
import type { Mask, MaskForm, TermContext } from "@heed/tensor/terms";
import { fromBits } from "./from-tensor.ts";
import { intervalMask, type DrawableMask, type Rows } from "./internal/interval-mask.ts";

/**
 * Anybody's mask, such as `maskMod` of `@heed/attention/expressions`, as one of this package: it draws itself, gives tensors and verdicts. `and`,
 * `or`, `not` and `shift` do this themselves. A mask of this package is returned as it is.
 *
 * Letters: L queries, S keys. Queries that it closes altogether see nothing; shapes are its own.
 * @throws {HeedError} for what is no mask: wrap a boolean tensor by `fromTensor`.
 *
 * Time O(ranges) a row of its lowered form, or O(S / columns) and the bits of mixed tiles.
 * @see Elementary: the same pairs
 */
export function fromMask(mask: Mask): DrawableMask {
  return drawable("fromMask", mask);
}

/** Masks of this package as they are, others by what they lower to. */
export function drawable(where: string, mask: Mask): DrawableMask {
  if (typeof (mask as Partial<DrawableMask> | undefined)?.rows === "function") return mask as DrawableMask;
  const lowers = typeof mask?.lower === "function";
  if (mask instanceof Tensor || (!lowers && typeof mask?.dense !== "function"))
    throw new HeedError(where, "only masks combine here", { received: typeof mask }, "Wrap a boolean tensor: fromTensor(mask).");
  return intervalMask(mask.name, {}, (context) =>
    lowers ? rowsOfForm(mask.lower(context), context) : fromBits(mask.name, mask.dense(context), 1).rows(context),
  );
}

function rowsOfForm(form: MaskForm, { L, S }: TermContext): Rows {
  const { batches, heads } = form;
  if (form.form === "ranges") {
    return {
      batches,
      heads,
      fill: (b, h, first, count, into) => {
        const wide = 2 * form.ranges;
        const start = ((b * heads + h) * L + first) * wide;
        // The two ranges of a row may come in any order, and overlap.
        for (let at = start; at < start + count * wide; at += wide) {
          const second = at + 2;
          const turned = form.ranges === 2 && form.bounds[second] < form.bounds[at] && form.bounds[second] < form.bounds[second + 1];
          for (const k of form.ranges === 1 ? [at] : turned ? [second, at] : [at, second])
            into.push(Math.max(0, form.bounds[k]), Math.min(S, form.bounds[k + 1]));
          into.endRow();
        }
      },
    };
  }
  const { rows, columns, verdicts, bits, bitsAt } = form;
  const across = Math.ceil(S / columns);
  return {
    batches,
    heads,
    fill: (b, h, first, count, into) => {
      const plane = (b * heads + h) * Math.ceil(L / rows) * across;
      for (let i = first; i < first + count; i++) {
        for (let column = 0; column < across; column++) {
          const tile = plane + Math.floor(i / rows) * across + column;
          const [low, high] = [column * columns, Math.min(S, (column + 1) * columns)];
          if (verdicts[tile] === 1) into.push(low, high);
          if (verdicts[tile] !== 2) continue;
          const row = (i % rows) * columns;
          for (let j = low; j < high; j++) {
            const bit = row + j - low;
            if (((bits[bitsAt[tile] + (bit >> 3)] >> (bit & 7)) & 1) === 1) into.push(j, j + 1);
          }
        }
        into.endRow();
      }
    },
  };
}
