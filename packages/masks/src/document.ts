import { ShapeError } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";
import { listsOf, type Lists } from "./internal/lists.ts";
import { requireSamples } from "./internal/numbers.ts";
import type { Runs } from "./internal/runs.ts";

/**
 * Several texts in one sequence: a query may see the keys of its own document. `ids` names the document of each key, `[S]`, or one list per sample.
 * A query at position p = i + queryOffset belongs to the document of key p, and to none where there is no such key; `queryIds` (`[L]`, or
 * one list per sample) says otherwise. Documents may be scattered; where each is in one piece, this lowers to one range per row.
 *
 * Letters: L queries, S keys.
 * @throws {HeedError} for an id that is no whole number; {ShapeError} when lengths or samples do not fit the call.
 *
 * Time O(pieces of its document) a row, a range each; the pieces are found once, O(S).
 * @see Krell et al. 2021, on packing texts into one sequence (arXiv:2107.02027), §3.2
 */
export function document(ids: Lists, queryIds?: Lists): DrawableMask {
  const keys = listsOf("document", "ids", ids);
  const queries = queryIds === undefined ? undefined : listsOf("document", "queryIds", queryIds);
  const samples = Math.max(keys.length, queries?.length ?? 1);
  if (queries !== undefined && keys.length > 1 && queries.length > 1 && keys.length !== queries.length) {
    throw new ShapeError("document", "ids and queryIds must be of the same samples", { ids: keys.length, queryIds: queries.length });
  }
  const ranges = keys.map(rangesOf);
  return intervalMask("document", { samples: samples === 1 ? undefined : samples }, (context) => {
    const { L, S } = context;
    requireSamples("document", "list", { lists: samples === 1 ? undefined : samples }, context);
    requireLength("ids", keys, S);
    if (queries !== undefined) requireLength("queryIds", queries, L);
    return {
      batches: Math.max(samples, queries === undefined ? positionalBatches(context) : 1),
      heads: 1,
      fill: (b, _h, first, count, into) => {
        const own = queries ?? keys;
        const list = own[own.length === 1 ? 0 : b];
        const start = first + (queries === undefined ? offsetOf(context, b) : 0);
        const of = ranges[ranges.length === 1 ? 0 : b];
        for (let p = start, next = p; p < start + count; p = next) {
          const id = p >= 0 && p < list.length ? list[p] : undefined;
          next = id === undefined ? p + 1 : endOfPiece(list, p, start + count);
          const found = (id === undefined ? undefined : of.get(id)) ?? nowhere;
          if (found.length === 2) into.ramp(next - p, found[0], 0, found[1], 0, S);
          else repeat(found, next - p, into);
        }
      },
    };
  });
}

const nowhere = [0, 0] as const;

/** Where another id than that of `from` comes next, at most `end`. */
function endOfPiece(list: Int32Array, from: number, end: number): number {
  let next = from + 1;
  while (next < end && list[next] === list[from]) next++;
  return next;
}

/** `count` rows of the same ranges. */
function repeat(ranges: readonly number[], count: number, into: Runs): void {
  for (let row = 0; row < count; row++) {
    for (let k = 0; k < ranges.length; k += 2) into.push(ranges[k], ranges[k + 1]);
    into.endRow();
  }
}

function requireLength(name: string, all: readonly Int32Array[], length: number): void {
  for (const list of all) {
    if (list.length !== length)
      throw new ShapeError(
        "document",
        `${name} must have one id per position`,
        { wanted: length, got: list.length },
        "ids name keys, queryIds queries.",
      );
  }
}

/** The ranges of keys of each document. */
function rangesOf(list: Int32Array): Map<number, number[]> {
  const ranges = new Map<number, number[]>();
  for (let low = 0, high = 0; low < list.length; low = high) {
    while (high < list.length && list[high] === list[low]) high++;
    const found = ranges.get(list[low]);
    if (found === undefined) ranges.set(list[low], [low, high]);
    else found.push(low, high);
  }
  return ranges;
}
