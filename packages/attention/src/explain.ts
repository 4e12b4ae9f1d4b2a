import { activeBuild } from "@heed/kernels";
import { noGrad, type Tensor } from "@heed/tensor";
import { bytesPer } from "@heed/tensor/operation";
import type { MaskForm } from "@heed/tensor/terms";
import { backwardSweeps, planOf, type Plan } from "./internal/call-plan.ts";
import { savedRows } from "./internal/job-fields.ts";
import { lowerScore } from "./internal/lower-score.ts";
import { isEmpty, obstacleInReturns, streamable } from "./internal/obstacle.ts";
import { lengthsOf } from "./internal/packing.ts";
import { predict, predictBackward } from "./internal/predict.ts";
import { prepare } from "./internal/prepare.ts";
import { gradientPlan } from "./internal/streamed.ts";
import type { AttentionOptions, Return } from "./options.ts";
import { backwardScratchBytes, forwardScratchBytes, heldRows } from "./streaming/plan.ts";

export interface Explanation {
  /** Which implementation gives the output. */
  readonly kernel: "streaming" | "dense";
  /** Its build: plain loops, or WebAssembly with or without relaxed instructions. */
  readonly build: string;
  /** Why. */
  readonly reason: string;
  /**
   * Multiplications and additions of products: of the scores that are computed, closed ones beside open ones too. Backward computes them again (for
   * sparsemax and entmax15 twice), and gradients of all operands. Rows that are too long to be held (of more than some 260,000 keys) count once
   * forward.
   */
  readonly flops: { readonly forward: number; readonly backward: number };
  /** Bytes beside operands and results: of one thread's scratch space, of the lowered mask, of partial gradients; of what forward keeps per row. */
  readonly workspaceBytes: { readonly forward: number; readonly backward: number; readonly mask: number; readonly saved: number };
  /** Tiles of keys that blocks of queries run through, and those that the mask empties. */
  readonly tiles: { readonly run: number; readonly skipped: number };
  /** Pieces that threads share. */
  readonly chunks: { readonly forward: number; readonly backward: number };
  toString(): string;
}

/**
 * What `attention` would do with the same arguments, without doing it: scores, biases and masks are lowered, nothing else. Sizes of 0 count 0.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value.
 * @param query `[B, H, L, D]`, key `[B, Hkv, S, D]`, value `[B, Hkv, S, E]`, as for `attention`
 * @throws what `attention` would throw, but for `strict`.
 *
 * Time O(tiles), and what lowering takes (masks are planned, scores that project are projected): no pair is computed.
 * @see Dao et al. 2022, §3.2, on counting bytes (arXiv:2205.14135)
 */
export function explain(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions & { readonly returns?: readonly Return[] } = {},
): Explanation {
  const call = prepare("explain", query, key, value, options);
  const { B, H, L, S } = call.context;
  const E = call.value.shape[3];
  const { lowered, obstacle } = noGrad(() => streamable(call, lowerScore));
  const build = call.query.dtype === "float64" ? "reference" : activeBuild();
  if (obstacle !== undefined || isEmpty(lowered)) {
    const pairs = B * H * L * S;
    const D = call.query.shape[3];
    const bytes = 2 * pairs * bytesPer(call.query.dtype);
    return readable({
      kernel: "dense",
      build,
      reason: obstacle === undefined ? "there is nothing to compute" : `${obstacle.option}: ${obstacle.reason}`,
      flops: { forward: 2 * pairs * (D + E), backward: 4 * pairs * (D + E) },
      workspaceBytes: { forward: bytes, backward: bytes, mask: 0, saved: bytes },
      tiles: { run: 0, skipped: 0 },
      chunks: { forward: 1, backward: 1 },
    });
  }
  const plan = planOf(lowered);
  const backward = gradientPlan(lowered);
  const { D, Hkv } = plan.sizes;
  // The plain loops go pair by pair; they are explained as the kernel that they define.
  const grain = { rows: build === "simd" ? 4 : 6, columns: build === "wide" ? 16 : 8 };
  const lengths = call.packing === undefined ? undefined : { L: lengthsOf(call.packing.query), S: lengthsOf(call.packing.key) };
  const lengthsOfSample = (b: number) => (lengths === undefined ? { L, S } : { L: lengths.L[b], S: lengths.S[b] });
  const { cells, tiles, tilesWithoutMask } = predict(plan.cut, lowered.mask, grain, lengthsOfSample);
  const again = predictBackward(plan.cut, lowered.mask, grain, lengthsOfSample);
  const sweeps = backwardSweeps(call.normaliser);
  const ofPairs = obstacleInReturns(options.returns ?? []);
  const width = bytesPer(call.query.dtype);
  return readable({
    kernel: "streaming",
    build,
    reason:
      ofPairs === undefined
        ? `every option has its place in the kernel${lowered.scoreMod === undefined ? "" : ", the scoreMod as a pass made for it"}${heldReason(plan.cut, grain.rows)}`
        : `the kernel gives the output; ${ofPairs.reason} and comes of the dense definition`,
    flops: { forward: 2 * cells * (D + E), backward: 2 * again.cells * (sweeps * (D + E) + D) + 2 * again.pairs * (D + E) },
    workspaceBytes: {
      forward: forwardScratchBytes(plan.cut),
      backward: backwardScratchBytes(plan.cut) + backward.bytes,
      mask: bytesOf(lowered.mask),
      saved: savedRows(call.normaliser).length * plan.rows.B * H * plan.rows.L * width,
    },
    tiles: { run: tiles, skipped: tilesWithoutMask - tiles },
    chunks: { forward: plan.forwardChunks, backward: Hkv === 0 ? 0 : backward.chunks },
  });
}

/** How a normaliser that needs whole rows gets them. */
function heldReason({ L, S, blockRows, heldBytes }: Plan["cut"], stripRows: number): string {
  if (heldBytes === 0) return "";
  const rows = heldRows(Math.min(L, blockRows), S, heldBytes, stripRows);
  if (rows === 0) return "; rows of scores are too long to be held, so each step of the search for their thresholds computes them again";
  return `; the scores of ${rows} rows are held at a time, to search for their thresholds`;
}

function bytesOf(mask: MaskForm | undefined): number {
  if (mask === undefined) return 0;
  return mask.form === "ranges" ? mask.bounds.byteLength : mask.verdicts.byteLength + mask.bitsAt.byteLength + mask.bits.byteLength;
}

/** With a text of its own, which does not count as one of its facts. */
function readable(facts: Omit<Explanation, "toString">): Explanation {
  const { flops, workspaceBytes: bytes, tiles, chunks } = facts;
  const kib = (n: number) => `${Math.ceil(n / 1024)} KiB`;
  const text = [
    `${facts.kernel} (${facts.build}): ${facts.reason}`,
    `${(flops.forward / 1e9).toPrecision(3)} GFLOP forward, ${(flops.backward / 1e9).toPrecision(3)} backward`,
    `workspace ${kib(bytes.forward)} forward, ${kib(bytes.backward)} backward; mask ${kib(bytes.mask)}; kept per row ${kib(bytes.saved)}`,
    ...(facts.kernel === "streaming"
      ? [`tiles of keys: ${tiles.run} run, ${tiles.skipped} skipped; chunks: ${chunks.forward} forward, ${chunks.backward} backward`]
      : []),
  ].join("\n");
  return Object.defineProperty({ ...facts }, "toString", { value: () => text, enumerable: false }) as Explanation;
}
