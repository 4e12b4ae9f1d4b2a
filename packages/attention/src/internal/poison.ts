import {
  all,
  any,
  broadcastTo,
  equal,
  logicalAnd,
  logicalNot,
  mul,
  noGrad,
  reshape,
  sum,
  unsqueeze,
  where,
  type Tensor,
} from "@heed/tensor";
import type { Call } from "./call.ts";
import { repeatHeads } from "./repeat-heads.ts";

/**
 * Rows of query, key and value that must not be heard, replaced by zeros: those that hold NaN or ±∞, and those that meet nobody (unless
 * `showsAll`: scores of closed pairs are wanted too). Writing −∞ into a score is not enough to hide them, since 0 × NaN is NaN, and so is
 * 0 × what overflows.
 *
 * `bad` are the open pairs with a row that holds NaN or ±∞, if any: their score is NaN, as it would be without a mask. `undefined` where no row
 * has to be replaced.
 */
export function hideRows(
  call: Call,
  open: Tensor,
  showsAll: boolean,
): { query: Tensor; key: Tensor; value: Tensor; bad: Tensor | undefined } | undefined {
  const { B, H, L, S } = call.context;
  const rows = [call.query, call.key, call.value];
  const { keep, bad } = noGrad(() => {
    // 0 · x is NaN for NaN and ±∞, else 0.
    const finite = rows.map((x) => equal(sum(mul(x.detach(), 0), -1), 0)); // [B, H, L], [B, Hkv, S], [B, Hkv, S]
    const pairs = broadcastTo(open, [B, H, L, S]);
    const ofKey = any(pairs, -2);
    const met = [any(pairs, -1), ofKey, ofKey].map((seen, i) => perRow(seen, rows[i]));
    const keep = showsAll ? finite : finite.map((flag, i) => logicalAnd(flag, met[i]));
    if (finite.every(isAll)) return { keep, bad: undefined };
    const perHead = [unsqueeze(finite[0], -1), ...finite.slice(1).map((flag) => unsqueeze(repeatHeads(flag, call.group), -2))];
    const good = perHead.reduce((one, other) => logicalAnd(one, other));
    const bad = logicalAnd(pairs, logicalNot(good));
    return { keep, bad: any(bad).item() === 1 ? bad : undefined };
  });
  if (keep.every(isAll)) return undefined;
  const [query, key, value] = rows.map((x, i) => (isAll(keep[i]) ? x : where(unsqueeze(keep[i], -1), x, 0)));
  return { query, key, value, bad };
}

/** `[B, H, n]` to `[B | 1, Hkv, n]`: a row that samples or heads share is met if one of them meets it. */
function perRow(met: Tensor, { shape: [batch, heads] }: Tensor): Tensor {
  const [B, H, n] = met.shape;
  const ofGroup = heads === H ? met : any(reshape(met, [B, heads, H / heads, n]), 2);
  return batch === B ? ofGroup : any(ofGroup, 0, { keepDims: true });
}

function isAll(flags: Tensor): boolean {
  return all(flags).item() === 1;
}
