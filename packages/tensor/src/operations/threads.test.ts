import { backend, configuration, configure, features, profileKernels, threads } from "@heed/kernels";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { scope } from "../core/scope.ts";
import type { Tensor } from "../core/tensor.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { linear } from "./linear.ts";
import { matmul } from "./matmul.ts";
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
  ["linear", "linear", [[301, 157], [203, 157], [203]], linear],
  ["linear with GELU", "linear", [[301, 157], [203, 157], [203]], (x, w, b) => linear(x, w, b, { activation: "gelu" })],
];

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
