import * as nn from "@heed/nn";
import * as T from "@heed/tensor";
import type { Tensor } from "@heed/tensor";
import type { Given, Operation, Operations, Tensors } from "../operation.ts";

const define = <Options>(operation: Operation<Options>): Operation => operation as Operation;

/** `x0`, `x1` … in order. */
const numbered = (tensors: Tensors, prefix: string): Tensor[] =>
  Object.keys(tensors)
    .filter((name) => new RegExp(`^${prefix}\\d+$`).test(name))
    .sort((a, b) => Number(a.slice(prefix.length)) - Number(b.slice(prefix.length)))
    .map((name) => tensors[name]!);

const unary: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  relu: T.relu,
  gelu_erf: (x) => T.gelu(x),
  gelu_tanh: (x) => T.gelu(x, { approximate: "tanh" }),
  silu: T.silu,
  erf: T.erf,
  tanh: T.tanh,
  sigmoid: T.sigmoid,
  softplus: T.softplus,
  elu: (x) => T.elu(x, { alpha: 1 }),
  leaky_relu: (x) => T.leakyRelu(x, { slope: 0.2 }),
  exp: T.exp,
  sin: T.sin,
  cos: T.cos,
  abs: T.abs,
  neg: T.neg,
  square: T.square,
  log: T.log,
  log1p: T.log1p,
  sqrt: T.sqrt,
  rsqrt: T.rsqrt,
  reciprocal: T.reciprocal,
};

const binary: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
  add: T.add,
  sub: T.sub,
  mul: T.mul,
  div: T.div,
  pow: T.pow,
  maximum: T.maximum,
  minimum: T.minimum,
};

interface ReduceOptions {
  fn: "sum" | "mean" | "var" | "std" | "max" | "min" | "norm";
  axes: number[] | null;
  keepdim: boolean;
  correction?: number;
}
const reduce = define<ReduceOptions>(({ inputs: { x } }, { fn, axes, keepdim, correction }) => {
  const over = axes ?? undefined;
  const options = { keepDims: keepdim };
  if (fn === "var") return { y: T.variance(x!, over, { ...options, correction: correction! }) };
  if (fn === "std") return { y: T.std(x!, over, { ...options, correction: correction! }) };
  return { y: { sum: T.sum, mean: T.mean, max: T.max, min: T.min, norm: T.norm }[fn](x!, over, options) };
});

type Step = [string, ...unknown[]];
function view(x: Tensor, [name, first, ...rest]: Step): Tensor {
  switch (name) {
    case "transpose":
      return T.transpose(x, first as number, rest[0] as number);
    case "permute":
      return T.permute(x, first as number[]);
    case "reshape":
      return T.reshape(x, first as number[]);
    case "slice":
      return T.slice(x, first as number, ...(rest.map((at) => at ?? undefined) as [number, number, number]));
    case "flip":
      return T.flip(x, first as number[]);
    case "expand":
      return T.expand(x, first as number[]);
    case "squeeze":
      return T.squeeze(x, first as number);
    case "unsqueeze":
      return T.unsqueeze(x, first as number);
    case "roll":
      return T.roll(x, first as number, rest[0] as number);
    case "square":
      return T.square(x);
    default:
      throw new Error(`the step "${name}" of view_chain is not known`);
  }
}

interface LossOptions {
  kind: "mse" | "l1" | "smooth_l1" | "bce_with_logits";
  reduction: nn.Reduction;
  beta?: number;
}
const loss = define<LossOptions>(({ inputs: { x, target } }, { kind, reduction, beta }) => {
  const losses = {
    mse: () => nn.meanSquaredError(x!, target!, { reduction }),
    l1: () => nn.l1Loss(x!, target!, { reduction }),
    smooth_l1: () => nn.smoothL1Loss(x!, target!, { reduction, beta: beta! }),
    bce_with_logits: () => nn.binaryCrossEntropyWithLogits(x!, target!, { reduction }),
  };
  return { loss: losses[kind]() };
});

const mlp = define<object>(({ inputs: { x0, ids, target }, params: { emb, w1, b1, w2, b2, g, s } }) => {
  const x = T.add(T.embedding(emb!, ids!), x0!);
  const h = T.add(x, T.linear(T.gelu(T.linear(x, w1!, b1!)), w2!, b2!));
  const n = T.layerNorm(h, { weight: g!, bias: s! });
  const logits = T.linear(n, emb!);
  return { logits, loss: T.crossEntropy(logits, target!) };
});

interface UpdateOptions {
  kind: "sgd" | "adam" | "adamw";
  lr?: number;
  momentum?: number;
  dampening?: number;
  nesterov?: boolean;
  weight_decay?: number;
  betas?: [number, number];
  eps?: number;
  amsgrad?: boolean;
}
function optimiserOf(parameters: nn.Parameter[], options: UpdateOptions): nn.Optimiser {
  const { kind, lr = 0, weight_decay: weightDecay = 0, momentum, dampening, nesterov, betas, eps, amsgrad } = options;
  const given = <O extends object>(values: O) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  if (kind === "sgd") return new nn.SGD(parameters, { lr, weightDecay, ...given({ momentum, dampening, nesterov }) });
  return new (kind === "adam" ? nn.Adam : nn.AdamW)(parameters, { lr, weightDecay, ...given({ betas, eps, amsgrad }) });
}

/** A parameter that starts as `x` does, in storage of its own. */
const parameterOf = (x: Tensor) => new nn.Parameter(T.tensor(x.toTypedArray(), { shape: x.shape, dtype: x.dtype }));
const valueOf = (x: Tensor) => T.tensor(x.toTypedArray(), { shape: x.shape, dtype: x.dtype });

const optimizer = define<UpdateOptions & { steps: number }>(({ inputs }, options) => {
  const parameters = numbered(inputs, "param").map(parameterOf);
  const gradients = numbered(inputs, "grads");
  const optimiser = optimiserOf(parameters, options);
  const trajectories: Tensor[][] = parameters.map(() => []);
  for (let step = 0; step < options.steps; step++) {
    // The gradient of sum(parameter * g) is g.
    parameters.forEach((parameter, i) =>
      T.sum(T.mul(parameter, T.reshape(T.slice(gradients[i]!, 0, step, step + 1), parameter.shape))).backward(),
    );
    optimiser.step();
    optimiser.zeroGrad();
    parameters.forEach((parameter, i) => trajectories[i]!.push(valueOf(parameter)));
  }
  return Object.fromEntries(trajectories.map((values, i) => [`trajectory${i}`, T.stack(values, 0)]));
});

interface ScheduleOptions {
  kind: "cosine" | "linear" | "noam";
  base: number;
  warmup: number;
  total?: number;
  minimum?: number;
  width?: number;
}
function scheduleOf({ kind, base, warmup, total, minimum, width }: ScheduleOptions): nn.Schedule {
  if (kind === "noam") return nn.noam({ base, warmup, width: width! });
  return (kind === "cosine" ? nn.cosine : nn.linearDecay)({ base, warmup, total: total!, ...(minimum === undefined ? {} : { minimum }) });
}

interface TrainOptions extends UpdateOptions {
  steps: number;
  schedule: ScheduleOptions;
  clip?: number | null;
}
const trainLinear = define<TrainOptions>(({ inputs: { x, target }, params }, options) => {
  const [weight, bias] = [parameterOf(params.weight!), parameterOf(params.bias!)];
  const optimiser = optimiserOf([weight, bias], options);
  const schedule = scheduleOf(options.schedule);
  const [losses, weights, biases]: Tensor[][] = [[], [], []];
  for (let step = 0; step < options.steps; step++) {
    const mse = nn.meanSquaredError(T.linear(x!.detach(), weight, bias), target!.detach());
    losses!.push(valueOf(mse.detach()));
    mse.backward();
    if (options.clip !== undefined && options.clip !== null) nn.clipGradNorm([weight, bias], options.clip);
    optimiser.step(schedule(step));
    optimiser.zeroGrad();
    weights!.push(valueOf(weight));
    biases!.push(valueOf(bias));
  }
  return { losses: T.stack(losses!, 0), weights: T.stack(weights!, 0), biases: T.stack(biases!, 0) };
});

const clipGradNorm = define<{ max_norm: number; norm_type: 1 | 2 | "inf" }>(({ inputs }, { max_norm: maxNorm, norm_type: normType }) => {
  const given = numbered(inputs, "g");
  const parameters = given.map(({ shape, dtype }) => T.zeros(shape, { dtype: dtype as "float32", requiresGrad: true }));
  parameters.forEach((parameter, i) => T.sum(T.mul(parameter, given[i]!.detach())).backward());
  const norm = nn.clipGradNorm(parameters, maxNorm, { normType });
  return {
    norm: T.tensor(norm, { dtype: given[0]!.dtype }),
    ...Object.fromEntries(parameters.map(({ grad }, i) => [`g${i}`, grad!])),
  };
});

interface Scales {
  shape: number[];
}
const initBounds = define<{ table: Scales[] }>((_given, { table }) => ({
  table: T.tensor(
    table.map(({ shape }) => {
      const s = nn.initialScales(shape);
      return [s.fanIn, s.fanOut, s.xavierUniform, s.xavierNormal, s.kaimingUniform, s.kaimingNormal, s.kaimingNormalFanOut, s.torch];
    }),
    { dtype: "float64" },
  ),
}));

const norms = {
  layer: define<{ axes: number; eps: number }>(({ inputs: { x }, params: { weight, bias } }, { axes, eps }) => ({
    y: T.layerNorm(x!, { axes, eps, ...(weight === undefined ? {} : { weight }), ...(bias === undefined ? {} : { bias }) }),
  })),
  rms: define<{ eps: number }>(({ inputs: { x }, params: { weight } }, { eps }) => ({
    y: T.rmsNorm(x!, { eps, ...(weight === undefined ? {} : { weight }) }),
  })),
};

const matmul = define<{ transpose_a: boolean; transpose_b: boolean }>(({ inputs: { a, b } }, options) => ({
  y: T.matmul(options.transpose_a ? T.transpose(a!) : a!, options.transpose_b ? T.transpose(b!) : b!),
}));

const onAxis = (operation: (x: Tensor, axis: number) => Tensor) =>
  define<{ axis: number }>(({ inputs: { x } }, { axis }) => ({ y: operation(x!, axis) }));

interface CrossEntropyOptions {
  reduction: nn.Reduction;
  label_smoothing: number;
  ignore_index: number | null;
}
const crossEntropy = define<CrossEntropyOptions>(({ inputs: { logits, target } }, options) => ({
  loss: T.crossEntropy(logits!, target!, {
    reduction: options.reduction,
    labelSmoothing: options.label_smoothing,
    ...(options.ignore_index === null ? {} : { ignoreIndex: options.ignore_index }),
  }),
}));

/** Every `op` of the folder `tensor`. */
export const tensorOperations: Operations = {
  matmul,
  linear: define<object>(({ inputs: { x }, params: { weight, bias } }) => ({ y: T.linear(x!, weight!, bias) })),
  einsum: define<{ equation: string }>(({ inputs }, { equation }) => ({ y: T.einsum(equation, ...numbered(inputs, "x")) })),
  unary: define<{ fn: string }>(({ inputs: { x } }, { fn }) => ({ y: unary[fn]!(x!) })),
  clamp: define<{ low: number | null; high: number | null }>(({ inputs: { x } }, { low, high }) => ({
    y: T.clamp(x!, { ...(low === null ? {} : { low }), ...(high === null ? {} : { high }) }),
  })),
  binary: define<{ fn: string }>(({ inputs: { a, b } }, { fn }) => ({ y: binary[fn]!(a!, b!) })),
  reduce,
  arg_reduce: define<{ fn: "argmax" | "argmin"; axis: number }>(({ inputs: { x } }, { fn, axis }) => ({
    y: { argmax: T.argmax, argmin: T.argmin }[fn](x!, axis),
  })),
  topk: define<{ k: number; axis: number; largest: boolean }>(({ inputs: { x } }, { k, axis, largest }) => ({
    ...T.topK(x!, k, { axis, largest }),
  })),
  softmax: onAxis(T.softmax),
  log_softmax: onAxis(T.logSoftmax),
  logsumexp: define<{ axis: number; keepdim: boolean }>(({ inputs: { x } }, { axis, keepdim }) => ({
    y: T.logSumExp(x!, axis, { keepDims: keepdim }),
  })),
  cumsum: onAxis(T.cumsum),
  layer_norm: norms.layer,
  rms_norm: norms.rms,
  gather: define<{ axis: number }>(({ inputs: { x, index } }, { axis }) => ({ y: T.gather(x!, index!, axis) })),
  index_select: define<{ axis: number }>(({ inputs: { x, index } }, { axis }) => ({ y: T.indexSelect(x!, index!, axis) })),
  scatter_add: define<{ axis: number }>(({ inputs: { x, src, index } }, { axis }) => ({ y: T.scatterAdd(x!, index!, src!, axis) })),
  where: define<object>(({ inputs: { cond, a, b } }) => ({ y: T.where(cond!, a!, b!) })),
  masked_fill: define<{ value: number | "-inf" | "inf" }>(({ inputs: { x, mask } }, { value }) => ({
    y: T.maskedFill(x!, mask!, value === "-inf" ? -Infinity : value === "inf" ? Infinity : value),
  })),
  embedding: define<{ padding_idx: number | null }>(({ inputs: { ids }, params: { weight } }, { padding_idx: paddingIdx }) => ({
    y: T.embedding(weight!, ids!, paddingIdx === null ? {} : { paddingIdx }),
  })),
  pad: define<{ pads: [number, number][]; mode: "constant" | "reflect" | "replicate" | "circular"; value?: number }>(
    ({ inputs: { x } }, { pads, mode, value }) => ({ y: T.pad(x!, pads, { mode, ...(value === undefined ? {} : { value }) }) }),
  ),
  cat: define<{ axis: number }>(({ inputs }, { axis }) => ({ y: T.concat(numbered(inputs, "x"), axis) })),
  stack: define<{ axis: number }>(({ inputs }, { axis }) => ({ y: T.stack(numbered(inputs, "x"), axis) })),
  tile: define<{ repeats: number[] }>(({ inputs: { x } }, { repeats }) => ({ y: T.tile(x!, repeats) })),
  tri: define<{ fn: "tril" | "triu"; diagonal: number }>(({ inputs: { x } }, { fn, diagonal }) => ({
    y: { tril: T.tril, triu: T.triu }[fn](x!, diagonal),
  })),
  view_chain: define<{ steps: Step[] }>(({ inputs: { x } }, { steps }) => ({ y: steps.reduce(view, x!) })),
  cross_entropy: crossEntropy,
  loss,
  mlp,
  optimizer,
  lr_schedule: define<ScheduleOptions & { steps: number }>((_given: Given, { steps, ...options }) => {
    const schedule = scheduleOf(options);
    return { lr: T.tensor(Float64Array.from({ length: steps }, (_, step) => schedule(step))) };
  }),
  train_linear: trainLinear,
  clip_grad_norm: clipGradNorm,
  init_bounds: initBounds,
};
