import { DTypeError, ShapeError, type Tensor } from "@heed/tensor";
import { intervalMask, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * A boolean tensor as a mask, true = may attend: `[L, S]`, `[H, L, S]` or `[B, H, L, S]`, with 1 where axes do not differ.
 * @throws {DTypeError} when it is not boolean: a float is a bias, not a mask; {ShapeError} when it does not fit a call.
 */
export function fromTensor(mask: Tensor): DrawableMask {
  return fromBits("fromTensor", mask, 1);
}

/**
 * For ports: a boolean tensor in which true means "may NOT attend", as in PyTorch's layers (`attn_mask`,
 * `key_padding_mask` given as `[B, 1, 1, S]`).
 */
export function fromDropMask(mask: Tensor): DrawableMask {
  return fromBits("fromDropMask", mask, 0);
}

function fromBits(name: string, mask: Tensor, allowed: 0 | 1): DrawableMask {
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
        throw new ShapeError(name, "the mask must broadcast to [B, H, L, S]", { mask: mask.shape, call: [B, H, L, S] });
    }
    return {
      batches: b1,
      heads: h1,
      fill: (b, h, first, count, into) => {
        for (let i = first; i < first + count; i++) {
          const row = ((b * h1 + h) * l1 + (l1 === 1 ? 0 : i)) * s1;
          if (s1 === 1) into.push(0, bits[row] === allowed ? S : 0);
          else
            for (let j = 0; j < S; j++) {
              if (bits[row + j] !== allowed) continue;
              const low = j;
              while (j < S && bits[row + j] === allowed) j++;
              into.push(low, j);
            }
          into.endRow();
        }
      },
    };
  });
}
