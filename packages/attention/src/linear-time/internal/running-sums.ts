import {
  add,
  broadcastTo,
  concat,
  cumsum,
  matmul,
  pad,
  reshape,
  slice,
  transpose,
  tril,
  unsqueeze,
  zeros,
  type Tensor,
} from "@heed/tensor";
import type { Operands } from "./operands.ts";

/** Ways to the same sums: all pairs at once, O(L S); chunks of pairs with a state between them, O(L + S); or key after key. */
export type Form = "parallel" | "chunked" | "recurrent";

/** Pairs within a chunk of C cost C (M + W) products per query, what came before and what is added cost 2 M W: about even here. */
const chunkOf = (M: number): number => (M <= 128 ? 64 : 128);

interface Features {
  /** `[B | 1, H, L, M]` */
  readonly query: Tensor;
  /** `[B | 1, Hkv, S, M]`, 0 where there is no key. */
  readonly key: Tensor;
  /** `[B | 1, Hkv, S, W]` */
  readonly value: Tensor;
}

/**
 * Σ ⟨query_i, key_j⟩ value_j over the keys that query i sees, `[B, H, L, W]`, and what a further key would be added to:
 * state + Σ key_j value_jᵀ over all keys seen, `[B, Hkv, M, W]`.
 */
export function runningSums(
  { query, key, value }: Features,
  { group, reach, context: { B } }: Pick<Operands, "group" | "reach" | "context">,
  form: Form,
  state: Tensor | undefined,
): { sums: Tensor; state: Tensor } {
  const [samples, H, L, M] = query.shape;
  const [Hkv, W] = [key.shape[1], value.shape[3]];
  const parts: Parts = {
    query: reshape(query, [samples, Hkv, group, L, M]),
    key: unsqueeze(key, 2),
    value: unsqueeze(value, 2),
    state: state === undefined ? zeros([1, Hkv, 1, M, W], { dtype: query.dtype as "float32" }) : unsqueeze(state, 2),
  };
  const { offset } = reach;
  let result: Sums;
  if (!reach.causal) result = seeingAll(parts, form);
  else if (typeof offset === "number" || offset.every((other) => other === offset[0])) {
    result = seeingPast(parts, typeof offset === "number" ? offset : offset[0], form);
  } else {
    const ofSample = (x: Tensor, b: number) => (x.shape[0] === 1 ? x : slice(x, 0, b, b + 1));
    const each = Array.from(offset, (own, b) =>
      seeingPast(
        {
          query: ofSample(parts.query, b),
          key: ofSample(parts.key, b),
          value: ofSample(parts.value, b),
          state: ofSample(parts.state, b),
        },
        own,
        form,
      ),
    );
    result = { sums: concat(each.map(({ sums }) => sums)), state: concat(each.map((one) => one.state)) };
  }
  return {
    sums: broadcastTo(reshape(result.sums, [result.sums.shape[0], H, L, W]), [B, H, L, W]),
    state: broadcastTo(reshape(result.state, [result.state.shape[0], Hkv, M, W]), [B, Hkv, M, W]),
  };
}

/** `[…, G, L, M]`, `[…, 1, S, M]`, `[…, 1, S, W]` and `[…, 1, M, W]`. */
interface Parts {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly state: Tensor;
}

interface Sums {
  readonly sums: Tensor;
  readonly state: Tensor;
}

function seeingAll({ query, key, value, state: before }: Parts, form: Form): Sums {
  const S = key.shape.at(-2)!;
  const state = form === "recurrent" ? oneByOne(key, value, before, 0, S) : added(key, value, before);
  if (form !== "parallel") return { sums: matmul(query, state), state };
  return { sums: add(matmul(matmul(query, transpose(key)), value), matmul(query, before)), state };
}

function seeingPast(parts: Parts, offset: number, form: Form): Sums {
  const { query, key, value, state: before } = parts;
  const [L, S] = [query.shape.at(-2)!, key.shape.at(-2)!];
  const upTo = (i: number) => Math.max(0, Math.min(S, i + offset + 1));
  if (form === "parallel") {
    const seen = upTo(L - 1);
    const pairs = tril(matmul(query, transpose(key)), offset);
    return {
      sums: add(matmul(pairs, value), matmul(query, before)),
      state: added(slice(key, -2, 0, seen), slice(value, -2, 0, seen), before),
    };
  }
  if (form === "recurrent") {
    let state = before;
    const rows = Array.from({ length: L }, (_, i) => {
      state = oneByOne(key, value, state, i === 0 ? 0 : upTo(i - 1), upTo(i));
      return matmul(slice(query, -2, i, i + 1), state);
    });
    return { sums: L === 0 ? matmul(query, state) : concat(rows, -2), state };
  }
  return chunked(parts, offset);
}

/**
 * Keys before the first query's own go into the state; then query i and key i stand at one place, and a query sees the keys of its chunk up
 * to itself, and by the state all chunks before.
 */
function chunked({ query, key, value, state: before }: Parts, offset: number): Sums {
  const [L, S] = [query.shape.at(-2)!, key.shape.at(-2)!];
  const first = Math.max(0, Math.min(S, offset));
  const blind = Math.max(0, Math.min(L, -offset));
  const count = L - blind;
  const C = Math.max(1, Math.min(count, chunkOf(key.shape.at(-1)!)));
  const chunks = Math.max(1, Math.ceil(count / C));
  const cut = (x: Tensor, from: number) => {
    const rows = slice(x, -2, from, Math.min(x.shape.at(-2)!, from + count));
    const longer = padRows(rows, 0, chunks * C - rows.shape.at(-2)!);
    return reshape(longer, [...x.shape.slice(0, -2), chunks, C, x.shape.at(-1)!]);
  };
  const [q, k, v] = [cut(query, blind), cut(key, first), cut(value, first)];
  const start = first === 0 ? before : added(slice(key, -2, 0, first), slice(value, -2, 0, first), before);
  const perChunk = matmul(transpose(k), v); // [B, Hkv, 1, chunks, M, W]
  const shape = [...perChunk.shape.slice(0, -3), 1, ...perChunk.shape.slice(-2)];
  const states = cumsum(concat([broadcastTo(unsqueeze(start, -3), shape), slice(perChunk, -3, 0, chunks - 1)], -3), -3);
  const sums = add(matmul(tril(matmul(q, transpose(k))), v), matmul(q, states));
  const flat = reshape(sums, [...sums.shape.slice(0, -3), chunks * C, sums.shape.at(-1)!]);
  const last = (x: Tensor) => reshape(slice(x, -3, chunks - 1), [...shape.slice(0, -3), ...shape.slice(-2)]);
  return { sums: padRows(slice(flat, -2, 0, count), blind, 0), state: add(last(states), last(perChunk)) };
}

function added(key: Tensor, value: Tensor, state: Tensor): Tensor {
  return add(matmul(transpose(key), value), state);
}

function oneByOne(key: Tensor, value: Tensor, before: Tensor, from: number, to: number): Tensor {
  let state = before;
  for (let j = from; j < to; j++) state = added(slice(key, -2, j, j + 1), slice(value, -2, j, j + 1), state);
  return state;
}

function padRows(x: Tensor, above: number, below: number): Tensor {
  if (above === 0 && below === 0) return x;
  return pad(
    x,
    x.shape.map((_, axis): [number, number] => (axis === x.rank - 2 ? [above, below] : [0, 0])),
  );
}
