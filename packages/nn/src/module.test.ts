import { describe, expect, it } from "vitest";
import {
  add,
  cast,
  grad,
  keep,
  mul,
  normal,
  randomKey,
  relu,
  scope,
  sum,
  tensor,
  transpose,
  zeros,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import { BatchNorm2d, Buffer, functionalCall, Linear, Module, Parameter } from "./index.ts";

class Block extends Module {
  readonly norm = new BatchNorm2d(3);
  readonly inner: Linear;

  constructor(key: RandomKey) {
    super();
    this.inner = new Linear(3, 3, { key: key.split("inner") });
  }

  forward(x: Tensor): Tensor {
    return add(x, relu(this.inner.forward(x)));
  }
}

class Model extends Module {
  readonly stem: Linear;
  readonly blocks: readonly Block[];
  readonly scale = new Parameter(tensor([1, 2, 3]));
  readonly name = "not a tensor";

  constructor(seed = 7) {
    super();
    const key = randomKey(seed);
    this.stem = new Linear(2, 3, { key: key.split("stem") });
    this.blocks = [0, 1].map((i) => new Block(key.split("blocks").split(i)));
  }

  forward(x: Tensor): Tensor {
    return mul(
      this.blocks.reduce((h, block) => block.forward(h), this.stem.forward(x)),
      this.scale,
    );
  }
}

const values = (model: Module) => Object.fromEntries(Object.entries(model.stateDict()).map(([name, x]) => [name, x.toArray()]));

describe("Module", () => {
  it("names parameters and buffers by their places, as PyTorch's state dict", () => {
    const model = new Model();
    expect(Object.keys(model.stateDict()).sort()).toEqual(
      [
        "stem.weight",
        "stem.bias",
        "scale",
        ...[0, 1].flatMap((i) =>
          ["inner.weight", "inner.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"].map(
            (name) => `blocks.${i}.${name}`,
          ),
        ),
      ].sort(),
    );
    expect([...model.namedBuffers().keys()]).toEqual(
      [0, 1].flatMap((i) => [`blocks.${i}.norm.running_mean`, `blocks.${i}.norm.running_var`]),
    );
    expect(model.parameterCount).toBe(2 * 3 + 3 + 3 + 2 * (9 + 3 + 3 + 3));
    expect([...model.namedModules()].map(([name]) => name)).toEqual([
      "",
      "stem",
      "blocks.0",
      "blocks.0.norm",
      "blocks.0.inner",
      "blocks.1",
      "blocks.1.norm",
      "blocks.1.inner",
    ]);
  });

  it("names what stands in several places once, by the first, and walks rings of modules once", () => {
    class Tied extends Module {
      readonly embed = new Linear(2, 2, { key: randomKey(1), bias: false });
      readonly out = this.embed;
      readonly weight = this.embed.weight;
      readonly self = this;
    }
    const model = new Tied();
    expect([...model.namedParameters().keys()]).toEqual(["weight"]);
    expect([...model.namedModules()].map(([name]) => name)).toEqual(["", "embed"]);
    expect([...model.state()]).toHaveLength(1);
  });

  it("knows its path below the outermost module, whichever part was walked", () => {
    const model = new Model();
    model.blocks[1].parameters();
    expect(model.blocks[1].inner.path).toBe("inner");
    model.parameters();
    model.blocks[1].parameters();
    expect([model.path, model.blocks[1].path, model.blocks[1].inner.path]).toEqual(["", "blocks.1", "blocks.1.inner"]);
  });

  it("loads what it saved: the state dict round trip", () => {
    const [from, to] = [new Model(1), new Model(2)];
    expect(values(to)).not.toEqual(values(from));
    to.loadStateDict(from.stateDict());
    expect(values(to)).toEqual(values(from));
    to.loadStateDict(to.stateDict());
    expect(values(to)).toEqual(values(from));
  });

  it("loads views, and inside a scope, where the values are reborn", () => {
    const layer = new Linear(3, 2, { key: randomKey(1), bias: false });
    layer.loadStateDict({
      weight: transpose(
        tensor([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
      ),
    });
    expect(layer.weight.toArray()).toEqual([
      [1, 3, 5],
      [2, 4, 6],
    ]);
    scope(() => layer.loadStateDict({ weight: mul(layer.weight, 2) }));
    expect(layer.weight.toArray()).toEqual([
      [2, 6, 10],
      [4, 8, 12],
    ]);
  });

  it("loads all or nothing, and names what is wrong", () => {
    const model = new Model(1);
    const before = values(model);
    const good = new Model(2).stateDict();
    const without = (name: string) => Object.fromEntries(Object.entries(good).filter(([own]) => own !== name));
    expect(() => model.loadStateDict(without("stem.bias"))).toThrow(
      /loadStateDict: names must be those of the model; got missing \["?stem\.bias/,
    );
    expect(() => model.loadStateDict({ ...good, "head.weight": zeros([1]) })).toThrow(/unknown \["?head\.weight/);
    expect(() => model.loadStateDict({ ...good, scale: zeros([4]) })).toThrow('"scale" has another shape; got own [3], value [4]');
    expect(() => model.loadStateDict({ ...good, scale: cast(zeros([3]), "float64") })).toThrow('Convert first: cast(value, "float32")');
    expect(() => model.loadStateDict({ ...good, scale: [1, 2, 3] as unknown as Tensor })).toThrow(/"scale" must be a Tensor/);
    let ended: Tensor | undefined;
    scope(() => void (ended = add(zeros([3]), 1)));
    expect(() => model.loadStateDict({ ...good, scale: ended! })).toThrow(/scope has ended/);
    expect(values(model)).toEqual(before);
  });
});

describe("Parameter", () => {
  it("owns its elements: neither the tensor it came from nor a sibling changes with it", () => {
    const initial = tensor([1, 2, 3]);
    const [a, b] = [new Parameter(initial), new Buffer(initial)];
    const layer = Object.assign(new (class extends Module {})(), { a, b });
    layer.loadStateDict({ a: tensor([7, 8, 9]), b: tensor([4, 5, 6]) });
    expect([initial.toArray(), a.toArray(), b.toArray()]).toEqual([
      [1, 2, 3],
      [7, 8, 9],
      [4, 5, 6],
    ]);
  });

  it("is row-major whatever it was made of, and may be made inside a scope", () => {
    const parameter = scope(() => {
      const made = new Parameter(
        transpose(
          add(
            tensor([
              [1, 2],
              [3, 4],
            ]),
            0,
          ),
        ),
      );
      return { list: [made] };
    }).list[0];
    expect(parameter.toArray()).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(parameter.strides).toEqual([2, 1]);
    let outside: Parameter | undefined;
    scope(() => void (outside = new Parameter(normal(randomKey(1), [3]))));
    expect(outside!.requiresGrad).toBe(true);
    expect(outside!.toArray()).toHaveLength(3);
  });

  it("refuses integers", () => {
    expect(() => new Parameter(tensor([1, 2], { dtype: "int32" }))).toThrow(/Parameter: what is learned must be of a float dtype/);
  });
});

describe("functionalCall", () => {
  const model = new Model();
  const x = randomTensor([4, 2], 3);

  it("differentiates by parameters as by any argument, and touches no .grad", () => {
    const loss = (weights: Readonly<Record<string, Tensor>>) => functionalCall(model, weights, () => sum(model.forward(x)));
    const gradients = grad(loss)(Object.fromEntries(model.namedParameters()) as Readonly<Record<string, Tensor>>);
    sum(model.forward(x)).backward();
    for (const [name, parameter] of model.namedParameters()) expectClose(gradients[name], parameter.grad ?? zeros(parameter.shape));
    expect(model.stem.weight.grad).not.toBe(null);
  });

  it("puts the parameters back, after exceptions too, in every place", () => {
    class Tied extends Module {
      readonly a = new Parameter(tensor([1]));
      readonly list = [this.a];
    }
    const tied = new Tied();
    const { a } = tied;
    const other = keep(tensor([5]));
    expect(functionalCall(tied, { a: other }, () => [tied.a, tied.list[0]])).toEqual([other, other]);
    expect(() =>
      functionalCall(tied, { a: other }, () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect([tied.a, tied.list[0]].every((each) => each === a)).toBe(true);
  });

  it("says what is wrong", () => {
    expect(() => functionalCall(model, { nothing: x }, () => 1)).toThrow(/functionalCall: names must be those of the model; got unknown/);
    expect(() => functionalCall(model, { scale: x }, () => 1)).toThrow('"scale" has another shape; got model [3], given [4, 2]');
    expect(() => functionalCall(model, {}, async () => 1)).toThrow(/must be synchronous/);
  });
});
