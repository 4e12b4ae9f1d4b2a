import { backend, configuration, configure, features, profileKernels, threads } from "@heed/kernels";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { tensor } from "../core/construct.ts";
import { scope } from "../core/scope.ts";
import type { Tensor } from "../core/tensor.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { grad } from "../core/tape.ts";
import { mul } from "./arithmetic.ts";
import { batchNorm } from "./batch-norm.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { exp } from "./exponential.ts";
import { gelu } from "./gelu.ts";
import { layerNorm } from "./layer-norm.ts";
import { linear } from "./linear.ts";
import { matmul } from "./matmul.ts";
import { sum } from "./sum.ts";
import { rmsNorm } from "./rms-norm.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import { transpose } from "./views.ts";

// Starting threads takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** Name, a kernel whose calls are cut up, shapes of inputs, function. Few sizes are divisible, so pieces are of unequal size. */
type Case = readonly [
  name: string,
  kernel: string,
  shapes: readonly (readonly number[])[],
  run: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
];

const ids = Array.from({ length: 1111 }, (_, i) => (7 * i) % 101);
const targets = tensor(ids, { dtype: "int32" });

const cases: Case[] = [
  [
    "matmul",
    "gemmBatched",
    [
      [301, 157],
      [157, 203],
    ],
    matmul,
  ],
  [
    "matmul by a transposed matrix",
    "gemmBatched",
    [
      [301, 157],
      [203, 157],
    ],
    (a, b) => matmul(a, transpose(b)),
  ],
  [
    "matmul of a row",
    "gemmBatched",
    [
      [1, 1100],
      [1100, 2100],
    ],
    matmul,
  ],
  [
    "matmul of a batch",
    "gemmBatched",
    [
      [13, 3, 65, 64],
      [3, 64, 65],
    ],
    matmul,
  ],
  [
    "matmul of few products",
    "gemmBatched",
    [
      [3, 140, 65],
      [3, 65, 150],
    ],
    matmul,
  ],
  ["linear", "linear", [[301, 157], [203, 157], [203]], (x, w, b) => linear(x, w, b)],
  ["linear with GELU", "linear", [[301, 157], [203, 157], [203]], (x, w, b) => linear(x, w, b, { activation: "gelu" })],
  ["gelu", "geluErf", [[211, 303]], (x) => gelu(x)],
  ["gradient of gelu", "geluErfGrad", [[211, 303]], grad((x) => sum(gelu(x)))],
  ["exp", "exp", [[211, 303]], exp],
  ["softmax", "softmax", [[411, 303]], (x) => softmax(x)],
  ["gradient of softmax", "softmaxGrad", [[411, 303]], grad((x) => sum(mul(x, softmax(x))))],
  ["logSoftmax", "logSoftmax", [[411, 303]], (x) => logSoftmax(x)],
  ["layerNorm", "layerNorm", [[811, 303], [303], [303]], (x, weight, bias) => layerNorm(x, { weight, bias })],
  ["gradients of layerNorm", "layerNormGrad", [[811, 303], [303], [303]], grads((x, weight, bias) => layerNorm(x, { weight, bias }))],
  ["rmsNorm", "rmsNorm", [[811, 303], [303]], (x, weight) => rmsNorm(x, { weight })],
  ["gradients of rmsNorm", "rmsNormGrad", [[811, 303], [303]], grads((x, weight) => rmsNorm(x, { weight }))],
  ["batchNorm", "channelAffine", [[13, 53, 43, 41], [53], [53]], (x, weight, bias) => batchNorm(x, { weight, bias }).output],
  [
    "gradients of batchNorm",
    "batchNormGrad",
    [[13, 53, 43, 41], [53], [53]],
    grads((x, weight, bias) => batchNorm(x, { weight, bias }).output),
  ],
  ["crossEntropy", "crossEntropy", [[1111, 101]], (x) => crossEntropy(x, targets)],
  ["gradient of crossEntropy", "crossEntropyGrad", [[1111, 101]], grad((x) => crossEntropy(x, targets))],
];

/** Gradients of Σ f(x, …)³ by all of its inputs together. */
function grads(f: (...inputs: Tensor[]) => Tensor): (...inputs: Tensor[]) => Tensor[] {
  return (...inputs) => {
    const leaves = inputs.map((input) => tensor(input.toTypedArray(), { shape: input.shape, requiresGrad: true }));
    const y = f(...leaves);
    sum(mul(y, mul(y, y))).backward();
    return leaves.map((leaf) => leaf.grad!);
  };
}

const before = { ...configuration() };
afterAll(() => configure(before));

describe.runIf(features().sharedMemory).each(["fast", "deterministic"] as const)("in precision %s", (precision) => {
  const inputs = new Map(cases.map(([name, , shapes]) => [name, shapes.map((shape, seed) => randomTensor(shape, seed))]));
  const bits = ([name, , , run]: Case) => {
    const results = scope(() => [run(...inputs.get(name)!)].flat() as Tensor[]);
    return results.map((x) => Buffer.from(x.toTypedArray().buffer).toString("base64"));
  };
  const alone = new Map<string, string[]>();
  beforeAll(() => {
    configure({ precision, threads: 1 });
    for (const one of cases) alone.set(one[0], bits(one));
  });

  describe.each([2, 4])("%i threads give the same bits as one", (count) => {
    beforeAll(async () => {
      configure({ precision, threads: count });
      await threads.ready();
      expect(backend().threads).toBe(count);
    });

    it.each(cases)("%s", (...one) => {
      const [name, kernel] = one;
      for (let again = 0; again < 4; again++) {
        const { result, kernels } = profileKernels(() => bits(one));
        expect(result.every((each, i) => each === alone.get(name)![i])).toBe(true);
        expect(kernels.find((row) => row.kernel === kernel)?.calls, "pieces").toBeGreaterThan(1);
      }
    });
  });
});
