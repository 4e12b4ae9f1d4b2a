/**
 * What the rivals and we are timed on: plain data, as it goes to every contestant's process. The shapes are those of
 * `../shared/peers.md`.
 */
export type Work =
  | { readonly kind: "matmul"; readonly m: number; readonly k: number; readonly n: number }
  | ({ readonly kind: "attention" } & AttentionShape)
  | { readonly kind: "softmax" | "layerNorm" | "gelu"; readonly rows: number; readonly columns: number }
  | ({ readonly kind: "block" } & BlockShape)
  | ({ readonly kind: "vit" } & VitShape)
  | ({ readonly kind: "vitTraining" } & VitShape)
  | ({ readonly kind: "lstm" | "gru" | "lstmTraining" } & RecurrentShape)
  | { readonly kind: "convolution"; readonly channels: number; readonly size: number; readonly kernel: number };

/** Letters: B batch, H heads, L queries and keys, D width of a head. */
export interface AttentionShape {
  readonly B: number;
  readonly H: number;
  readonly L: number;
  readonly D: number;
  /** `window`: the query's own key and those before it, `windowKeys` in all. */
  readonly mask: "full" | "causal" | "window";
}

export const windowKeys = 256;

/** A transformer block, norm first, over L tokens. */
export interface BlockShape {
  readonly L: number;
  readonly embedDim: number;
  readonly numHeads: number;
}

export interface VitShape {
  readonly batch: number;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly numClasses: number;
  readonly embedDim: number;
  readonly depth: number;
  readonly numHeads: number;
}

/** Letters: B batch, T steps, I inputs, H hidden units. */
export interface RecurrentShape {
  readonly B: number;
  readonly T: number;
  readonly I: number;
  readonly H: number;
}

/** How one piece of work is judged. */
export type Measure =
  /** Milliseconds of one call; the rivals alternate. */
  | "time"
  /** MiB of resident memory at its highest, above the state before; a fresh process each. */
  | "memory"
  /** Milliseconds from the start of a process to its first attention. */
  | "startup"
  /** KB of a page that computes one attention, min + gzip, WebAssembly included. */
  | "size";

export interface Task {
  /** `attention-1024-causal`: in file names, tables and `--only`. */
  readonly id: string;
  /** What `--only` takes too: every task of a group. */
  readonly group: Group;
  readonly title: string;
  readonly measure: Measure;
  readonly work: Work;
}

export type Group = "matmul" | "attention" | "memory" | "rows" | "vit" | "training" | "recurrent" | "convolution" | "startup" | "size";

const one = (L: number, mask: AttentionShape["mask"] = "full"): Work => ({ kind: "attention", B: 1, H: 8, L, D: 64, mask });
const suffix = (mask: AttentionShape["mask"]) => (mask === "full" ? "" : `-${mask}`);
const inWords = { full: "", causal: ", causal", window: `, window of ${windowKeys} keys` } as const;

function matmul(m: number, k: number, n: number): Task {
  const square = m === k && k === n;
  const title = square ? `matrix product ${n} × ${n}` : `matrix product ${m} × ${k} by ${k} × ${n}`;
  const id = square ? `matmul-${n}` : `matmul-${m}x${k}x${n}`;
  return { id, group: "matmul", title, measure: "time", work: { kind: "matmul", m, k, n } };
}

function attention(work: Work & { kind: "attention" }): Task {
  const { B, H, L, D, mask } = work;
  const size = B === 1 ? `${L}` : `${B}x${H}x${L}`;
  const title = `attention (${B}, ${H}, ${L}, ${D})${inWords[mask]}`;
  return { id: `attention-${size}${suffix(mask)}`, group: "attention", title, measure: "time", work };
}

function rows(kind: "softmax" | "layerNorm" | "gelu", name: string, count: number, columns: number): Task {
  const id = `${name.toLowerCase().replace(" ", "-")}-${count}x${columns}`;
  return { id, group: "rows", title: `${name} ${count} × ${columns}`, measure: "time", work: { kind, rows: count, columns } };
}

const vitTiny: VitShape = { batch: 1, imageSize: 224, patchSize: 16, numClasses: 1000, embedDim: 192, depth: 12, numHeads: 3 };
const smallVit: VitShape = { batch: 64, imageSize: 64, patchSize: 16, numClasses: 10, embedDim: 128, depth: 4, numHeads: 4 };
const masks = ["full", "causal", "window"] as const;

/** All of it, in the order of the report. */
export const tasks: readonly Task[] = [
  ...[64, 128, 256, 512, 1024].map((n) => matmul(n, n, n)),
  matmul(197, 768, 768),
  matmul(197, 3072, 768),
  ...[one(197), { kind: "attention", B: 8, H: 12, L: 197, D: 64, mask: "full" } as const, one(1024), one(1024, "causal")].map((work) =>
    attention(work as Work & { kind: "attention" }),
  ),
  ...masks.map((mask) => attention(one(4096, mask) as Work & { kind: "attention" })),
  ...masks.map((mask): Task => {
    const work = one(4096, mask);
    return { id: `memory-4096${suffix(mask)}`, group: "memory", title: `peak memory at L = 4096${inWords[mask]}`, measure: "memory", work };
  }),
  ...(["softmax", "layerNorm", "gelu"] as const).flatMap((kind, i) => [
    rows(kind, ["softmax", "layer norm", "GELU"][i]!, 197, 768),
    rows(kind, ["softmax", "layer norm", "GELU"][i]!, 4096, 1024),
  ]),
  ...(
    [
      [192, 3],
      [768, 12],
    ] as const
  ).map(([embedDim, numHeads]): Task => ({
    id: `vit-block-${embedDim}`,
    group: "vit",
    title: `ViT block, width ${embedDim}, ${numHeads} heads, 197 tokens`,
    measure: "time",
    work: { kind: "block", L: 197, embedDim, numHeads },
  })),
  { id: "vit-tiny", group: "vit", title: "ViT-Tiny 224, forward", measure: "time", work: { kind: "vit", ...vitTiny } },
  {
    id: "vit-training",
    group: "training",
    title: "training step with Adam, ViT 64 × 64, width 128, depth 4, batch 64",
    measure: "time",
    work: { kind: "vitTraining", ...smallVit },
  },
  ...(["lstm", "gru"] as const).map((kind): Task => ({
    id: `${kind}-16x196x256`,
    group: "recurrent",
    title: `${kind.toUpperCase()} 16 × 196 × 256 → 256, forward`,
    measure: "time",
    work: { kind, B: 16, T: 196, I: 256, H: 256 },
  })),
  {
    id: "lstm-training",
    group: "recurrent",
    title: "training step with Adam, LSTM 32 × 100 × 64 → 128",
    measure: "time",
    work: { kind: "lstmTraining", B: 32, T: 100, I: 64, H: 128 },
  },
  {
    id: "convolution-56",
    group: "convolution",
    title: "convolution 3 × 3, 64 → 64, 56 × 56",
    measure: "time",
    work: { kind: "convolution", channels: 64, size: 56, kernel: 3 },
  },
  { id: "startup", group: "startup", title: "process start to first attention (1, 8, 197, 64)", measure: "startup", work: one(197) },
  { id: "size", group: "size", title: "page that computes one attention, min + gzip", measure: "size", work: one(197) },
];

export const groups: readonly Group[] = [...new Set(tasks.map(({ group }) => group))];

/** The pairs of query and key that a mask lets through. */
export function allowedPairs({ B, H, L, mask }: AttentionShape): number {
  const perHead = { full: () => L * L, causal: () => (L * (L + 1)) / 2, window: () => windowed(L, Math.min(L, windowKeys)) }[mask]();
  return B * H * perHead;
}

const windowed = (L: number, w: number): number => (w * (w + 1)) / 2 + (L - w) * w;

/**
 * Useful floating-point operations of one call, a multiply-add counted as two; undefined where bandwidth or `exp` is the bound. A training
 * step counts as three forward passes.
 */
export function flops(work: Work): number | undefined {
  switch (work.kind) {
    case "matmul":
      return 2 * work.m * work.k * work.n;
    case "attention":
      return 4 * allowedPairs(work) * work.D;
    case "block":
      return blockFlops(work);
    case "vit":
      return vitFlops(work);
    case "vitTraining":
      return 3 * vitFlops(work);
    case "lstm":
      return recurrentFlops(work, 4);
    case "gru":
      return recurrentFlops(work, 3);
    case "lstmTraining":
      return 3 * recurrentFlops(work, 4);
    case "convolution":
      return 2 * work.size ** 2 * work.channels ** 2 * work.kernel ** 2;
    default:
      return undefined;
  }
}

const blockFlops = ({ L, embedDim: E }: BlockShape): number => 24 * L * E * E + 4 * L * L * E;
const recurrentFlops = ({ B, T, I, H }: RecurrentShape, gates: number): number => 2 * B * T * gates * H * (I + H);

export const tokensOf = ({ imageSize, patchSize }: VitShape): number => (imageSize / patchSize) ** 2 + 1;

function vitFlops(shape: VitShape): number {
  const { batch, patchSize, numClasses, embedDim: E, depth, numHeads } = shape;
  const L = tokensOf(shape);
  return batch * (2 * (L - 1) * 3 * patchSize ** 2 * E + depth * blockFlops({ L, embedDim: E, numHeads }) + 2 * E * numClasses);
}
