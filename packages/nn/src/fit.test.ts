import { describe, expect, it } from "vitest";
import { crossEntropy, keep, memory, normal, parseRandomKey, randomKey, resident, scope, type Tensor, tensor } from "@heed/tensor";
import { eachBackend } from "@heed/tensor/testing";
import {
  AdamW,
  BatchNorm2d,
  constant,
  cosine,
  Dropout,
  fit,
  FeedForward,
  Linear,
  Module,
  SGD,
  trainStep,
  training,
  type Optimiser,
  type StepOptions,
} from "./index.ts";

const key = randomKey(11);

class Classifier extends Module {
  readonly norm = new BatchNorm2d(3);
  readonly body = new FeedForward(3, 8, { key: key.split("body"), dropoutP: 0.2 });
  readonly drop = new Dropout(0.1);
  readonly head = new Linear(3, 2, { key: key.split("head") });

  forward(x: Tensor): Tensor {
    return this.head.forward(this.drop.forward(this.body.forward(this.norm.forward(x))));
  }
}

interface Batch {
  readonly x: Tensor;
  readonly target: Tensor;
}
const batch = (i: number): Batch => ({
  x: normal(key.split("x").split(i), [6, 3]),
  target: tensor(
    [0, 1, 1, 0, 1, 0].map((label) => (label + i) % 2),
    { dtype: "int32" },
  ),
});
const batches = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => batch(from + i));
const options = (model: Classifier, optimiser: Optimiser): StepOptions<Batch> => ({
  optimiser,
  key,
  clipNorm: 1,
  schedule: cosine({ base: 0.05, warmup: 3, total: 20 }),
  loss: ({ x, target }) => crossEntropy(model.forward(x), target),
});
const make = () => {
  const model = new Classifier();
  return { model, optimiser: new AdamW(model.parameters(), { weightDecay: 0.1 }) };
};
const snapshot = ({ model, optimiser }: ReturnType<typeof make>) =>
  JSON.stringify([...Object.values(model.stateDict()), ...Object.values(optimiser.stateDict().tensors)].map((x) => x.toArray()));
const homes = ({ model, optimiser }: ReturnType<typeof make>) => [
  ...new Set([...model.state(), ...optimiser.state()].flatMap((x) => [x, ...(x.grad === null ? [] : [x.grad])]).map((x) => x.storage.home)),
];

describe.each(eachBackend())("on $name", ({ use }) => {
  it("trainStep gives the same bits on the heap, in a scope of the caller's, and resident", () =>
    use(() => {
      const run = (step: (one: () => void) => void, own: boolean) => {
        const made = make();
        const owner = own ? resident([made.model, made.optimiser]) : undefined;
        const all = options(made.model, made.optimiser);
        for (const each of batches(0, 5)) step(() => trainStep(each, all));
        const result = snapshot(made);
        owner?.release();
        expect(snapshot(made)).toBe(result);
        return result;
      };
      const heap = run((one) => one(), false);
      expect(run((one) => scope(one), false)).toBe(heap);
      expect(run((one) => one(), true)).toBe(heap);
      expect(run((one) => scope(one), true)).toBe(heap);
    }));
});

describe("trainStep", () => {
  it("resumes bit for bit at any step, dropout included", () => {
    const whole = make();
    const losses = batches(0, 8).map((each) => trainStep(each, options(whole.model, whole.optimiser)).loss);
    for (const at of [1, 4, 7]) {
      const first = make();
      for (const each of batches(0, at)) trainStep(each, options(first.model, first.optimiser));
      const second = make();
      // Through text and heap copies, as a checkpoint does.
      const { steps, tensors } = first.optimiser.stateDict();
      const copies = (all: Readonly<Record<string, Tensor>>) => Object.fromEntries(Object.entries(all).map(([name, x]) => [name, keep(x)]));
      second.model.loadStateDict(copies(first.model.stateDict()));
      second.optimiser.loadStateDict({ steps, tensors: copies(tensors) });
      const resumed = batches(at, 8).map(
        (each) => trainStep(each, { ...options(second.model, second.optimiser), key: parseRandomKey(String(key)) }).loss,
      );
      expect(resumed).toEqual(losses.slice(at));
      expect(snapshot(second)).toBe(snapshot(whole));
    }
  });

  it("tells the loss before the update and the norm before clipping, and follows the schedule", () => {
    const { model } = make();
    const optimiser = new SGD(model.parameters(), { lr: 99 });
    const all = { ...options(model, optimiser), schedule: constant(0), clipNorm: 1e-3 };
    const [a, b] = [trainStep(batch(0), all), trainStep(batch(0), all)];
    expect(b.loss).not.toBe(a.loss); // Another step, another dropout.
    expect(a.gradNorm).toBeGreaterThan(1e-3);
    expect(trainStep(batch(0), { ...all, clipNorm: undefined }).gradNorm).toBe(undefined);
    expect(model.head.weight.toArray()).toEqual(make().model.head.weight.toArray()); // The rate was 0.
    expect(optimiser.steps).toBe(3);
  });

  it("forgets gradients of before", () => {
    const [a, b] = [make(), make()];
    training(key, () => crossEntropy(a.model.forward(batch(1).x), batch(1).target)).backward();
    b.model.norm.loadStateDict(a.model.norm.stateDict());
    for (const made of [a, b]) trainStep(batch(0), options(made.model, made.optimiser));
    expect(snapshot(a)).toBe(snapshot(b));
  });
});

describe("fit", () => {
  const bytes = memory().liveBytes;

  it("is trainStep per batch: the same losses and bits, and state is back on the heap", async () => {
    const [a, b] = [make(), make()];
    const expected = batches(0, 6).map((each) => trainStep(each, options(a.model, a.optimiser)).loss);
    const { losses } = await fit(b.model, { ...options(b.model, b.optimiser), batches: batches(0, 6) });
    expect(losses).toEqual(expected);
    expect(snapshot(b)).toBe(snapshot(a));
    expect(homes(b)).toEqual(["heap"]);
    expect(memory().liveBytes).toBe(bytes);
  });

  it("takes asynchronous batches, and keeps state in linear memory while it runs", async () => {
    const made = make();
    const seen: unknown[] = [];
    async function* stream() {
      for (const each of batches(0, 3)) {
        await Promise.resolve();
        yield each;
      }
    }
    await fit(made.model, {
      ...options(made.model, made.optimiser),
      batches: stream(),
      onStep: async ({ step, loss, gradNorm }) => {
        await Promise.resolve();
        seen.push([step, typeof loss, typeof gradNorm, homes(made)]);
      },
    });
    expect(seen).toEqual([0, 1, 2].map((step) => [step, "number", "number", ["resident"]]));
    expect(homes(made)).toEqual(["heap"]);
  });

  it("ends where onStep says, and closes the source of batches", async () => {
    const made = make();
    let closed = false;
    function* source() {
      try {
        for (let i = 0; ; i++) yield batch(i);
      } finally {
        closed = true;
      }
    }
    const { losses } = await fit(made.model, { ...options(made.model, made.optimiser), batches: source(), onStep: ({ step }) => step < 2 });
    expect(losses).toHaveLength(3);
    expect([closed, made.optimiser.steps]).toEqual([true, 3]);
  });

  it("releases after an exception too: of the loss, of onStep, of the batches", async () => {
    const failing = [
      {
        loss: () => {
          throw new Error("loss");
        },
      },
      {
        onStep: async () => {
          throw new Error("onStep");
        },
      },
      {
        batches: (function* () {
          yield batch(0);
          throw new Error("batches");
        })(),
      },
    ];
    for (const each of failing) {
      const made = make();
      await expect(fit(made.model, { ...options(made.model, made.optimiser), batches: batches(0, 3), ...each })).rejects.toThrow(
        /^(loss|onStep|batches)$/,
      );
      expect(homes(made)).toEqual(["heap"]);
      expect(memory().liveBytes).toBe(bytes);
    }
  });

  it("leaves what has another owner resident", async () => {
    const made = make();
    const owner = resident([made.model]);
    await fit(made.model, { ...options(made.model, made.optimiser), batches: batches(0, 2) });
    expect([...new Set([...made.model.state()].map((x) => x.storage.home))]).toEqual(["resident"]);
    owner.release();
    expect(homes(made)).toEqual(["heap"]);
    expect(memory().liveBytes).toBe(bytes);
  });

  it("lets a training that was ended go on to the same bits", async () => {
    const [whole, parts] = [make(), make()];
    await fit(whole.model, { ...options(whole.model, whole.optimiser), batches: batches(0, 7) });
    await fit(parts.model, { ...options(parts.model, parts.optimiser), batches: batches(0, 7), onStep: ({ step }) => step < 3 });
    await fit(parts.model, { ...options(parts.model, parts.optimiser), batches: batches(4, 7) });
    expect(snapshot(parts)).toBe(snapshot(whole));
  });
});
