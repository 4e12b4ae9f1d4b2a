import { attention, type AttentionOptions } from "@heed/attention";
import { threads } from "@heed/kernels";
import { causal, window } from "@heed/masks";
import { Adam, type Module, trainStep } from "@heed/nn";
import { GRU, LSTM } from "@heed/rnn-baseline";
import {
  backend,
  configure,
  conv2d,
  copyTo,
  crossEntropy,
  gelu,
  layerNorm,
  matmul,
  mean,
  noGrad,
  randomKey,
  resident,
  scope,
  softmax,
  square,
  tensor,
  type Tensor,
} from "@heed/tensor";
import { VisionTransformer } from "@heed/vision-patches";
import { attentionInputs, blockParameters, labels, type Parameter, recurrentParameters, unit, values, vitParameters } from "../inputs.ts";
import { type AttentionShape, windowKeys, type Work } from "../work.ts";
import type { Adapter, AdapterOptions, Prepared } from "./adapter.ts";

/** Our side, through the public API of the packages: operands have an owner, a call is a scope, its result is read as a typed array. */
export async function setup({ threads: count, wide }: AdapterOptions): Promise<Adapter> {
  await choose(count, wide);
  return {
    about: { version: "this commit" },
    routes: (work) => [{ name: "heed", create: () => prepare(work) }],
    hold: ({ mask, ...shape }) => {
      const [query, key, value] = attentionInputs({ ...shape, mask }).map((data) => put(data, [shape.B, shape.H, shape.L, shape.D]));
      const options = optionsOf(mask);
      return { run: () => attention(query!, key!, value!, options) };
    },
  };
}

function prepare(work: Work): Prepared {
  switch (work.kind) {
    case "matmul": {
      const a = put(values(1, work.m * work.k), [work.m, work.k]);
      const b = put(values(2, work.k * work.n), [work.k, work.n]);
      return forward([a, b], () => matmul(a, b));
    }
    case "attention": {
      const { B, H, L, D } = work;
      const [query, key, value] = attentionInputs(work).map((data) => put(data, [B, H, L, D])) as [Tensor, Tensor, Tensor];
      const options = optionsOf(work.mask);
      return forward([query, key, value], () => attention(query, key, value, options));
    }
    case "softmax":
    case "layerNorm":
    case "gelu": {
      const { rows, columns } = work;
      const x = put(values(1, rows * columns, 2 * unit), [rows, columns]);
      const weight = put(values(2, columns), [columns]);
      const bias = put(values(3, columns), [columns]);
      const call = { softmax: () => softmax(x, -1), layerNorm: () => layerNorm(x, { weight, bias }), gelu: () => gelu(x) }[work.kind];
      return forward([x, weight, bias], call);
    }
    case "block": {
      const { L, embedDim, numHeads } = work;
      const vit = new VisionTransformer({ key, imageSize: 16, patchSize: 16, numClasses: 1, embedDim, depth: 1, numHeads });
      const block = vit.blocks[0]!;
      fill(block, blockParameters(embedDim, 100));
      const x = put(values(1, L * embedDim, unit), [1, L, embedDim]);
      return forward([block, x], () => block.forward(x));
    }
    case "vit": {
      const model = new VisionTransformer({ key, ...work });
      fill(model, vitParameters(work));
      const images = put(values(2, work.batch * 3 * work.imageSize ** 2, unit), [work.batch, 3, work.imageSize, work.imageSize]);
      return forward([model, images], () => model.forward(images));
    }
    case "vitTraining": {
      const model = new VisionTransformer({ key, ...work });
      fill(model, vitParameters(work));
      const images = put(values(2, work.batch * 3 * work.imageSize ** 2, unit), [work.batch, 3, work.imageSize, work.imageSize]);
      const target = tensor(labels(3, work.batch, work.numClasses));
      return training(model, images, () => crossEntropy(model.forward(images), target));
    }
    case "lstm":
    case "gru": {
      const { B, T, I, H } = work;
      const network = new (work.kind === "lstm" ? LSTM : GRU)(I, H, { key });
      fill(network, recurrentParameters(work, work.kind === "lstm" ? 4 : 3));
      const x = put(values(1, B * T * I, unit), [B, T, I]);
      return forward([network, x], () => network.forward(x).output);
    }
    case "lstmTraining": {
      const { B, T, I, H } = work;
      const network = new LSTM(I, H, { key });
      fill(network, recurrentParameters(work, 4));
      const x = put(values(1, B * T * I, unit), [B, T, I]);
      return training(network, x, () => mean(square(network.forward(x).output)));
    }
    case "convolution": {
      const { channels: C, size, kernel } = work;
      const x = put(values(1, C * size * size, unit), [1, C, size, size]);
      const weight = put(values(2, C * C * kernel * kernel, unit / Math.sqrt(C * kernel * kernel)), [C, C, kernel, kernel]);
      return forward([x, weight], () => conv2d(x, weight, { padding: (kernel - 1) / 2 }));
    }
  }
}

/** Models are filled with the parameters that all contestants share, so their own start does not matter. */
const key = randomKey(0);

const put = (data: Float32Array, shape: readonly number[]): Tensor => tensor(data, { shape });

function fill(model: Module, parameters: readonly Parameter[]): void {
  model.loadStateDict(Object.fromEntries(parameters.map(({ name, shape, data }) => [name, put(data, shape)])));
}

const optionsOf = (mask: AttentionShape["mask"]): AttentionOptions =>
  ({ full: {}, causal: { mask: causal() }, window: { mask: window(windowKeys - 1, 0) } })[mask];

/** Results go into one array again and again. */
function forward(operands: readonly (Tensor | Module)[], call: () => Tensor): Prepared {
  const owner = resident(operands);
  let result: Float32Array | undefined;
  return {
    run: () =>
      noGrad(() =>
        scope(() => {
          const out = call();
          return copyTo(out, (result ??= new Float32Array(out.size)));
        }),
      ),
    release: () => owner.release(),
  };
}

function training(model: Module, batch: Tensor, loss: () => Tensor): Prepared {
  const optimiser = new Adam(model.parameters(), { lr: 1e-3 });
  const owner = resident([model, optimiser, batch]);
  return {
    run: () => Float32Array.of(trainStep(batch, { optimiser, key, loss }).loss),
    release: () => owner.release(),
  };
}

/** @throws where the engine has no wide mode, or fewer threads: what would be timed then is something else. */
async function choose(count: number, wide: boolean): Promise<void> {
  configure({ threads: count, wide });
  const found = await threads.ready();
  if (found !== count) throw new Error(`it runs on ${found} threads, not ${count}`);
  const { build, wide: state } = backend();
  if (wide && build !== "wide") throw new Error(`no wide mode: ${state}`);
}
