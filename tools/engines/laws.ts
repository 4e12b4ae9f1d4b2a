import { attention } from "@heed/attention";
import { and, causal, document, padding, window } from "@heed/masks";
import { alibi } from "@heed/positional";
import { concat, full, grad, indexSelect, mul, normal, randomKey, slice, sum, tensor, where, type Tensor } from "@heed/tensor";
import { expectClose } from "@heed/tensor/testing";

// Every dimension its own, beside the widths of vectors and tiles.
const [B, H, L, D] = [2, 3, 67, 20];
const key = randomKey(11);
const draw = (name: string) => normal(key.split(name), [B, H, L, D]);
const [q, k, v] = [draw("query"), draw("key"), draw("value")];
// Every query sees a key, if only itself.
const documents = Int32Array.from({ length: L }, (_, i) => i >> 4);
const masks = [causal(), window(9, 4), document(documents), and(causal(), padding([L, 31]))];
// A weighted mean of numbers of about 4 at most, each term rounded once.
const tolerance = { atol: L * 4 * 2 ** -23 };

function expectSameBits(actual: Tensor, expected: Tensor, what: string): void {
  const [a, b] = [actual, expected].map((x) => new Int32Array(x.toTypedArray().slice().buffer));
  const at = a!.findIndex((word, i) => word !== b![i]);
  if (at >= 0 || a!.length !== b!.length) throw new Error(`${what}: bits differ at ${at}`);
}

/** Laws of attention that hold on every engine; each throws where it does not. */
export const laws: Readonly<Record<string, () => void>> = {
  "weights sum to one": () => {
    const threes = full([B, H, L, D], 3);
    for (const mask of masks) expectClose(attention(q, k, threes, { mask }), threes, tolerance);
  },
  "a query that sees no key gets zeros": () => {
    const y = attention(q, k, v, { mask: padding([L, 0]) });
    expectClose(slice(y, 0, 1, 2), full([1, H, L, D], 0), { atol: 0 });
  },
  "what a mask hides changes no bit, of output or gradient": () => {
    const hidden = tensor(
      Uint8Array.from({ length: B * L }, (_, i) => Number(i >= L + 31)),
      { shape: [B, 1, L, 1], dtype: "bool" },
    );
    for (const bad of [NaN, Infinity, 1e38]) {
      const results = [0, bad].map((value) => {
        const [keys, values] = [k, v].map((x) => where(hidden, value, x));
        const run = (query: Tensor) => attention(query, keys!, values!, { mask: padding([L, 31]) });
        return [run(q), grad((query: Tensor) => sum(mul(run(query), v)))(q)];
      });
      for (const i of [0, 1]) expectSameBits(results[1]![i]!, results[0]![i]!, `masked ${bad}`);
    }
  },
  "permuted keys and values give the same": () => {
    const order = tensor(Int32Array.from({ length: L }, (_, i) => (i * 5) % L));
    expectClose(attention(q, indexSelect(k, order, 2), indexSelect(v, order, 2)), attention(q, k, v), tolerance);
  },
  "queries one by one give what they give together": () => {
    const mask = causal();
    const alone = Array.from({ length: L }, (_, i) =>
      attention(slice(q, 2, i, i + 1), k, v, { mask, queryOffset: i, bias: alibi({ numHeads: H }) }),
    );
    expectClose(concat(alone, 2), attention(q, k, v, { mask, bias: alibi({ numHeads: H }) }), tolerance);
  },
};
