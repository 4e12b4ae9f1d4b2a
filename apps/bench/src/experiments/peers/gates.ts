/** What was asked for, and what came out. */
import type { JsonObject } from "../../experiment.ts";
import type { Mode, Row } from "./rows.ts";

export interface Gate {
  readonly asked: string;
  /** Works that all have to pass, or a test of their names. */
  readonly works: RegExp;
  readonly threads: number;
  readonly mode: Mode;
  /** Ratio to the best WebAssembly rival, to one rival, or our own figure. */
  readonly against: "webassembly" | "own" | (string & {});
  /** At least; for `own`: at most. */
  readonly bound: number;
}

export interface Judged extends JsonObject {
  readonly asked: string;
  readonly threads: number;
  readonly mode: Mode;
  readonly bound: number;
  /** Of the work that comes off worst. */
  readonly measured: number | null;
  readonly work: string | null;
  readonly met: boolean | null;
}

interface Asked extends Omit<Gate, "threads" | "mode"> {
  readonly threads?: readonly number[];
  readonly modes?: readonly Mode[];
}

const both = [1, 2];
const asked: readonly Asked[] = [
  { asked: "matrix product ≥ 1.5 × the best WebAssembly rival", works: /^matmul-/, against: "webassembly", bound: 1.5, threads: both },
  { asked: "attention (1, 8, 1024, 64) ≥ 2 ×", works: /^attention-1024$/, against: "webassembly", bound: 2, threads: both },
  { asked: "the same, causal ≥ 4 ×", works: /^attention-1024-causal$/, against: "webassembly", bound: 4, threads: both },
  { asked: "L = 4096, window of 256 keys ≥ 25 ×", works: /^attention-4096-window$/, against: "webassembly", bound: 25, threads: both },
  { asked: "peak resident memory at L = 4096 ≤ 48 MiB", works: /^memory-4096/, against: "own", bound: 48, threads: both },
  { asked: "ViT-Tiny forward ≥ 2 ×", works: /^vit-tiny$/, against: "webassembly", bound: 2, threads: both },
  { asked: "ViT training step ≥ 3.3 × jax-js", works: /^vit-training$/, against: "jax-js", bound: 3.3, threads: both },
  { asked: "LSTM ≥ 1.6 ×", works: /^lstm-16/, against: "webassembly", bound: 1.6, threads: both },
  { asked: "convolution ≥ 1.6 ×", works: /^convolution/, against: "webassembly", bound: 1.6, threads: both },
  { asked: "softmax, layer norm and GELU ahead", works: /^(softmax|layer-norm|gelu)-/, against: "webassembly", bound: 1, threads: both },
  { asked: "LSTM training step ≥ 10 × tfjs-wasm", works: /^lstm-training$/, against: "tfjs-wasm", bound: 10 },
  {
    asked: "causal and window attention ahead of onnxruntime-node",
    works: /^attention-.*-(causal|window)$/,
    against: "onnxruntime-node",
    bound: 1,
    modes: ["fast", "wide"],
  },
  {
    asked: "full attention ≥ 0.9 × onnxruntime-node",
    works: /^attention-[\dx]+$/,
    against: "onnxruntime-node",
    bound: 0.9,
    modes: ["wide"],
  },
  { asked: "matrix product ≥ 0.85 × onnxruntime-node", works: /^matmul-/, against: "onnxruntime-node", bound: 0.85, modes: ["wide"] },
  { asked: "ViT-Tiny ≥ 0.85 × onnxruntime-node", works: /^vit-tiny$/, against: "onnxruntime-node", bound: 0.85, modes: ["wide"] },
  { asked: "ViT training step level with PyTorch", works: /^vit-training$/, against: "pytorch", bound: 1, modes: ["wide"] },
  { asked: "process start to first attention ≤ 70 ms", works: /^startup$/, against: "own", bound: 70 },
  { asked: "page that computes one attention ≤ 40 KB", works: /^size$/, against: "own", bound: 40 },
];

export const gates: readonly Gate[] = asked.flatMap(({ threads = [1], modes = ["fast"], ...gate }) =>
  threads.flatMap((count) => modes.map((mode) => ({ ...gate, threads: count, mode }))),
);

/** Every gate with what was measured: its worst work decides. Null: not measured, or no such rival here. */
export function judge(rows: readonly Row[], list: readonly Gate[] = gates): Judged[] {
  return list.map(({ asked: text, works, threads, mode, against, bound }) => {
    const own = against === "own";
    const figures = rows
      .filter((row) => row.threads === threads && row.mode === mode && works.test(row.work))
      .flatMap((row) => {
        const value = own ? row.ours : against === "webassembly" ? row.ratio : (row.ratios[against] ?? null);
        return value === null ? [] : [{ work: row.work, value }];
      });
    const worst = figures.reduce<(typeof figures)[number] | undefined>(
      (least, one) => (least === undefined || (own ? one.value > least.value : one.value < least.value) ? one : least),
      undefined,
    );
    return {
      asked: text,
      threads,
      mode,
      bound,
      measured: worst?.value ?? null,
      work: worst?.work ?? null,
      met: worst === undefined ? null : own ? worst.value <= bound : worst.value >= bound,
    };
  });
}
