import { HeedError } from "@heed/tensor";
import type { TermContext } from "@heed/tensor/terms";
import { intervalMask, type DrawableMask, type Intervals, type Rows } from "./internal/interval-mask.ts";

/**
 * What all of the masks allow. Without any: everything. Samples and heads broadcast: `and(causal(), padding(lengths))` differs by sample alone.
 * @throws {HeedError} for a mask of another package: wrap its tensor by `fromTensor`.
 *
 * Each row is joined as ranges, O(ranges): no L × S array.
 */
export function and(...masks: readonly DrawableMask[]): DrawableMask {
  return combined("and", masks, (all, S) => all.reduce(intersect, [0, S]));
}

/** What any of the masks allows. Without any: nothing. Otherwise as `and`. */
export function or(...masks: readonly DrawableMask[]): DrawableMask {
  return combined("or", masks, (all) => all.reduce(unite, []));
}

/** What the mask does not allow: `not(window(0, 0))` hides a query's own key. Otherwise as `and`. */
export function not(mask: DrawableMask): DrawableMask {
  return combined("not", [mask], ([one], S) => complement(one, S));
}

function combined(name: string, masks: readonly DrawableMask[], join: (rows: readonly Intervals[], S: number) => Intervals): DrawableMask {
  for (const mask of masks) {
    if (typeof mask?.rows !== "function")
      throw new HeedError(
        name,
        "only masks of this package combine here",
        { received: typeof mask },
        "Wrap a boolean tensor: fromTensor(mask).",
      );
  }
  const [samples, heads] = (["samples", "heads"] as const).map((of) => masks.find((mask) => mask[of] !== undefined)?.[of]);
  return intervalMask(`${name}(${masks.map((mask) => mask.name).join(", ")})`, { samples, heads }, (context: TermContext): Rows => {
    const parts = masks.map((mask) => mask.rows(context));
    return {
      batches: Math.max(1, ...parts.map((part) => part.batches)),
      heads: Math.max(1, ...parts.map((part) => part.heads)),
      at: (b, h, i) =>
        join(
          parts.map((part) => part.at(part.batches === 1 ? 0 : b, part.heads === 1 ? 0 : h, i)),
          context.S,
        ),
    };
  });
}

function intersect(a: Intervals, b: Intervals): Intervals {
  const result: number[] = [];
  for (let i = 0, k = 0; i < a.length && k < b.length;) {
    const low = Math.max(a[i], b[k]);
    const high = Math.min(a[i + 1], b[k + 1]);
    if (low < high) result.push(low, high);
    if (a[i + 1] < b[k + 1]) i += 2;
    else k += 2;
  }
  return result;
}

function unite(a: Intervals, b: Intervals): Intervals {
  const result: number[] = [];
  let i = 0;
  let k = 0;
  while (i < a.length || k < b.length) {
    const fromA = k >= b.length || (i < a.length && a[i] <= b[k]);
    const [low, high] = fromA ? [a[i], a[i + 1]] : [b[k], b[k + 1]];
    if (fromA) i += 2;
    else k += 2;
    if (low >= high) continue;
    if (result.length > 0 && low <= result[result.length - 1]) result[result.length - 1] = Math.max(result[result.length - 1], high);
    else result.push(low, high);
  }
  return result;
}

function complement(a: Intervals, S: number): Intervals {
  const result: number[] = [];
  let from = 0;
  for (let i = 0; i < a.length; i += 2) {
    if (a[i] >= a[i + 1]) continue;
    if (a[i] > from) result.push(from, a[i]);
    from = a[i + 1];
  }
  if (from < S) result.push(from, S);
  return result;
}
