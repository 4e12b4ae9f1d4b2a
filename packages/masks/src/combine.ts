import type { Mask, TermContext } from "@heed/tensor/terms";
import { drawable } from "./from-mask.ts";
import { intervalMask, type DrawableMask, type Rows } from "./internal/interval-mask.ts";
import { extentOf } from "./internal/numbers.ts";
import { Runs } from "./internal/runs.ts";

/**
 * What all of the masks allow. Without any: everything. Samples and heads broadcast: `and(causal(), padding(lengths))` differs by sample alone.
 * Masks of other packages combine too, by what they lower to.
 *
 * Letters: B samples, H heads, L queries, S keys. As a tensor `[L, S]`, or `[B | 1, H | 1, L, S]` where one of them differs by sample or head.
 * @throws {HeedError} for what is no mask: wrap a boolean tensor by `fromTensor`.
 *
 * Time O(ranges) a row: they are joined as ranges, without an L × S array.
 * @see Dong et al. 2024, on masks that combine by logic (arXiv:2412.05496)
 * @example and(causal(), window(255, 0), padding(lengths))
 */
export function and(...masks: readonly Mask[]): DrawableMask {
  if (masks.length === 1) return drawable("and", masks[0]);
  return combined("and", masks, masks.length === 0 ? everything : fold(intersect));
}

/**
 * What any of the masks allows. Without any: nothing. Shapes and errors as of `and`. Time O(ranges) a row.
 * @see Dong et al. 2024, on masks that combine by logic (arXiv:2412.05496)
 * @example or(window(64, 64), globalTokens([0]))
 */
export function or(...masks: readonly Mask[]): DrawableMask {
  if (masks.length === 1) return drawable("or", masks[0]);
  return combined("or", masks, masks.length === 0 ? nothing : fold(unite));
}

/**
 * What the mask does not allow: `not(window(0, 0))` hides a query's own key. A query that may see everything then sees nothing.
 * Shapes and errors as of `and`. Time O(ranges) a row.
 * @see Elementary: the complement of a set
 */
export function not(mask: Mask): DrawableMask {
  return combined("not", [mask], complement);
}

/** Joins the same rows of all parts into `into`. */
type Join = (parts: readonly Runs[], count: number, S: number, into: Runs) => void;

function combined(name: string, given: readonly Mask[], join: Join): DrawableMask {
  const masks = given.map((mask) => drawable(name, mask));
  return intervalMask(`${name}(${masks.map((mask) => mask.name).join(", ")})`, extentOf(masks), (context: TermContext): Rows => {
    const parts = masks.map((mask) => mask.rows(context));
    const filled = parts.map(() => new Runs());
    return {
      batches: Math.max(1, ...parts.map((part) => part.batches)),
      heads: Math.max(1, ...parts.map((part) => part.heads)),
      fill: (b, h, first, count, into) => {
        for (let i = 0; i < parts.length; i++) {
          filled[i].clear();
          parts[i].fill(parts[i].batches === 1 ? 0 : b, parts[i].heads === 1 ? 0 : h, first, count, filled[i]);
        }
        join(filled, count, context.S, into);
      },
    };
  });
}

const everything: Join = (_parts, count, S, into) => {
  for (let r = 0; r < count; r++) into.row(0, S);
};

const nothing: Join = (_parts, count, _S, into) => {
  for (let r = 0; r < count; r++) into.endRow();
};

/** Joins two at a time, from the left. */
function fold(join: (a: Runs, b: Runs, into: Runs) => void): Join {
  const between = [new Runs(), new Runs()];
  return (parts, _count, _S, into) => {
    let so = parts[0];
    for (let i = 1; i < parts.length; i++) {
      const last = i === parts.length - 1;
      const to = last ? into : between[i % 2];
      if (!last) to.clear();
      join(so, parts[i], to);
      so = to;
    }
  };
}

function intersect(a: Runs, b: Runs, into: Runs): void {
  if (a.isNarrow && b.isNarrow) {
    into.meet(a, b);
    return;
  }
  for (let r = 0; r < a.rows; r++) {
    let i = a.ends[r];
    let k = b.ends[r];
    while (i < a.ends[r + 1] && k < b.ends[r + 1]) {
      const [endOfA, endOfB] = [a.bounds[i + 1], b.bounds[k + 1]];
      into.push(Math.max(a.bounds[i], b.bounds[k]), Math.min(endOfA, endOfB));
      if (endOfA < endOfB) i += 2;
      else k += 2;
    }
    into.endRow();
  }
}

function unite(a: Runs, b: Runs, into: Runs): void {
  for (let r = 0; r < a.rows; r++) {
    let i = a.ends[r];
    let k = b.ends[r];
    while (i < a.ends[r + 1] || k < b.ends[r + 1]) {
      if (k >= b.ends[r + 1] || (i < a.ends[r + 1] && a.bounds[i] <= b.bounds[k])) {
        into.push(a.bounds[i], a.bounds[i + 1]);
        i += 2;
      } else {
        into.push(b.bounds[k], b.bounds[k + 1]);
        k += 2;
      }
    }
    into.endRow();
  }
}

const complement: Join = ([a], count, S, into) => {
  for (let r = 0; r < count; r++) {
    let from = 0;
    for (let k = a.ends[r]; k < a.ends[r + 1]; k += 2) {
      into.push(from, a.bounds[k]);
      from = a.bounds[k + 1];
    }
    into.row(from, S);
  }
};
