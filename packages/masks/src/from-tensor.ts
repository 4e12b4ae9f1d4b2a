import { DTypeError, ShapeError, type Tensor } from "@heed/tensor";
import { intervalMask, type DrawableMask } from "./internal/interval-mask.ts";
import { Runs } from "./internal/runs.ts";

/**
 * Any mask, given densely: a boolean tensor, true = may attend, `[L, S]`, `[H, L, S]` or `[B, H, L, S]`, with 1 where axes do not differ. It knows
 * rows, not where queries stand: queryOffset does not move it. An array of L × S, unlike the other masks.
 * Time O(S) a row, which is searched when it is used.
 *
 * Letters: B samples, H heads, L queries, S keys. A row without true is a query that sees nothing.
 * @throws {DTypeError} when it is not boolean: a float is a bias, not a mask; {ShapeError} when it does not fit a call.
 * @see PyTorch's `scaled_dot_product_attention` (a boolean `attn_mask`)
 */
export function fromTensor(mask: Tensor): DrawableMask {
  return fromBits("fromTensor", mask, 1);
}

/**
 * For ports: a boolean tensor in which true means "may NOT attend", as in PyTorch's layers (`attn_mask`,
 * `key_padding_mask` given as `[B, 1, 1, S]`). The opposite of `fromTensor`; shapes and errors are the same. A row of true alone sees nothing.
 *
 * Letters: B samples, S keys. Time O(S) a row.
 * @see PyTorch's `torch.nn.MultiheadAttention` (boolean `attn_mask` and `key_padding_mask`)
 */
export function fromDropMask(mask: Tensor): DrawableMask {
  return fromBits("fromDropMask", mask, 0);
}

/** A mask where a boolean tensor of at most four axes holds `allowed`. */
export function fromBits(name: string, mask: Tensor, allowed: 0 | 1): DrawableMask {
  if (mask.dtype !== "bool") throw new DTypeError(name, "a mask is boolean", { dtype: mask.dtype }, "A float is a bias: pass it as bias.");
  if (mask.rank < 2 || mask.rank > 4) throw new ShapeError(name, "a mask is [L, S], [H, L, S] or [B, H, L, S]", { mask: mask.shape });
  const bits = mask.toTypedArray();
  const [b1, h1, l1, s1] = [1, 1, 1, 1, ...mask.shape].slice(-4);
  return intervalMask(name, { samples: b1 === 1 ? undefined : b1, heads: h1 === 1 ? undefined : h1 }, ({ B, H, L, S }) => {
    for (const [own, wanted] of [
      [b1, B],
      [h1, H],
      [l1, L],
      [s1, S],
    ]) {
      if (own !== 1 && own !== wanted)
        throw new ShapeError(
          name,
          "the mask must broadcast to [B, H, L, S]",
          { mask: mask.shape, call: [B, H, L, S] },
          "Queries are axis -2, keys axis -1.",
        );
    }
    return {
      batches: b1,
      heads: h1,
      fill: (b, h, first, count, into) => {
        const plane = (b * h1 + h) * l1;
        const row = (i: number, to: Runs) => {
          const start = (plane + i) * s1;
          if (s1 === 1) to.push(0, bits[start] === allowed ? S : 0);
          else
            for (let j = 0; j < S; j++) {
              if (bits[start + j] !== allowed) continue;
              const low = j;
              while (j < S && bits[start + j] === allowed) j++;
              to.push(low, j);
            }
          to.endRow();
        };
        if (l1 > 1 || count <= 1) {
          for (let i = first; i < first + count; i++) row(l1 === 1 ? 0 : i, into);
          return;
        }
        // All rows are the same: search one.
        const one = new Runs();
        row(0, one);
        for (let r = 0; r < count; r++) {
          for (let k = 0; k < one.ends[1]; k += 2) into.push(one.bounds[k], one.bounds[k + 1]);
          into.endRow();
        }
      },
    };
  });
}
