import type { RealDType } from "@heed/tensor/operation";
import type { Normaliser } from "../normalisers.ts";
import { NORMALISERS } from "../streaming/job.ts";
import { blocksOf, forwardChunks, type Blocks, type Sizes } from "../streaming/plan.ts";
import type { Lowered } from "./lower.ts";

/** What a call comes to, by shapes alone. */
export interface Plan {
  readonly dtype: RealDType;
  readonly sizes: Sizes;
  readonly cut: Sizes & Blocks;
  /** Samples and rows of queries and keys as they lie in memory: packed, one sample of all tokens. */
  readonly rows: { readonly B: number; readonly L: number; readonly S: number };
  readonly forwardChunks: number;
  /** Pairs of query and key, if none were masked. */
  readonly pairs: number;
}

export function planOf(lowered: Lowered): Plan {
  const { call, score } = lowered;
  const { B, H, L, S } = call.context;
  const dtype = call.query.dtype as RealDType;
  const sizes: Sizes = { B, H, Hkv: H / call.group, L, S, D: score.query.shape[3], E: call.value.shape[3] };
  const cut = { ...sizes, ...blocksOf(sizes, numberOf(call.normaliser)) };
  const rows = call.packing === undefined ? { B, L, S } : { B: 1, L: call.query.shape[2], S: call.key.shape[2] };
  return {
    dtype,
    sizes,
    cut,
    rows,
    forwardChunks: forwardChunks(cut),
    pairs: B * H * L * S,
  };
}

/** What a job calls a normaliser. */
export function numberOf(normaliser: Normaliser): number {
  if (normaliser.kind === "relu") return normaliser.divideBy === "count" ? NORMALISERS.reluCount : NORMALISERS.reluSum;
  if (normaliser.kind === "hard" && normaliser.straightThrough !== undefined) return NORMALISERS.straightThrough;
  return NORMALISERS[normaliser.kind];
}

/** How often backward goes over all scores: where the sum over a row that it subtracts is no product of cotangent and output, once more for that. */
export function backwardSweeps(normaliser: Normaliser): number {
  return numberOf(normaliser) > NORMALISERS.topK ? 2 : 1;
}

/** Work of a call at least, some 20 µs: what a call costs besides is then little. */
const PIECE = 1e6;

/** One call per chunk; many chunks, and small ones, go several to a call. */
export function pieces(job: number, chunks: number, work: number): number[][] {
  const small = Math.floor((PIECE * chunks) / Math.max(work, 1));
  const each = Math.min(Math.max(Math.ceil(chunks / 1024), small, 1), Math.max(chunks, 1));
  return Array.from({ length: Math.ceil(chunks / each) }, (_, i) => [job, i * each, Math.min((i + 1) * each, chunks), 0]);
}
