import { BasicBlock } from "@heed/cnn-baseline";
import { BatchNorm2d, evaluating, training } from "@heed/nn";
import * as T from "@heed/tensor";
import type { Tensor } from "@heed/tensor";
import { normalizeImage, PatchEmbed, patchify, resizePositions, unpatchify, VisionTransformer } from "@heed/vision-patches";
import type { Operation, Operations, Tensors } from "../operation.ts";
import { withParams } from "../with-params.ts";

const key = T.randomKey(0); // modules draw parameters that are replaced at once
type Pair = [number, number];
const orders = { channels_last: "channelsLast", channels_first: "channelsFirst" } as const;

interface PatchOptions {
  patch: Pair;
  order: keyof typeof orders;
}
const patches: Operation<PatchOptions> = ({ inputs: { x } }, { patch, order }) => ({
  y: patchify(x!, { patchSize: patch, order: orders[order] }),
});
const image: Operation<PatchOptions & { height: number; width: number }> = ({ inputs: { x } }, { patch, order, height, width }) => ({
  y: unpatchify(x!, { patchSize: patch, order: orders[order], height, width }),
});

const patchEmbed: Operation<{ patch: Pair; bias: boolean }> = ({ inputs: { x }, params }, { patch, bias }) => {
  const [embedDim, channels] = params.weight!.shape;
  const named = Object.fromEntries(Object.entries(params).map(([name, value]) => [`proj.${name}`, value]));
  return { y: withParams(new PatchEmbed({ key, patchSize: patch, channels: channels!, embedDim: embedDim!, bias }), named).forward(x!) };
};

interface VitOptions {
  image_size: Pair;
  patch_size: Pair;
  in_channels: number;
  embed_dim: number;
  depth: number;
  num_heads: number;
  num_classes: number;
  mlp_ratio: number;
  class_token: boolean;
  global_pool: "token" | "avg";
  qkv_bias: boolean;
  layer_norm_eps: number;
}
const vit: Operation<VitOptions> = ({ inputs, params }, options) => {
  const model = new VisionTransformer({
    key,
    imageSize: options.image_size,
    patchSize: options.patch_size,
    channels: options.in_channels,
    embedDim: options.embed_dim,
    depth: options.depth,
    numHeads: options.num_heads,
    numClasses: options.num_classes,
    mlpRatio: options.mlp_ratio,
    globalPool: options.global_pool,
    classToken: options.class_token,
    qkvBias: options.qkv_bias,
    layerNormEps: options.layer_norm_eps,
  });
  withParams(model, params);
  return { logits: model.forward(inputs.image!), tokens: model.tokens(inputs.image!) };
};

const normalize: Operation<{ mean: number[]; std: number[] }> = ({ inputs }, { mean, std }) => ({
  y: normalizeImage(inputs.image!, { mean, std }),
});

interface PositionOptions {
  old_grid: Pair;
  new_grid: Pair;
  num_prefix_tokens: number;
  antialias: boolean;
}
const positions: Operation<PositionOptions> = ({ params }, { old_grid: from, new_grid: to, num_prefix_tokens: prefix, antialias }) => ({
  pos_embed: resizePositions(params.pos_embed!, { from, to, prefix, antialias }),
});

interface ConvolutionOptions {
  stride: Pair;
  padding: Pair;
  dilation: Pair;
  groups: number;
}
const conv2d: Operation<ConvolutionOptions> = ({ inputs: { x }, params: { weight, bias } }, { stride, padding, dilation, groups }) => ({
  y: T.conv2d(x!, weight!, { stride, padding, dilation, groups, ...(bias === undefined ? {} : { bias }) }),
});

interface PoolOptions {
  kernel: Pair;
  stride: Pair;
  padding: Pair;
  count_include_pad?: boolean;
}
const maxPool: Operation<PoolOptions> = ({ inputs: { x } }, { kernel, stride, padding }) => ({
  y: T.maxPool2d(x!, { kernelSize: kernel, stride, padding }),
});
const avgPool: Operation<PoolOptions> = ({ inputs: { x } }, { kernel, stride, padding, count_include_pad: countIncludePad }) => ({
  y: T.avgPool2d(x!, { kernelSize: kernel, stride, padding, countIncludePad: countIncludePad! }),
});

const adaptiveAvgPool: Operation<{ size: Pair }> = ({ inputs: { x } }, { size }) => ({ y: T.adaptiveAvgPool2d(x!, size) });

interface ResizeOptions {
  size: Pair;
  mode: "nearest" | "bilinear" | "bicubic";
  align_corners: boolean;
  antialias: boolean;
}
const resize: Operation<ResizeOptions> = ({ inputs: { x } }, { size, mode: by, align_corners: alignCorners, antialias }) => ({
  y: T.interpolate(x!, { size, mode: by, alignCorners, antialias }),
});

/** Buffers are written in place while training, so the module gets copies of the given ones. */
const buffersOf = (inputs: Tensors): Tensors =>
  Object.fromEntries(
    Object.entries(inputs)
      .filter(([name]) => name.includes("running_"))
      .map(([name, x]) => [name, T.tensor(x.toTypedArray(), { shape: x.shape, dtype: x.dtype })]),
  );
const mode = (isTraining: boolean, fn: () => Tensor) => (isTraining ? training(key, fn) : evaluating(fn));

const batchNorm: Operation<{ training: boolean; momentum: number; eps: number }> = ({ inputs, params }, options) => {
  const { momentum, eps } = options;
  const buffers = buffersOf(inputs);
  const module = withParams(new BatchNorm2d(inputs.x!.shape[1]!, { momentum, eps }), { ...params, ...buffers });
  return { y: mode(options.training, () => module.forward(inputs.x!)), ...buffers };
};

const resnetBlock: Operation<{ stride: number; training: boolean }> = ({ inputs, params }, options) => {
  const [outChannels, inChannels] = params["conv1.weight"]!.shape;
  const buffers = buffersOf(inputs);
  const block = withParams(new BasicBlock(inChannels!, outChannels!, { key, stride: options.stride }), { ...params, ...buffers });
  return { y: mode(options.training, () => block.forward(inputs.x!)), ...buffers };
};

/** Every `op` of the folder `vision-patches` that is there. */
export const visionOperations = {
  patchify: patches,
  unpatchify: image,
  patch_embed: patchEmbed,
  vit,
  pos_embed_resize: positions,
  image_normalize: normalize,
  conv2d,
  max_pool2d: maxPool,
  avg_pool2d: avgPool,
  adaptive_avg_pool2d: adaptiveAvgPool,
  resize,
  batch_norm2d: batchNorm,
  resnet_block: resnetBlock,
} as unknown as Operations;
