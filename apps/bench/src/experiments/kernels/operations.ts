/** Whole operations, through the public API of the packages, as their users call them: operands have an owner, a call is a scope. */
import { attention, type AttentionOptions } from "@heed/attention";
import { measurePeak } from "@heed/kernels/benchmarks";
import { threads } from "@heed/kernels";
import { causal, window } from "@heed/masks";
import { AdamW, Parameter } from "@heed/nn";
import { LSTM } from "@heed/rnn-baseline";
import { additive } from "@heed/scoring";
import {
  backend,
  configure,
  conv2d,
  features,
  gelu,
  layerNorm,
  matmul,
  noGrad,
  normal,
  randomKey,
  resident,
  scope,
  softmax,
  sum,
  tanh,
  tensor,
  type Tensor,
} from "@heed/tensor";
import type { QuietMachine } from "../../machine/quiet-machine.ts";
import { flops, type AttentionShape } from "../peers/work.ts";

export type OperationBuild = "relaxed" | "simd" | "wide";

/** What one call does: floating-point operations, or bytes read and written, whichever bounds it. */
export interface Operation {
  readonly name: string;
  readonly flops?: number;
  readonly bytes?: number;
  /** Builds that it is measured on; default all. */
  readonly builds?: readonly OperationBuild[];
  /** Also on two threads. */
  readonly shared?: boolean;
  /** Milliseconds of one call; most are timed from outside. */
  time?(): number;
  run?(): void;
}

/** One round of everything. Null: this engine has no such build. */
export interface OperationRound {
  readonly peak: number;
  readonly times: readonly {
    readonly name: string;
    readonly build: OperationBuild;
    readonly threads: number;
    readonly milliseconds: number;
  }[];
}

const key = randomKey(3);
let made = 0;
const random = (...shape: number[]): Tensor => normal(key.split(made++), shape);

function forward(name: string, work: Omit<Operation, "name" | "run">, call: () => Tensor): Operation {
  return { name, ...work, run: () => noGrad(() => scope(() => void call())) };
}

function attentionForward(L: number, mask: AttentionShape["mask"], options: AttentionOptions, shared = false): Operation {
  const shape = { kind: "attention", B: 1, H: 8, L, D: 64, mask } as const;
  const [q, k, v] = [random(1, 8, L, 64), random(1, 8, L, 64), random(1, 8, L, 64)] as const;
  resident([q, k, v]);
  return forward(`attention-${L}-${mask}`, { flops: flops(shape)!, shared }, () => attention(q, k, v, options));
}

/** Only the backward pass is timed: five products to the forward's two. */
function attentionBackward(L: number, mask: AttentionShape["mask"], options: AttentionOptions, shared = false): Operation {
  const shape = { kind: "attention", B: 1, H: 8, L, D: 64, mask } as const;
  const leaf = () => tensor(random(1, 8, L, 64).toTypedArray() as Float32Array, { shape: [1, 8, L, 64], requiresGrad: true });
  const [q, k, v] = [leaf(), leaf(), leaf()] as const;
  const cotangent = random(1, 8, L, 64);
  resident([q, k, v, cotangent]);
  return {
    name: `attention-${L}-${mask}-backward`,
    flops: (flops(shape)! * 5) / 2,
    shared,
    time: () =>
      scope(() => {
        const y = attention(q, k, v, options);
        threads.settle();
        const start = performance.now();
        y.backward(cotangent);
        threads.settle();
        return performance.now() - start;
      }),
  };
}

export function operations(): Operation[] {
  const fast: readonly OperationBuild[] = ["relaxed"];
  const [a, b] = [random(512, 512), random(512, 512)];
  const [L, width] = [512, 64];
  const [q, k, v] = [random(1, 1, L, width), random(1, 1, L, width), random(1, 1, L, width)] as const;
  const score = additive({ queryWeight: random(width, width), keyWeight: random(width, width), vector: random(width) });
  const angles = random(16384);
  const rows = random(197, 768);
  const [weight, bias] = [random(768), random(768)];
  const parameter = new Parameter(random(1 << 20));
  const optimiser = new AdamW([parameter], { lr: 1e-6 });
  const lstm = new LSTM(256, 256, { key });
  const sequence = random(16, 196, 256);
  const [image, filter] = [random(1, 64, 56, 56), random(64, 64, 3, 3)];
  scope(() => sum(parameter).backward()); // What the optimiser reads at every step.
  resident([a, b, q, k, v, angles, rows, weight, bias, lstm, sequence, image, filter, optimiser, parameter]);
  const rowBytes = 2 * 4 * rows.size;
  return [
    forward("matmul-512-api", { flops: 2 * 512 ** 3, shared: true }, () => matmul(a, b)),
    attentionForward(1024, "full", {}, true),
    attentionForward(1024, "causal", { mask: causal() }),
    attentionForward(4096, "full", {}),
    attentionForward(4096, "window", { mask: window(255, 0) }),
    attentionBackward(1024, "full", {}, true),
    attentionBackward(1024, "causal", { mask: causal() }),
    forward("additive-512", { flops: 2 * L * L * width, builds: fast }, () => attention(q, k, v, { score })),
    forward("additive-512-dense", { flops: 2 * L * L * width, builds: fast }, () => matmul(softmax(score.dense(q, k), -1), v)),
    // As many as the additive score of 512 needs would not stay in the cache: 16,384 stand for them.
    forward("tanh-16384", { bytes: 2 * 4 * angles.size, builds: fast }, () => tanh(angles)),
    forward("softmax-197x768", { bytes: rowBytes }, () => softmax(rows, -1)),
    forward("layer-norm-197x768", { bytes: rowBytes }, () => layerNorm(rows, { weight, bias })),
    forward("gelu-197x768", { bytes: rowBytes }, () => gelu(rows)),
    forward("lstm-16x196x256", { flops: flops({ kind: "lstm", B: 16, T: 196, I: 256, H: 256 })! }, () => lstm.forward(sequence).output),
    forward("convolution-56", { flops: flops({ kind: "convolution", channels: 64, size: 56, kernel: 3 })! }, () =>
      conv2d(image, filter, { padding: 1 }),
    ),
    // Reads parameter, gradient and two moments, writes all but the gradient.
    { name: "adamw-1M", bytes: 7 * 4 * parameter.size, run: () => void optimiser.step() },
  ];
}

/** The builds that this engine has. */
export function buildsHere(): OperationBuild[] {
  const builds: OperationBuild[] = features().relaxedSimd ? ["relaxed", "simd"] : ["simd"];
  configure({ wide: true });
  if (backend().build === "wide") builds.push("wide");
  configure({ wide: false });
  return builds;
}

/** Every operation once on every build, the peak probe in between; those that are shared alternate between one thread and two. */
export async function roundOf(
  all: readonly Operation[],
  builds: readonly OperationBuild[],
  sampleMilliseconds: number,
  machine: QuietMachine,
): Promise<OperationRound> {
  const times: OperationRound["times"][number][] = [];
  let peak = 0;
  const take = async (operation: Operation, build: OperationBuild, count: number): Promise<void> => {
    await machine.settle();
    const probe = measurePeak(2);
    peak = Math.max(peak, probe.fma ?? probe.mulAdd);
    times.push({ name: operation.name, build, threads: count, milliseconds: sample(operation, sampleMilliseconds) });
  };
  for (const build of builds) {
    configure({ threads: 1, wide: build === "wide", backend: build === "simd" ? "simd" : "auto" });
    for (const operation of all) {
      if (!(operation.builds ?? builds).includes(build)) continue;
      await take(operation, build, 1);
      if (operation.shared !== true || build !== builds[0]) continue;
      configure({ threads: 2 });
      if ((await takesPart(operation)) === 2) await take(operation, build, 2);
      configure({ threads: 1 });
    }
  }
  configure({ wide: false, backend: "auto" });
  return { peak, times };
}

/** How many threads take part once workers have started, and have the kernels of an operation: those come while they wait, after a first call. */
async function takesPart(operation: Operation): Promise<number> {
  const count = await threads.ready();
  for (let calls = 0; calls < 2; calls++) {
    sample(operation, 0);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return count;
}

function sample({ run, time }: Operation, sampleMilliseconds: number): number {
  let fastest = Infinity;
  const begin = performance.now();
  do {
    const start = performance.now();
    const inside = time?.();
    run?.();
    threads.settle();
    fastest = Math.min(fastest, inside ?? performance.now() - start);
  } while (performance.now() - begin < sampleMilliseconds);
  return fastest;
}
