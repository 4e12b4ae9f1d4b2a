import type { AttentionShape, Work } from "../work.ts";

/** One library, set up in a process of its own for a number of threads. */
export interface Adapter {
  /** Versions and anything that a reader of the figures should know. */
  readonly about: { readonly version: string; readonly note?: string };
  /**
   * The ways in which the library can do this work, as its own users would write them; the fastest counts. None, and why: `absent`.
   * Nothing is computed before `create`.
   */
  routes(work: Work): readonly Route[] | { readonly absent: string };
  /**
   * For the memory of one attention: makes the operands that a user of the library holds in JavaScript, before the state that counts as
   * the one before. Left out: typed arrays, and all that `create` does counts.
   */
  hold?(shape: AttentionShape): { run(): unknown };
}

export interface Route {
  /** "per head", "MultiHeadAttention": what goes into the report. */
  readonly name: string;
  create(): Prepared | Promise<Prepared>;
}

/** A route with its operands in place, in whatever memory the library keeps them. */
export interface Prepared {
  /** One call: from operands in place to the result as numbers in JavaScript. A training step gives its loss. */
  run(): Float32Array | Promise<Float32Array>;
  /** Puts the result into the canonical order (`[B, H, L, D]`, `[B, C, H, W]` …) for the comparison; never timed. */
  canonical?(result: Float32Array): Float32Array;
  release?(): void | Promise<void>;
}

export interface AdapterOptions {
  readonly threads: number;
  /** Only heed has it. */
  readonly wide: boolean;
  /** Of the operands. */
  readonly seed: number;
}

/** What an adapter's module exports as `setup`: it sets the library up. */
export type Setup = (options: AdapterOptions) => Promise<Adapter>;

/** `[B, L, H, D]` to `[B, H, L, D]`; the same with L and H changed goes back. */
export function swapMiddle(data: Float32Array, B: number, L: number, H: number, D: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let b = 0; b < B; b++)
    for (let l = 0; l < L; l++)
      for (let h = 0; h < H; h++) {
        const from = ((b * L + l) * H + h) * D;
        out.set(data.subarray(from, from + D), ((b * H + h) * L + l) * D);
      }
  return out;
}

/** The transpose of `[rows, columns]`. */
export function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!;
  return out;
}

/** What a closed pair adds to its score, where a library has masks only as numbers to add. Finite: no route may divide by an empty row. */
const closed = -1e30;

/** `[L, L]` to add to the scores. */
export function additiveMask(L: number, mask: "causal" | "window", keys: number): Float32Array {
  const out = new Float32Array(L * L).fill(closed);
  for (let i = 0; i < L; i++) out.fill(0, i * L + (mask === "causal" ? 0 : Math.max(0, i - keys + 1)), i * L + i + 1);
  return out;
}
