import { backend, configuration, configure, features, profileKernels, threads } from "@heed/kernels";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { tensor } from "../core/construct.ts";
import { scope } from "../core/scope.ts";
import type { Tensor } from "../core/tensor.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { grad } from "../core/tape.ts";
import { add, mul } from "./arithmetic.ts";
import { batchNorm } from "./batch-norm.ts";
import { concat } from "./concat.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { exp } from "./exponential.ts";
import { gelu } from "./gelu.ts";
import { layerNorm } from "./layer-norm.ts";
import { linear } from "./linear.ts";
import { matmul } from "./matmul.ts";
import { sum } from "./sum.ts";
import { rmsNorm } from "./rms-norm.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import { slice, transpose } from "./views.ts";

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

describe.runIf(features().sharedMemory)("operations that nobody reads between", () => {
  const [rows, width] = [197, 192];
  const weight = randomTensor([width, width], 1, { low: -0.1, high: 0.1 });
  const bias = randomTensor([width], 2);
  /** Each leaves work to other threads, or meets such work: by a kernel, by copying, by writing from JavaScript, by memory that is used again. */
  const steps: Readonly<Record<string, (x: Tensor, seed: number) => Tensor>> = {
    linear: (x) => linear(x, weight, bias),
    "linear with gelu": (x) => linear(x, weight, bias, { activation: "gelu" }),
    layerNorm: (x) => layerNorm(x, { weight: bias, bias }),
    gelu: (x) => gelu(x),
    softmax: (x) => softmax(x, -1),
    matmul: (x) => matmul(x, weight),
    "matmul with its own transpose": (x) => mul(matmul(matmul(x, transpose(x)), x), 1 / 4096),
    residual: (x) => add(x, linear(layerNorm(x), weight)),
    "a copy of a view": (x) => concat([slice(x, 0, 100), slice(x, 0, 0, 100)], 0),
    "numbers from JavaScript": (x, seed) =>
      add(
        x,
        tensor(
          Float32Array.from({ length: width }, (_, i) => Math.sin(i + seed)),
          { shape: [width] },
        ),
      ),
    "a scope of its own": (x) => scope(() => add(linear(x, weight), layerNorm(x))),
    "a scope that drops its results": (x) => {
      scope(() => void [linear(x, weight), matmul(x, weight), gelu(x)]);
      return mul(x, 0.5);
    },
    "a number read": (x) => mul(x, 1 / (1 + Math.abs(sum(x).item()))),
  };

  const run = (names: readonly string[]): string[] => {
    const x = tensor(randomTensor([rows, width], 3).toTypedArray(), { shape: [rows, width], requiresGrad: true });
    const y = scope(() => {
      const out = names.reduce((at, name, i) => steps[name](at, i), x);
      sum(mul(out, out)).backward();
      return out.detach();
    });
    return [y, x.grad!].map((each) => Buffer.from(each.toTypedArray().buffer).toString("base64"));
  };

  it("have the bits of one thread, in any order", async () => {
    const chains = fc.sample(fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 1, maxLength: 10 }), { numRuns: 40, seed: 5 });
    configure({ precision: "fast", threads: 1 });
    const expected = chains.map(run);
    for (const count of [2, 3]) {
      configure({ threads: count });
      expect(await threads.ready()).toBe(count);
      for (let again = 0; again < 2; again++) {
        chains.forEach((names, i) =>
          expect(
            run(names).every((bits, part) => bits === expected[i][part]),
            names.join(", "),
          ).toBe(true),
        );
      }
    }
  });
});
