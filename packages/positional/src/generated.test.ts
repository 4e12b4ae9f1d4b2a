import { describe, expect, it } from "vitest";
import { add, cast, exp, matmul, mul, neg, randomKey, reshape, sub, tensor, transpose, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { functionalCall } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { ContinuousPositions, type ContinuousOptions, RecurrentPositions, rungeKutta4, sinusoidal } from "./index.ts";

const key = randomKey(7);
const double = (values: readonly number[]) => tensor(Float64Array.from(values));

describe("rungeKutta4", () => {
  it("is of order 4: halving the step divides the error by 16", () => {
    const errors = [2, 4, 8].map((steps) => {
      const states = rungeKutta4((_, y) => neg(y), double([1]), [0, 1, 2], { steps });
      return Math.abs((states.toArray() as number[][])[2]![0]! - Math.exp(-2));
    });
    expect(errors[0]! / errors[1]!).toBeGreaterThan(14);
    expect(errors[1]! / errors[2]!).toBeGreaterThan(15);
    expect(errors[2]).toBeLessThan(1e-5);
  });

  it("follows polynomials of time up to the fourth power exactly, forward and back", () => {
    const cubic = (time: number) => double([4 * time ** 3 - 2 * time]);
    expectClose(rungeKutta4(cubic, double([0]), [0, 1, 3]), [[0], [0], [72]], 1e-12);
    expectClose(rungeKutta4(cubic, double([72]), [3, 1, 0]), [[72], [0], [0]], 1e-12);
  });

  it("turns a rotation round: the flow of a linear field is its matrix exponential", () => {
    const turn = tensor(Float64Array.of(0, -1, 1, 0), { shape: [2, 2] });
    const states = rungeKutta4((_, y) => matmul(y, transpose(turn)), reshape(double([1, 0]), [1, 2]), [0, 0.5, 1], { steps: 40 });
    expectClose(
      reshape(states, [3, 2]),
      [0, 0.5, 1].map((t) => [Math.cos(t), Math.sin(t)]),
      1e-8,
    ); // (1 / 80)⁴ = 2.4e-8, over 120
  });

  it("starts at the start, and has the gradient of its central differences by start and field", () => {
    expectClose(
      rungeKutta4((_, y) => exp(y), double([3]), [5]),
      [[3]],
    );
    expectGradient((start, field) => rungeKutta4((time, y) => mul(add(field, time), y), start, [0, 0.5, 0.75], { steps: 2 }), [[3], [3]]);
  });
});

describe("ContinuousPositions", () => {
  const flow = (options: Partial<ContinuousOptions> = {}) => {
    const module = new ContinuousPositions(4, { key, hiddenDim: 3, ...options });
    module.loadStateDict({ ...module.stateDict(), time: randomTensor([3], 3) });
    return module;
  };

  it("have the gradients of their central differences", () => {
    expectModuleGradient(flow(), (positions, x) => positions.forward(x), [[2, 2, 4]]);
    expectModuleGradient(flow(), (positions, x) => positions.forward(x, [1.5, 0]), [[2, 4]]);
    expect([...flow().namedParameters().keys()].sort()).toEqual([
      "inner.bias",
      "inner.weight",
      "outer.bias",
      "outer.weight",
      "start",
      "time",
    ]);
  });

  it.each(eachBackend())("add p(n · interval) at position n, on $name", ({ use }) =>
    use(() => {
      const module = flow();
      const x = randomTensor([2, 5, 4], 1);
      const all = module.encodings([0, 1, 2, 3, 4]);
      expectClose(module.forward(x), add(x, all));
      expectClose(all.slice(0, 0, 1), reshape(module.start, [1, 4]));
      expectClose(
        module.encodings([4, 1, 4]),
        [4, 1, 4].map((n) => (all.toArray() as number[][])[n]!),
      );
      expectClose(
        sub(module.forward(x, [3, 2, 1, 0, 0]), x)
          .slice(0, 1, 2)
          .slice(1, 0, 1),
        reshape(all.slice(0, 3, 4), [1, 1, 4]),
        1e-6,
      );
      expect(module.forward(zeros([0, 4])).shape).toEqual([0, 4]);
    }),
  );

  /** Rows of encodings with parameters in float64. */
  const exactly = (positions: readonly number[], options: Partial<ContinuousOptions> = {}): number[][] => {
    const module = flow(options);
    const wide = Object.fromEntries([...module.namedParameters()].map(([name, x]) => [name, cast(x, "float64")]));
    return functionalCall(module, wide, () => module.encodings(positions)).toArray() as number[][];
  };
  const gap = (x: readonly number[], y: readonly number[]) => Math.hypot(...x.map((value, i) => value - y[i]!));

  it("change steadily between positions, the same whichever others are asked for", () => {
    expect(exactly([2.5])[0]).toEqual(exactly([0.25, 7, 2.5])[2]);
    const [before, at, after] = exactly([3 - 1e-6, 3, 3 + 1e-6]) as [number[], number[], number[]];
    expect(Math.max(gap(before, at), gap(at, after))).toBeLessThan(1e-6);
  });

  it("come nearer to the flow with smaller steps, by the order of the solver", () => {
    const far = (steps: number) => exactly([3], { steps, interval: 1 })[0]!;
    const exact = far(16);
    expect(gap(far(2), exact) / gap(far(4), exact)).toBeGreaterThan(12);
  });
});

describe("RecurrentPositions", () => {
  it.each([8, 9])("begin, without tanh, as the sinusoidal table of width %i", (width) => {
    const positions = new RecurrentPositions(width, { activation: "none" });
    const wanted = sinusoidal(60, width, { dtype: "float64" }).toArray() as number[][];
    if (width % 2 === 1) for (const row of wanted) row[width - 1] = 0;
    // Each step rounds a state of length ≤ 1 per pair a few times: 60 · 4 · 2⁻²⁴.
    expectClose(positions.forward(zeros([60, width])), wanted, 1.5e-5);
  });

  it("have the gradients of their central differences, also where they read the input", () => {
    expectModuleGradient(new RecurrentPositions(4), (positions, x) => positions.forward(x), [[2, 3, 4]]);
    expectModuleGradient(new RecurrentPositions(4, { key, readsInput: true }), (positions, x) => positions.forward(x), [[2, 3, 4]]);
    expectModuleGradient(new RecurrentPositions(3, { activation: "none" }), (positions, x) => positions.forward(x), [[2, 3]]);
  });

  it.each(eachBackend())("are the states of the recurrence, on $name", ({ use }) =>
    use(() => {
      const positions = new RecurrentPositions(4, { key, readsInput: true });
      positions.loadStateDict({ ...positions.stateDict(), bias: randomTensor([4], 2) });
      const x = randomTensor([2, 5, 4], 1);
      const rows = x.toArray() as number[][][];
      const [W, U] = [positions.recurrentWeight, positions.inputWeight!].map((weight) => weight.toArray() as number[][]) as [
        number[][],
        number[][],
      ];
      const bias = positions.bias.toArray() as number[];
      const times = (weight: number[][], v: number[]) => weight.map((row) => row.reduce((total, w, i) => total + w * v[i]!, 0));
      const wanted = rows.map((sample) => {
        let state = positions.start.toArray() as number[];
        return sample.map((element) => {
          const [own, read] = [times(W, state), times(U, element)];
          state = own.map((value, i) => Math.tanh(value + read[i]! + bias[i]!));
          return element.map((value, i) => value + state[i]!);
        });
      });
      expectClose(positions.forward(x), wanted, 1e-5);
      expect(positions.forward(zeros([3, 0, 4])).shape).toEqual([3, 0, 4]);
    }),
  );

  it("know nothing of the input unless they read it, and never of what comes later", () => {
    const [x, y] = [randomTensor([5, 4], 1), randomTensor([5, 4], 2)];
    const own = (positions: RecurrentPositions, of: Tensor) => sub(positions.forward(of), of);
    const free = new RecurrentPositions(4);
    expectClose(own(free, x), own(free, y), 1e-6);
    expect([...free.namedParameters().keys()].sort()).toEqual(["bias", "recurrentWeight", "start"]);
    const reading = new RecurrentPositions(4, { key, readsInput: true });
    const later = tensor((x.toArray() as number[][]).map((row, t) => (t < 3 ? row : row.map((value) => value + 1))));
    expectClose(reading.forward(later).slice(0, 0, 3), reading.forward(x).slice(0, 0, 3), 0);
  });
});
