import { HeedError, randomStream, type RandomKey } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";

export interface RandomBlocksOptions {
  readonly key: RandomKey;
  /** Positions per block. BigBird's is 64. */
  readonly block: number;
  /** Blocks of keys that each block of queries may see. BigBird's is 3. */
  readonly count: number;
  /** Every head draws its own. Default false. */
  readonly perHead?: boolean;
}

/**
 * Random attention: the queries of block ⌊p / block⌋, p = i + queryOffset, may see `count` different blocks of keys, drawn from the ⌈S / block⌉ there
 * are (all where there are no more): the same from the same key and S, for all samples. Queries before position 0 see nothing. BigBird is
 * `or(window(w, w), globalTokens(tokens), randomBlocks({ … }))`.
 *
 * Letters: H heads, i query, L queries, S keys. As a tensor `[L, S]`; `[1, H, L, S]` with `perHead`.
 * @throws {HeedError} for a block below 1, a count below 0, or either no whole number.
 *
 * Time O(count) a row, at most a range each; drawing takes O(L / block · count).
 * @see Zaheer et al. 2020 (arXiv:2007.14062), §2
 */
export function randomBlocks({ key, block, count, perHead = false }: RandomBlocksOptions): DrawableMask {
  if (!Number.isInteger(block) || block < 1) throw new HeedError("randomBlocks", "block must be a whole number, at least 1", { block });
  if (!Number.isInteger(count) || count < 0) throw new HeedError("randomBlocks", "count must be a whole number, not negative", { count });
  return intervalMask(`randomBlocks(${block}, ${count})`, {}, (context) => {
    const { S } = context;
    const drawn = new Map<string, Int32Array>();
    const blocksOf = (h: number, row: number): Int32Array => {
      const place = `${h} ${row}`;
      let found = drawn.get(place);
      if (found === undefined)
        drawn.set(place, (found = draw(perHead ? key.split("head").split(h) : key, row, count, Math.ceil(S / block))));
      return found;
    };
    return {
      batches: positionalBatches(context),
      heads: perHead ? context.H : 1,
      fill: (b, h, first, count, into) => {
        const position = first + offsetOf(context, b);
        let row = -1;
        let seen: Int32Array = new Int32Array();
        for (let p = position; p < position + count; p++) {
          if (p >= 0 && Math.floor(p / block) !== row) {
            row = Math.floor(p / block);
            seen = blocksOf(h, row);
          }
          for (const c of seen) into.push(c * block, Math.min(S, (c + 1) * block));
          into.endRow();
        }
      },
    };
  });
}

/** `count` of 0 … below − 1, ascending: Floyd's sampling without replacement, each set equally likely. */
function draw(key: RandomKey, row: number, count: number, below: number): Int32Array<ArrayBuffer> {
  if (count >= below) return Int32Array.from({ length: below }, (_, c) => c);
  const stream = randomStream(key.split("row").split(row));
  const chosen = new Set<number>();
  for (let most = below - count; most < below; most++) {
    const c = stream.integer(most + 1);
    chosen.add(chosen.has(c) ? most : c);
  }
  return Int32Array.from(chosen).sort();
}
