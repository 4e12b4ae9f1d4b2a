/** How scores become weights. A closed set: kernels know each of them. */
export type Normaliser = { readonly kind: "softmax" };

/** `exp(s) / Σ exp(s)` over the keys that may be seen; the default. A query that may see none gets zeros. */
export function softmax(): Normaliser {
  return { kind: "softmax" };
}
