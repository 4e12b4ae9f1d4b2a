/**
 * jax-js on its WebAssembly device, every call jitted. Its arrays count references: a use consumes one, `.ref` makes another.
 * Threads need a global `Worker`, which Node lacks; `worker-shim.ts` gives it one.
 */
import { importRival } from "../../../../rivals/import-rival.js";
import { attentionInputs, blockParameters, labels, type Parameter, unit, values, vitParameters } from "../inputs.ts";
import { type AttentionShape, type BlockShape, tokensOf, type VitShape, windowKeys, type Work } from "../work.ts";
import { type Adapter, type AdapterOptions, additiveMask, type Prepared, type Route, swapMiddle, transposed } from "./adapter.ts";
import { shimWorker } from "./worker-shim.ts";

/** What is used of `@jax-js/jax`. */
interface Jax {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): string;
  jit<F extends (...args: never[]) => unknown>(f: F): F & { dispose(): void };
  valueAndGrad(f: (parameters: Tree, ...rest: A[]) => A): (parameters: Tree, ...rest: A[]) => [A, Tree];
  readonly tree: { ref<X>(tree: X): X; dispose(tree: unknown): void };
  readonly numpy: {
    array(data: Float32Array | Int32Array, options: { shape: readonly number[] }): A;
    zeros(shape: readonly number[]): A;
    matmul(a: A, b: A): A;
    mean(x: A, axis: number, options: { keepdims: boolean }): A;
    square(x: A): A;
    sqrt(x: A): A;
    tanh(x: A): A;
    concatenate(parts: readonly A[], axis: number): A;
    stack(parts: readonly A[], axis?: number): A;
    split(x: A, parts: number, axis: number): A[];
    tile(x: A, times: readonly number[]): A;
  };
  readonly nn: {
    dotProductAttention(q: A, k: A, v: A, options: { isCausal?: boolean; localWindowSize?: readonly [number, number] }): A;
    softmax(x: A, axis: number): A;
    logSoftmax(x: A, axis: number): A;
    gelu(x: A, options: { approximate: boolean }): A;
    sigmoid(x: A): A;
  };
  readonly lax: { conv(x: A, weight: A, strides: readonly number[], padding: "SAME"): A };
}

interface A {
  readonly ref: A;
  readonly shape: readonly number[];
  add(y: A | number): A;
  sub(y: A | number): A;
  mul(y: A | number): A;
  div(y: A | number): A;
  sum(): A;
  mean(): A;
  reshape(shape: readonly number[]): A;
  transpose(order: readonly number[]): A;
  slice(...index: readonly (number | readonly [] | readonly [number, number])[]): A;
  data(): Promise<Float32Array>;
  dataSync(): Float32Array;
  dispose(): void;
}

type Tree = Record<string, A>;

export async function setup({ threads }: AdapterOptions): Promise<Adapter> {
  if (threads > 1) shimWorker(threads);
  const library = (await importRival("@jax-js/jax")) as Jax;
  await library.init("wasm");
  library.defaultDevice("wasm");
  return { about: { version: await versionOf() }, routes: (work) => new Routes(library, threads > 1).of(work) };
}

/** Its `exports` do not name package.json. */
async function versionOf(): Promise<string> {
  const { default: own } = await import("../../../../rivals/package.json", { with: { type: "json" } });
  return own.dependencies["@jax-js/jax"];
}

class Routes {
  readonly #jax: Jax;
  /** Work given to worker threads can only be waited for. */
  readonly #asynchronous: boolean;

  constructor(jax: Jax, asynchronous: boolean) {
    this.#jax = jax;
    this.#asynchronous = asynchronous;
  }

  of(work: Work): readonly Route[] | { readonly absent: string } {
    const { numpy: np, nn, lax } = this.#jax;
    switch (work.kind) {
      case "matmul":
        return one("matmul", () =>
          this.#forward(
            (a: A, b: A) => np.matmul(a, b),
            [
              np.array(values(1, work.m * work.k), { shape: [work.m, work.k] }),
              np.array(values(2, work.k * work.n), { shape: [work.k, work.n] }),
            ],
          ),
        );
      case "attention":
        return [
          { name: "dotProductAttention", create: () => this.#fusedAttention(work) },
          { name: "batched matmul", create: () => this.#attention(work) },
        ];
      case "softmax":
      case "layerNorm":
      case "gelu":
        return one(work.kind, () => {
          const x = np.array(values(1, work.rows * work.columns, 2 * unit), { shape: [work.rows, work.columns] });
          if (work.kind === "softmax") return this.#forward((y: A) => nn.softmax(y, -1), [x]);
          if (work.kind === "gelu") return this.#forward((y: A) => nn.gelu(y, { approximate: false }), [x]);
          const parameters = [2, 3].map((seed) => np.array(values(seed, work.columns), { shape: [work.columns] }));
          return this.#forward((y: A, weight: A, bias: A) => this.#norm(y, weight, bias, 1e-5), [x, ...parameters]);
        });
      case "block":
        return one("jit", () => {
          const parameters = this.#put(blockParameters(work.embedDim, 100));
          const x = np.array(values(1, work.L * work.embedDim, unit), { shape: [work.L, work.embedDim] });
          return this.#forward((p: Tree, y: A) => this.#block(y, p, "", work, 1), [parameters, x]);
        });
      case "vit":
        return one("jit", () =>
          this.#forward((p: Tree, x: A) => this.#vit(x, p, work), [this.#put(vitParameters(work)), this.#images(work)]),
        );
      case "vitTraining":
        return one("jit", () => this.#vitTraining(work));
      case "lstm":
      case "gru":
        return { absent: "it has no recurrent operation and no scan; unrolled, 196 steps do not compile in a minute" };
      case "lstmTraining":
        return { absent: "it has no recurrent operation and no scan" };
      case "convolution":
        return one("lax.conv", () => {
          const { channels: C, size, kernel } = work;
          const x = np.array(values(1, C * size * size, unit), { shape: [1, C, size, size] });
          const weight = values(2, C * C * kernel * kernel, unit / Math.sqrt(C * kernel * kernel));
          return this.#forward((y: A, w: A) => lax.conv(y, w, [1, 1], "SAME"), [x, np.array(weight, { shape: [C, C, kernel, kernel] })]);
        });
    }
  }

  #fusedAttention(shape: AttentionShape): Prepared {
    const { B, H, L, D, mask } = shape;
    const operands = attentionInputs(shape).map((data) => this.#jax.numpy.array(swapMiddle(data, B, H, L, D), { shape: [B, L, H, D] }));
    const options = { full: {}, causal: { isCausal: true }, window: { localWindowSize: [windowKeys - 1, 0] as const } }[mask];
    const prepared = this.#forward((q: A, k: A, v: A) => this.#jax.nn.dotProductAttention(q, k, v, options), operands);
    return { ...prepared, canonical: (y) => swapMiddle(y, B, L, H, D) };
  }

  #attention(shape: AttentionShape): Prepared {
    const { B, H, L, D, mask } = shape;
    const { numpy: np } = this.#jax;
    const operands = attentionInputs(shape).map((data) => np.array(data, { shape: [B * H, L, D] }));
    if (mask === "full") return this.#forward((q: A, k: A, v: A) => this.#attend(q, k, v), operands);
    const closed = np.array(additiveMask(L, mask, windowKeys), { shape: [1, L, L] });
    return this.#forward((q: A, k: A, v: A, add: A) => this.#attend(q, k, v, add), [...operands, closed]);
  }

  /** `[B · H, L, D]` */
  #attend(q: A, k: A, v: A, closed?: A): A {
    const { numpy: np, nn } = this.#jax;
    const scores = np.matmul(q.mul(1 / Math.sqrt(q.shape[2]!)), k.transpose([0, 2, 1]));
    return np.matmul(nn.softmax(closed ? scores.add(closed) : scores, -1), v);
  }

  #norm(x: A, weight: A, bias: A, eps: number): A {
    const { numpy: np } = this.#jax;
    const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
    return centred
      .div(np.sqrt(variance.add(eps)))
      .mul(weight)
      .add(bias);
  }

  #linear(x: A, parameters: Tree, name: string): A {
    return this.#jax.numpy.matmul(x, parameters[`${name}.weight`]!.ref).add(parameters[`${name}.bias`]!.ref);
  }

  /** Tokens of all pictures are rows of one matrix `[B · L, E]`. Consumes x; of the parameters it takes references. */
  #block(x: A, p: Tree, prefix: string, { L, embedDim: E, numHeads: H }: BlockShape, B: number): A {
    const norm = (y: A, name: string) => this.#norm(y, p[`${prefix}${name}.weight`]!.ref, p[`${prefix}${name}.bias`]!.ref, 1e-6);
    const qkv = this.#linear(norm(x.ref, "norm1"), p, `${prefix}attn.qkv`)
      .reshape([B, L, 3, H, E / H])
      .transpose([2, 0, 3, 1, 4])
      .reshape([3, B * H, L, E / H]);
    const [q, k, v] = [qkv.ref.slice(0), qkv.ref.slice(1), qkv.slice(2)] as const;
    const mixed = this.#attend(q, k, v)
      .reshape([B, H, L, E / H])
      .transpose([0, 2, 1, 3])
      .reshape([B * L, E]);
    const y = x.add(this.#linear(mixed, p, `${prefix}attn.proj`));
    const hidden = this.#jax.nn.gelu(this.#linear(norm(y.ref, "norm2"), p, `${prefix}mlp.fc1`), { approximate: false });
    return y.add(this.#linear(hidden, p, `${prefix}mlp.fc2`));
  }

  #vit(images: A, p: Tree, shape: VitShape): A {
    const { numpy: np } = this.#jax;
    const { batch: B, imageSize, patchSize, embedDim: E, depth, numHeads } = shape;
    const L = tokensOf(shape);
    const side = imageSize / patchSize;
    const rows = images
      .reshape([B, 3, side, patchSize, side, patchSize])
      .transpose([0, 2, 4, 1, 3, 5])
      .reshape([B * (L - 1), 3 * patchSize * patchSize]);
    const embedded = this.#linear(rows, p, "patch_embed.proj").reshape([B, L - 1, E]);
    let x = np
      .concatenate([np.tile(p.cls_token!.ref, [B, 1, 1]), embedded], 1)
      .add(p.pos_embed!.ref)
      .reshape([B * L, E]);
    for (let i = 0; i < depth; i++) x = this.#block(x, p, `blocks.${i}.`, { L, embedDim: E, numHeads }, B);
    const first = x.reshape([B, L, E]).slice([], 0, []);
    const logits = this.#linear(this.#norm(first, p["norm.weight"]!.ref, p["norm.bias"]!.ref, 1e-6), p, "head");
    this.#jax.tree.dispose(p);
    return logits;
  }

  #vitTraining(shape: VitShape): Prepared {
    const { numpy: np, nn, jit, valueAndGrad, tree } = this.#jax;
    const { batch, numClasses } = shape;
    const oneHot = new Float32Array(batch * numClasses);
    labels(3, batch, numClasses).forEach((label, i) => (oneHot[i * numClasses + label] = 1));
    const [images, target] = [this.#images(shape), np.array(oneHot, { shape: [batch, numClasses] })];
    const loss = valueAndGrad((p, x, y) =>
      nn
        .logSoftmax(this.#vit(x!, p, shape), -1)
        .mul(y!)
        .sum()
        .mul(-1 / batch),
    );
    const step = jit((p: Tree, m: Tree, v: Tree, x: A, y: A, rate: A, root: A) => {
      const [value, gradient] = loss(tree.ref(p), x, y);
      const next: { p: Tree; m: Tree; v: Tree } = { p: {}, m: {}, v: {} };
      for (const name of Object.keys(p)) {
        const g = gradient[name]!;
        const moment = m[name]!.mul(0.9).add(g.ref.mul(0.1));
        const second = v[name]!.mul(0.999).add(np.square(g).mul(0.001));
        // m̂ / (√v̂ + ε), the corrections being in `rate` = lr / (1 − β₁ᵗ) and `root` = √(1 − β₂ᵗ).
        const change = moment.ref.mul(rate.ref).div(np.sqrt(second.ref).div(root.ref).add(1e-8));
        next.p[name] = p[name]!.sub(change);
        next.m[name] = moment;
        next.v[name] = second;
      }
      rate.dispose();
      root.dispose();
      return [value, next.p, next.m, next.v] as [A, Tree, Tree, Tree];
    });
    let p = this.#put(vitParameters(shape));
    const zeros = () => Object.fromEntries(Object.entries(p).map(([name, { shape: of }]) => [name, np.zeros(of)]));
    let [m, v] = [zeros(), zeros()];
    let t = 0;
    const scalar = (value: number) => np.array(Float32Array.of(value), { shape: [] });
    return {
      run: async () => {
        t++;
        const [rate, root] = [scalar(1e-3 / (1 - 0.9 ** t)), scalar(Math.sqrt(1 - 0.999 ** t))];
        let value: A;
        [value, p, m, v] = step(p, m, v, images.ref, target.ref, rate, root);
        return await this.#read(value);
      },
      release: () => [p, m, v, images, target].forEach((one) => tree.dispose(one)),
    };
  }

  #forward(f: (...operands: never[]) => A, operands: readonly (A | Tree)[]): Prepared {
    const { jit, tree } = this.#jax;
    const call = jit(f as (...operands: unknown[]) => A);
    return {
      run: () => this.#read(call(...operands.map((operand) => tree.ref(operand)))),
      release: () => {
        for (const operand of operands) tree.dispose(operand);
        call.dispose();
      },
    };
  }

  #read(result: A): Float32Array | Promise<Float32Array> {
    return this.#asynchronous ? result.data() : result.dataSync();
  }

  /** Weights are stored `[in, out]`. */
  #put(parameters: readonly Parameter[]): Tree {
    return Object.fromEntries(
      parameters.map(({ name, shape, data }) => {
        const isMatrix = shape.length > 1 && !/token|pos/.test(name);
        const columns = data.length / shape[0]!;
        const [stored, of] = isMatrix ? [transposed(data, shape[0]!, columns), [columns, shape[0]!]] : [data, shape];
        return [name, this.#jax.numpy.array(stored, { shape: of })];
      }),
    );
  }

  #images({ batch, imageSize }: VitShape): A {
    return this.#jax.numpy.array(values(2, batch * 3 * imageSize ** 2, unit), { shape: [batch, 3, imageSize, imageSize] });
  }
}

const one = (name: string, create: () => Prepared): readonly Route[] => [{ name, create }];
