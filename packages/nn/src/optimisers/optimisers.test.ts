import { describe, expect, it } from "vitest";
import { profileKernels } from "@heed/kernels";
import { add, cast, memory, mul, normal, randomKey, resident, scope, sum, tensor, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, loadGolden } from "@heed/tensor/testing";
import { Adam, AdamW, clipGradNorm, Parameter, SGD, type Optimiser } from "../index.ts";

interface GoldenOptions {
  readonly kind: "sgd" | "adam" | "adamw";
  readonly lr: number;
  readonly steps: number;
  readonly momentum?: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
  readonly betas?: [number, number];
  readonly eps?: number;
  readonly weight_decay?: number;
  readonly amsgrad?: boolean;
}
const given = (options: Record<string, unknown>) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
function build(
  parameters: readonly Parameter[],
  { kind, lr, momentum, dampening, nesterov, betas, eps, weight_decay: weightDecay, amsgrad }: GoldenOptions,
): Optimiser {
  if (kind === "sgd") return new SGD(parameters, { lr, ...given({ momentum, dampening, nesterov, weightDecay }) });
  return new (kind === "adam" ? Adam : AdamW)(parameters, { lr, weightDecay: weightDecay ?? 0, ...given({ betas, eps, amsgrad }) });
}

/** Gives parameters these gradients, by way of `backward`. */
function setGradients(parameters: readonly Parameter[], gradients: readonly Tensor[]): void {
  parameters.forEach((parameter, i) => sum(mul(parameter, gradients[i])).backward());
}

const cases = loadGolden("tensor", { op: "optimizer" });
describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(cases)("agrees with $source on $name: plain, in scopes, and resident", ({ inputs, outputs, options, toleranceOf }) =>
    use(() => {
      const asked = options as unknown as GoldenOptions;
      const names = Object.keys(inputs).filter((name) => name.startsWith("param"));
      const ways: ((step: () => void) => void)[] = [(step) => step(), (step) => scope(step)];
      const bytes = memory().liveBytes;
      for (const [way, own] of [...ways.map((each) => [each, false] as const), [ways[1], true] as const]) {
        const parameters = names.map((name) => new Parameter(inputs[name]));
        const optimiser = build(parameters, asked);
        const owner = own ? resident([optimiser]) : undefined;
        for (let step = 0; step < asked.steps; step++) {
          way(() => {
            setGradients(
              parameters,
              names.map((name) =>
                tensor(inputs[name.replace("param", "grads")].toArray() as number[][])
                  .slice(0, step, step + 1)
                  .reshape(inputs[name].shape),
              ),
            );
            optimiser.step();
            optimiser.zeroGrad();
          });
          parameters.forEach((parameter, i) => {
            expectClose(
              parameter,
              outputs[`trajectory${i}`].slice(0, step, step + 1).reshape(parameter.shape),
              toleranceOf(`output.trajectory${i}`),
            );
          });
        }
        owner?.release();
      }
      expect(memory().liveBytes).toBe(bytes);
    }),
  );
});

describe("optimisers", () => {
  const key = randomKey(5);
  const draw = () => [new Parameter(normal(key.split("a"), [2, 3])), new Parameter(normal(key.split("b"), [5]))];
  const gradients = (step: number) => [normal(key.split("ga").split(step), [2, 3]), normal(key.split("gb").split(step), [5])];
  const kinds: [string, (parameters: readonly Parameter[]) => Optimiser][] = [
    ["SGD", (p) => new SGD(p, { lr: 0.1 })],
    ["SGD with momentum", (p) => new SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.5, weightDecay: 0.01 })],
    ["Adam", (p) => new Adam(p)],
    ["AdamW with amsgrad", (p) => new AdamW(p, { amsgrad: true, weightDecay: 0.1 })],
  ];
  const step = (parameters: readonly Parameter[], optimiser: Optimiser, n: number) => {
    setGradients(parameters, gradients(n));
    optimiser.step();
    optimiser.zeroGrad();
  };

  it.each(kinds)("%s resumes from its state to the same bits", (_, make) => {
    const whole = draw();
    const first = make(whole);
    for (let n = 0; n < 6; n++) step(whole, first, n);

    const parts = draw();
    const before = make(parts);
    for (let n = 0; n < 3; n++) step(parts, before, n);
    const copies = parts.map((parameter) => new Parameter(parameter));
    const after = make(copies);
    after.loadStateDict(before.stateDict());
    for (let n = 3; n < 6; n++) step(copies, after, n);
    copies.forEach((copy, i) => expect(copy.toArray()).toEqual(whole[i].toArray()));
    expect(after.steps).toBe(6);
  });

  it.each(kinds)("%s loads all or nothing, and names what is wrong", (_, make) => {
    const parameters = draw();
    const optimiser = make(parameters);
    step(parameters, optimiser, 0);
    const saved = optimiser.stateDict();
    const state = () => JSON.stringify([optimiser.steps, ...Object.values(optimiser.stateDict().tensors).map((x) => x.toArray())]);
    const before = state();
    expect(() => optimiser.loadStateDict({ ...saved, tensors: { ...saved.tensors, "z.0": zeros([1]) } })).toThrow(
      /names must be those of the optimiser; got .*z\.0/,
    );
    expect(() => optimiser.loadStateDict({ ...saved, steps: -1 })).toThrow(/steps must be a whole number/);
    for (const name of Object.keys(saved.tensors)) {
      expect(() => optimiser.loadStateDict({ ...saved, tensors: { ...saved.tensors, [name]: zeros([7]) } })).toThrow(
        `"${name}" has another shape`,
      );
      expect(() =>
        optimiser.loadStateDict({ ...saved, tensors: { ...saved.tensors, [name]: cast(saved.tensors[name], "float64") } }),
      ).toThrow(`"${name}" has another dtype`);
      expect(() =>
        optimiser.loadStateDict({ ...saved, tensors: Object.fromEntries(Object.entries(saved.tensors).filter(([own]) => own !== name)) }),
      ).toThrow(name);
    }
    expect(state()).toBe(before);
  });

  it("leave parameters without a gradient alone, and take each parameter once", () => {
    const [a, b] = draw();
    const optimiser = new AdamW([a, b, a], { lr: 0.1 });
    expect(optimiser.parameters).toHaveLength(2);
    const before = b.toArray();
    setGradients([a], gradients(0));
    optimiser.step();
    expect(b.toArray()).toEqual(before);
    expect(a.toArray()).not.toEqual(draw()[0].toArray());
  });

  it.each(kinds)("%s counts the updates of each parameter by itself, also after loading", (_, make) => {
    const [a, b] = draw();
    const optimiser = make([a, b]);
    for (let n = 0; n < 2; n++) {
      setGradients([a], gradients(n));
      optimiser.step();
      optimiser.zeroGrad();
    }
    // b starts late: it fares as with an optimiser of its own.
    const loaded = [new Parameter(a), new Parameter(b)];
    const again = make(loaded);
    again.loadStateDict(optimiser.stateDict());
    const [, alone] = draw();
    const own = make([alone]);
    for (let n = 2; n < 4; n++) {
      for (const [parameters, each] of [
        [[a, b], optimiser],
        [loaded, again],
      ] as const)
        step(parameters, each, n);
      setGradients([alone], [gradients(n)[1]]);
      own.step();
      own.zeroGrad();
    }
    expect(b.toArray()).toEqual(alone.toArray());
    expect(loaded.map((parameter) => parameter.toArray())).toEqual([a.toArray(), b.toArray()]);
  });

  it.each(kinds)("%s updates a resident model in one call, to the bits of a model on the heap", (_, make) => {
    const parameters = [...draw(), new Parameter(zeros([0])), new Parameter(normal(key.split("c"), [17]))];
    const [resides, stays] = [parameters, parameters.map((parameter) => new Parameter(parameter))];
    const [one, other] = [make(resides), make(stays)];
    const owner = resident([one]);
    for (let n = 0; n < 3; n++) {
      for (const [at, optimiser] of [
        [resides, one],
        [stays, other],
      ] as const) {
        setGradients(
          at,
          at.map(({ shape }, i) => normal(key.split(n).split(i), shape)),
        );
        const { kernels } = profileKernels(() => optimiser.step());
        const calls = kernels.filter(({ family }) => family === "optimiser").map((kernel) => kernel.calls);
        expect(calls).toEqual([at === resides ? 1 : 3]);
        expect(clipGradNorm(at, 0.1)).toBeGreaterThan(0.1);
        optimiser.zeroGrad();
      }
    }
    resides.forEach((parameter, i) => expect(parameter.toArray()).toEqual(stays[i].toArray()));
    owner.release();
    expect(memory().liveBytes).toBe(0);
  });

  it("decay what noDecay leaves", () => {
    const [a, b] = draw();
    const optimiser = new AdamW([a, b], { lr: 0.1, weightDecay: 0.5, noDecay: (parameter) => parameter.rank === 1 });
    setGradients([a, b], [zeros([2, 3]), zeros([5])]);
    optimiser.step();
    expectClose(a, mul(draw()[0], 0.95), 1e-7);
    expectClose(b, draw()[1]);
  });

  it("step at the rate given, for that step only", () => {
    const [a] = draw();
    const optimiser = new SGD([a], { lr: 1 });
    setGradients([a], gradients(0));
    optimiser.step(0);
    expectClose(a, draw()[0]);
    expect(optimiser.lr).toBe(1);
    optimiser.step();
    expectClose(a, add(draw()[0], mul(gradients(0)[0], -1)), 1e-6);
  });

  it("say what is wrong", () => {
    const some = draw();
    const wrong: [() => unknown, RegExp][] = [
      [() => new Adam([]), /Adam: there must be at least one parameter\. Pass model\.parameters\(\)/],
      [() => new AdamW(some, { lr: -1 }), /AdamW: lr must be finite and not negative; got lr -1/],
      [() => new Adam(some, { betas: [0.9, 1] }), /betas must be in \[0, 1\)/],
      [() => new Adam(some, { weightDecay: NaN }), /weightDecay must be finite/],
      [() => new SGD(some, { lr: 0.1, nesterov: true }), /SGD: nesterov needs momentum/],
      [() => new SGD(some, { lr: 0.1 }).step(Infinity), /lr must be finite/],
      [() => new SGD([new Parameter(cast(zeros([2]), "float16"))], { lr: 0.1 }), /SGD: works on float32 and float64/],
    ];
    for (const [call, message] of wrong) expect(call).toThrow(message);
  });
});
