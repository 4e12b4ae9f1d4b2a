/** TensorFlow.js on its WebAssembly backend. XNNPACK multiplies plain matrices only, so heads are best taken one by one. */
import { importRival } from "../../../../rivals/import-rival.js";
import { attentionInputs, blockParameters, labels, type Parameter, recurrentParameters, unit, values, vitParameters } from "../inputs.ts";
import { type AttentionShape, type BlockShape, type RecurrentShape, tokensOf, type VitShape, windowKeys, type Work } from "../work.ts";
import { type Adapter, additiveMask, type Prepared, type Route, swapMiddle, transposed } from "./adapter.ts";

/** What is used of `@tensorflow/tfjs`. */
interface Tf {
  readonly version_core: string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tidy<T>(run: () => T): T;
  tensor(data: Float32Array, shape: readonly number[]): T;
  variable(initial: T): T;
  oneHot(indices: Int32Array, depth: number): T;
  add(x: T, y: T | number): T;
  sub(x: T, y: T | number): T;
  mul(x: T, y: T | number): T;
  reshape(x: T, shape: readonly number[]): T;
  matMul(a: T, b: T, transposeA?: boolean, transposeB?: boolean): T;
  softmax(x: T, axis?: number): T;
  mean(x: T, axis?: number, keepDims?: boolean): T;
  erf(x: T): T;
  tanh(x: T): T;
  sigmoid(x: T): T;
  square(x: T): T;
  rsqrt(x: T): T;
  stack(parts: readonly T[], axis?: number): T;
  unstack(x: T, axis?: number): T[];
  split(x: T, parts: number, axis: number): T[];
  concat(parts: readonly T[], axis: number): T;
  slice(x: T, begin: readonly number[], size: readonly number[]): T;
  transpose(x: T, order?: readonly number[]): T;
  conv2d(x: T, filter: T, strides: number, pad: "same"): T;
  tile(x: T, times: readonly number[]): T;
  readonly fused: { matMul(options: { a: T; b: T; bias?: T }): T };
  readonly losses: { softmaxCrossEntropy(oneHot: T, logits: T): T };
  readonly train: {
    adam(
      rate: number,
      beta1: number,
      beta2: number,
      epsilon: number,
    ): { minimize(loss: () => T, returnCost: true, variables: readonly T[]): T };
  };
}

interface T {
  readonly shape: readonly number[];
  dataSync(): Float32Array;
  dispose(): void;
}

type ParametersByName = Readonly<Record<string, T>>;

export async function setup(): Promise<Adapter> {
  const { default: tf } = (await importRival("@tensorflow/tfjs")) as { default: Tf };
  await importRival("@tensorflow/tfjs-backend-wasm");
  await tf.setBackend("wasm");
  await tf.ready();
  return { about: { version: tf.version_core }, routes: (work) => new Routes(tf).of(work) };
}

class Routes {
  readonly #tf: Tf;

  constructor(tf: Tf) {
    this.#tf = tf;
  }

  of(work: Work): readonly Route[] {
    const tf = this.#tf;
    switch (work.kind) {
      case "matmul":
        return one("matMul", () => {
          const [a, b] = [tf.tensor(values(1, work.m * work.k), [work.m, work.k]), tf.tensor(values(2, work.k * work.n), [work.k, work.n])];
          return this.#forward([a, b], () => tf.matMul(a, b));
        });
      case "attention":
        return (["per head", "batched"] as const).map((name) => ({ name, create: () => this.#attention(work, name === "per head") }));
      case "softmax":
      case "layerNorm":
      case "gelu":
        return one(work.kind === "softmax" ? "softmax" : "composed", () => {
          const x = tf.tensor(values(1, work.rows * work.columns, 2 * unit), [work.rows, work.columns]);
          const [weight, bias] = [2, 3].map((seed) => tf.tensor(values(seed, work.columns), [work.columns])) as [T, T];
          const call = { softmax: () => tf.softmax(x), layerNorm: () => this.#norm(x, weight, bias, 1e-5), gelu: () => this.#gelu(x) }[
            work.kind
          ];
          return this.#forward([x, weight, bias], call);
        });
      case "block":
        return perHeadOrBatched((perHead) => {
          const parameters = this.#put(blockParameters(work.embedDim, 100));
          const x = tf.tensor(values(1, work.L * work.embedDim, unit), [work.L, work.embedDim]);
          return this.#forward([x, ...Object.values(parameters)], () => this.#block(x, parameters, "", work, 1, perHead));
        });
      case "vit":
        return perHeadOrBatched((perHead) => {
          const parameters = this.#put(vitParameters(work));
          const images = this.#images(work);
          return this.#forward([images, ...Object.values(parameters)], () => this.#vit(images, parameters, work, perHead));
        });
      case "vitTraining":
        return one("batched", () => {
          const parameters = this.#put(vitParameters(work), true);
          const images = this.#images(work);
          const target = tf.oneHot(labels(3, work.batch, work.numClasses), work.numClasses);
          return this.#training(parameters, () => tf.losses.softmaxCrossEntropy(target, this.#vit(images, parameters, work, false)));
        });
      case "lstm":
      case "gru":
        return one("loop over steps", () => {
          const parameters = this.#put(recurrentParameters(work, work.kind === "lstm" ? 4 : 3));
          const x = this.#sequence(work);
          const call = () => (work.kind === "lstm" ? this.#lstm(x, parameters, work) : this.#gru(x, parameters, work));
          const { B, T, H } = work;
          return { ...this.#forward([x, ...Object.values(parameters)], call), canonical: (y: Float32Array) => swapMiddle(y, 1, T, B, H) };
        });
      case "lstmTraining":
        return one("loop over steps", () => {
          const parameters = this.#put(recurrentParameters(work, 4), true);
          const x = this.#sequence(work);
          return this.#training(parameters, () => tf.mean(tf.square(this.#lstm(x, parameters, work))));
        });
      case "convolution":
        return one("conv2d, channels last", () => {
          const { channels: C, size, kernel } = work;
          const x = tf.tensor(transposed(values(1, C * size * size, unit), C, size * size), [1, size, size, C]);
          // [out, in, h, w] to [h, w, in, out]
          const weight = transposed(values(2, C * C * kernel * kernel, unit / Math.sqrt(C * kernel * kernel)), C, C * kernel * kernel);
          const filter = tf.tensor(swapMiddle(weight, 1, C, kernel * kernel, C), [kernel, kernel, C, C]);
          const canonical = (y: Float32Array) => transposed(y, size * size, C);
          return { ...this.#forward([x, filter], () => tf.conv2d(x, filter, 1, "same")), canonical };
        });
    }
  }

  #attention(shape: AttentionShape, perHead: boolean): Prepared {
    const tf = this.#tf;
    const { B, H, L, D, mask } = shape;
    const [query, key, value] = attentionInputs(shape).map((data) => tf.tensor(data, [B * H, L, D])) as [T, T, T];
    const closed = mask === "full" ? undefined : tf.tensor(additiveMask(L, mask, windowKeys), [L, L]);
    const operands = [query, key, value, ...(closed ? [closed] : [])];
    return this.#forward(operands, () => this.#attend(query, key, value, perHead, closed));
  }

  /** `[heads, L, D]` */
  #attend(query: T, key: T, value: T, perHead: boolean, closed?: T): T {
    const tf = this.#tf;
    const scale = 1 / Math.sqrt(query.shape[2]!);
    if (!perHead) {
      const scores = tf.mul(tf.matMul(query, key, false, true), scale);
      return tf.matMul(tf.softmax(closed ? tf.add(scores, closed) : scores), value);
    }
    const [keys, valuesOf] = [tf.unstack(key), tf.unstack(value)];
    const heads = tf.unstack(query).map((q, h) =>
      // Without tidy all heads' scores would live together.
      tf.tidy(() => {
        const scores = tf.matMul(tf.mul(q, scale), tf.transpose(keys[h]!));
        return tf.matMul(tf.softmax(closed ? tf.add(scores, closed) : scores), valuesOf[h]!);
      }),
    );
    return tf.stack(heads);
  }

  #norm(x: T, weight: T, bias: T, eps: number): T {
    const tf = this.#tf;
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), eps));
    return tf.add(tf.mul(tf.mul(centred, scale), weight), bias);
  }

  #gelu(x: T): T {
    const tf = this.#tf;
    return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  }

  #linear(x: T, parameters: ParametersByName, name: string): T {
    return this.#tf.fused.matMul({ a: x, b: parameters[`${name}.weight`]!, bias: parameters[`${name}.bias`]! });
  }

  /** Tokens of all pictures are rows of one matrix `[B · L, E]`. */
  #block(x: T, parameters: ParametersByName, prefix: string, { L, embedDim: E, numHeads: H }: BlockShape, B: number, perHead: boolean): T {
    const tf = this.#tf;
    const norm = (y: T, name: string) => this.#norm(y, parameters[`${prefix}${name}.weight`]!, parameters[`${prefix}${name}.bias`]!, 1e-6);
    const qkv = tf.reshape(this.#linear(norm(x, "norm1"), parameters, `${prefix}attn.qkv`), [B, L, 3, H, E / H]);
    const [q, k, v] = tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4])).map((part) => tf.reshape(part, [B * H, L, E / H])) as [T, T, T];
    const heads = tf.reshape(this.#attend(q, k, v, perHead), [B, H, L, E / H]);
    const mixed = tf.reshape(tf.transpose(heads, [0, 2, 1, 3]), [B * L, E]);
    const y = tf.add(x, this.#linear(mixed, parameters, `${prefix}attn.proj`));
    const hidden = this.#gelu(this.#linear(norm(y, "norm2"), parameters, `${prefix}mlp.fc1`));
    return tf.add(y, this.#linear(hidden, parameters, `${prefix}mlp.fc2`));
  }

  #vit(images: T, parameters: ParametersByName, shape: VitShape, perHead: boolean): T {
    const tf = this.#tf;
    const { batch: B, imageSize, patchSize: p, embedDim: E, depth } = shape;
    const L = tokensOf(shape);
    const side = imageSize / p;
    const patches = tf.transpose(tf.reshape(images, [B * 3, side, p, side, p]), [0, 1, 3, 2, 4]);
    const rows = tf.reshape(tf.transpose(tf.reshape(patches, [B, 3, L - 1, p * p]), [0, 2, 1, 3]), [B * (L - 1), 3 * p * p]);
    const embedded = tf.reshape(this.#linear(rows, parameters, "patch_embed.proj"), [B, L - 1, E]);
    const tokens = tf.concat([tf.tile(parameters.cls_token!, [B, 1, 1]), embedded], 1);
    let x = tf.reshape(tf.add(tokens, parameters.pos_embed!), [B * L, E]);
    for (let i = 0; i < depth; i++)
      x = this.#block(x, parameters, `blocks.${i}.`, { L, embedDim: E, numHeads: shape.numHeads }, B, perHead);
    const first = tf.reshape(tf.slice(tf.reshape(x, [B, L, E]), [0, 0, 0], [B, 1, E]), [B, E]);
    return this.#linear(this.#norm(first, parameters["norm.weight"]!, parameters["norm.bias"]!, 1e-6), parameters, "head");
  }

  /** `[T, B, I]` to `[T, B, H]`; what does not hang on the state is one product for all steps. */
  #lstm(x: T, parameters: ParametersByName, { B, T, I, H }: RecurrentShape): T {
    const tf = this.#tf;
    const bias = tf.add(parameters.bias_ih_l0!, parameters.bias_hh_l0!);
    const fromInput = tf.fused.matMul({ a: tf.reshape(x, [T * B, I]), b: parameters.weight_ih_l0!, bias });
    let h: T | undefined;
    let c: T | undefined;
    const outputs = tf.unstack(tf.reshape(fromInput, [T, B, 4 * H])).map((step) => {
      const gates = h === undefined ? step : tf.add(step, tf.matMul(h, parameters.weight_hh_l0!));
      const [i, f, g, o] = tf.split(gates, 4, 1) as [T, T, T, T];
      const candidate = tf.mul(tf.sigmoid(i), tf.tanh(g));
      c = c === undefined ? candidate : tf.add(tf.mul(tf.sigmoid(f), c), candidate);
      h = tf.mul(tf.sigmoid(o), tf.tanh(c));
      return h;
    });
    return tf.stack(outputs);
  }

  #gru(x: T, parameters: ParametersByName, { B, T, I, H }: RecurrentShape): T {
    const tf = this.#tf;
    const fromInput = tf.fused.matMul({ a: tf.reshape(x, [T * B, I]), b: parameters.weight_ih_l0!, bias: parameters.bias_ih_l0! });
    let h = tf.tensor(new Float32Array(B * H), [B, H]);
    const outputs = tf.unstack(tf.reshape(fromInput, [T, B, 3 * H])).map((step) => {
      const [xr, xz, xn] = tf.split(step, 3, 1) as [T, T, T];
      const [hr, hz, hn] = tf.split(tf.fused.matMul({ a: h, b: parameters.weight_hh_l0!, bias: parameters.bias_hh_l0! }), 3, 1) as [
        T,
        T,
        T,
      ];
      const n = tf.tanh(tf.add(xn, tf.mul(tf.sigmoid(tf.add(xr, hr)), hn)));
      h = tf.add(n, tf.mul(tf.sigmoid(tf.add(xz, hz)), tf.sub(h, n)));
      return h;
    });
    return tf.stack(outputs);
  }

  #forward(operands: readonly T[], call: () => T): Prepared {
    return {
      run: () => {
        const result = this.#tf.tidy(call);
        const data = result.dataSync();
        result.dispose();
        return data;
      },
      release: () => operands.forEach((operand) => operand.dispose()),
    };
  }

  #training(parameters: ParametersByName, loss: () => T): Prepared {
    const optimiser = this.#tf.train.adam(1e-3, 0.9, 0.999, 1e-8);
    const variables = Object.values(parameters);
    return {
      run: () => {
        const cost = optimiser.minimize(() => this.#tf.tidy(loss), true, variables);
        const data = cost.dataSync();
        cost.dispose();
        return data;
      },
      release: () => variables.forEach((variable) => variable.dispose()),
    };
  }

  /** Weights are stored transposed, `[in, out]`: products with a transposed operand take the slow path. */
  #put(parameters: readonly Parameter[], trained = false): ParametersByName {
    return Object.fromEntries(
      parameters.map(({ name, shape, data }) => {
        const isMatrix = shape.length > 1 && !/token|pos/.test(name);
        const columns = data.length / shape[0]!;
        const value = isMatrix ? this.#tf.tensor(transposed(data, shape[0]!, columns), [columns, shape[0]!]) : this.#tf.tensor(data, shape);
        return [name, trained ? this.#tf.variable(value) : value];
      }),
    );
  }

  #images({ batch, imageSize }: VitShape): T {
    return this.#tf.tensor(values(2, batch * 3 * imageSize ** 2, unit), [batch, 3, imageSize, imageSize]);
  }

  /** `[T, B, I]`, so that a step is a contiguous part. */
  #sequence({ B, T, I }: RecurrentShape): T {
    return this.#tf.tensor(swapMiddle(values(1, B * T * I, unit), 1, B, T, I), [T, B, I]);
  }
}

const one = (name: string, create: () => Prepared): readonly Route[] => [{ name, create }];

const perHeadOrBatched = (create: (perHead: boolean) => Prepared): readonly Route[] => [
  { name: "per head", create: () => create(true) },
  { name: "batched", create: () => create(false) },
];
