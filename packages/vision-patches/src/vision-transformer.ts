import {
  broadcastTo,
  concat,
  HeedError,
  mean,
  normal,
  reshape,
  ShapeError,
  slice,
  split,
  squeeze,
  transpose,
  truncatedNormal,
  zeros,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { sameShape } from "@heed/tensor/operation";
import { attention } from "@heed/attention";
import { Dropout, dropoutKey, FeedForward, LayerNorm, Linear, Module, Parameter } from "@heed/nn";
import { PatchEmbed } from "./patch-embed.ts";
import { pairOf } from "./internal/pair.ts";

export interface VisionTransformerOptions {
  readonly key: RandomKey;
  /** Pixels: a side, or [height, width]. */
  readonly imageSize: number | readonly [number, number];
  readonly patchSize: number | readonly [number, number];
  readonly channels?: number;
  readonly numClasses: number;
  readonly embedDim: number;
  readonly depth: number;
  readonly numHeads: number;
  /** Hidden width of the feed-forward over embedDim. Default 4. */
  readonly mlpRatio?: number;
  /** What the head reads: the class token (default), or the mean of the patches. */
  readonly globalPool?: "token" | "avg";
  /** A learned token in front of the patches. Default: when `globalPool` is "token", which needs it. */
  readonly classToken?: boolean;
  /** A bias for queries, keys and values. Default true. */
  readonly qkvBias?: boolean;
  readonly dropoutP?: number;
  /** Default 1e-6, as timm. */
  readonly layerNormEps?: number;
  /** In place of the learned table, where positions come from: `[(1 +) P, embedDim]`, fixed. */
  readonly fixedPositions?: Tensor;
  /**
   * How weights of blocks start: normal, cut off at two deviations, with deviation 0.02 (`"timm"`, default) or 1/√inputs (`"fan-in"`), which
   * keeps the size of what passes through at any width. 0.02 suits widths of some thousands: narrow models learn slowly from it.
   */
  readonly init?: "timm" | "fan-in";
  /** Deviation of the learned table of positions at the start. Default 0.02. */
  readonly positionDeviation?: number;
}

/** Self-attention of a block, with timm's names: `qkv`, `proj`. */
class BlockAttention extends Module {
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly numHeads: number;
  readonly dropoutP: number;

  constructor({ embedDim, numHeads, dropoutP = 0, qkvBias = true, init = "timm" }: VisionTransformerOptions, key: RandomKey) {
    super();
    this.qkv = new Linear(embedDim, 3 * embedDim, { key: key.split("qkv"), init: starts[init], bias: qkvBias, biasInit: "zeros" });
    this.proj = new Linear(embedDim, embedDim, { key: key.split("proj"), init: starts[init], biasInit: "zeros" });
    this.numHeads = numHeads;
    this.dropoutP = dropoutP;
  }

  forward(x: Tensor): Tensor {
    const [query, key, value] = this.#heads(x);
    const drop = this.dropoutP > 0 ? dropoutKey(this.path) : undefined;
    const y = attention(query, key, value, drop === undefined ? {} : { dropoutP: this.dropoutP, dropoutKey: drop });
    return this.proj.forward(reshape(transpose(y, 1, 2), x.shape));
  }

  /** `[B, H, L, S]` */
  weights(x: Tensor): Tensor {
    const [query, key, value] = this.#heads(x);
    return attention(query, key, value, { returns: ["weights"] }).weights;
  }

  /** Query, key and value, views `[B, H, L, D]` of one product. */
  #heads(x: Tensor): Tensor[] {
    const [B, L, E] = x.shape;
    return split(this.qkv.forward(x), E, 2).map((part) => transpose(reshape(part, [B, L, this.numHeads, E / this.numHeads]), 1, 2));
  }
}

class Block extends Module {
  readonly norm1: LayerNorm;
  readonly attn: BlockAttention;
  readonly norm2: LayerNorm;
  readonly mlp: FeedForward;
  readonly drop1: Dropout;
  readonly drop2: Dropout;

  constructor(options: VisionTransformerOptions, key: RandomKey) {
    super();
    const { embedDim, mlpRatio = 4, dropoutP = 0, layerNormEps: eps = 1e-6, init = "timm" } = options;
    this.norm1 = new LayerNorm(embedDim, { eps });
    this.attn = new BlockAttention(options, key.split("attn"));
    this.norm2 = new LayerNorm(embedDim, { eps });
    this.mlp = new FeedForward(embedDim, Math.round(embedDim * mlpRatio), {
      key: key.split("mlp"),
      dropoutP,
      init: starts[init],
      biasInit: "zeros",
    });
    this.drop1 = new Dropout(dropoutP);
    this.drop2 = new Dropout(dropoutP);
  }

  forward(x: Tensor): Tensor {
    const after = this.pass({ x });
    return after.x.add(after.added);
  }

  /** `forward`, but for sums before and behind. */
  pass(before: Stream): Required<Stream> {
    const { x, output } = normed(this.norm1, before);
    const middle = this.norm2.addForward(x, this.drop1.forward(this.attn.forward(output)));
    return { x: middle.sum, added: this.drop2.forward(this.mlp.forward(middle.output)) };
  }
}

/** Tokens between blocks, `x + added`: the sum is left to the norm behind it, which makes it on its way. */
interface Stream {
  readonly x: Tensor;
  readonly added?: Tensor;
}

/** The sum, and its norm. */
function normed(norm: LayerNorm, { x, added }: Stream): { x: Tensor; output: Tensor } {
  if (added === undefined) return { x, output: norm.forward(x) };
  const { sum, output } = norm.addForward(x, added);
  return { x: sum, output };
}

/**
 * A vision transformer: patches, a class token in front, positions added, pre-norm blocks, a norm, a linear head.
 *
 * Letters: B batch, C channels, H and W height and width, P patches of h × w, E embedDim.
 * Time O(B P E (C h w + depth (4 E + 2 mlpRatio E + 2 P))).
 * Parameters with timm's names: `cls_token` `[1, 1, E]`, `pos_embed` `[1, (1 +) P, E]`, `patch_embed.proj.weight`,
 * `blocks.0.attn.qkv.weight` …, `norm.weight`, `head.weight`. Weights of blocks and positions start normal, deviation 0.02 (see `init`), cut
 * off at two deviations; biases and the head at 0.
 * @throws {ShapeError} when the image is no multiple of the patch, or embedDim none of numHeads; {HeedError} for an unknown `init` or a negative
 * deviation.
 * @see Dosovitskiy et al. 2021 (arXiv:2010.11929)
 * @example
 * const vit = new VisionTransformer({ key, imageSize: 64, patchSize: 16, numClasses: 10, embedDim: 128, depth: 4, numHeads: 4 });
 * const logits = vit.forward(images); // [B, 3, 64, 64] → [B, 10]
 */
export class VisionTransformer extends Module {
  readonly cls_token: Parameter | null;
  readonly pos_embed: Parameter | null;
  readonly patch_embed: PatchEmbed;
  readonly blocks: readonly Block[];
  readonly norm: LayerNorm;
  readonly head: Linear;
  /** `[C, H, W]` */
  readonly imageShape: readonly [channels: number, height: number, width: number];
  readonly globalPool: "token" | "avg";
  readonly #fixed: Tensor | undefined;

  constructor(options: VisionTransformerOptions) {
    super();
    const {
      key,
      channels = 3,
      embedDim,
      depth,
      numHeads,
      numClasses,
      globalPool = "token",
      classToken = globalPool === "token",
      layerNormEps: eps = 1e-6,
      fixedPositions,
      init = "timm",
      positionDeviation = 0.02,
    } = options;
    if (!(init in starts)) throw new HeedError("VisionTransformer", `init is ${Object.keys(starts).join(" or ")}`, { init });
    if (!(positionDeviation >= 0 && Number.isFinite(positionDeviation))) {
      throw new HeedError("VisionTransformer", "positionDeviation must be finite and not negative", { positionDeviation });
    }
    const [height, width] = pairOf("VisionTransformer", "imageSize", options.imageSize);
    const [h, w] = pairOf("VisionTransformer", "patchSize", options.patchSize);
    if (height % h !== 0 || width % w !== 0) {
      throw new ShapeError(
        "VisionTransformer",
        "the image must be a multiple of the patch",
        { imageSize: [height, width], patchSize: [h, w] },
        "Resize or crop the images.",
      );
    }
    if (embedDim % numHeads !== 0)
      throw new ShapeError("VisionTransformer", "embedDim must be a multiple of numHeads", { embedDim, numHeads });
    if (globalPool === "token" && !classToken)
      throw new HeedError("VisionTransformer", 'globalPool "token" reads the class token', { classToken }, 'Use globalPool: "avg".');
    const positions = [(height / h) * (width / w) + (classToken ? 1 : 0), embedDim];
    if (fixedPositions !== undefined && !sameShape(fixedPositions.shape, positions)) {
      throw new ShapeError("VisionTransformer", "fixedPositions must be [(1 +) P, embedDim]", {
        fixedPositions: fixedPositions.shape,
        expected: positions,
      });
    }
    this.cls_token = classToken ? new Parameter(normal(key.split("cls_token"), [1, 1, embedDim], { deviation: 1e-6 })) : null;
    this.pos_embed =
      fixedPositions === undefined ? new Parameter(cutNormal(key.split("pos_embed"), [1, ...positions], positionDeviation)) : null;
    this.patch_embed = new PatchEmbed({ key: key.split("patch_embed"), patchSize: [h, w], channels, embedDim });
    this.blocks = Array.from({ length: depth }, (_, i) => new Block(options, key.split("blocks").split(i)));
    this.norm = new LayerNorm(embedDim, { eps });
    this.head = new Linear(embedDim, numClasses, { key: key.split("head"), init: (_key, shape) => zeros(shape), biasInit: "zeros" });
    this.imageShape = [channels, height, width];
    this.globalPool = globalPool;
    this.#fixed = fixedPositions;
  }

  /**
   * Logits `[B, numClasses]` of images `[B, C, H, W]`.
   * @throws {ShapeError} for images of another size than the model's: resize them, or the table (`resizePositions`).
   */
  forward(images: Tensor): Tensor {
    const y = this.tokens(images);
    if (this.globalPool === "token") return this.head.forward(squeeze(slice(y, 1, 0, 1), 1));
    return this.head.forward(mean(this.cls_token === null ? y : slice(y, 1, 1), 1));
  }

  /** Tokens after the last norm: `[B, (1 +) P, E]`. */
  tokens(images: Tensor): Tensor {
    const start: Stream = { x: this.#embed(images) };
    return normed(
      this.norm,
      this.blocks.reduce((stream, block) => block.pass(stream), start),
    ).output;
  }

  /** Attention weights of every block, `[B, heads, tokens, tokens]` each, (1 +) P tokens: what looked at what. Rows sum to 1. */
  attentionWeights(images: Tensor): Tensor[] {
    let stream: Stream = { x: this.#embed(images) };
    return this.blocks.map((block) => {
      const weights = block.attn.weights(normed(block.norm1, stream).output);
      stream = block.pass(stream);
      return weights;
    });
  }

  #embed(images: Tensor): Tensor {
    if (images.rank !== 4 || !sameShape(images.shape.slice(1), this.imageShape)) {
      throw new ShapeError(
        "VisionTransformer",
        "images must be [B, C, H, W] of the model's size",
        { images: images.shape, expected: ["B", ...this.imageShape] },
        "Resize them, or the table of positions (resizePositions).",
      );
    }
    const patches = this.patch_embed.forward(images);
    const tokens =
      this.cls_token === null ? patches : concat([broadcastTo(this.cls_token, [patches.shape[0], 1, patches.shape[2]]), patches], 1);
    return tokens.add(this.pos_embed ?? this.#fixed!);
  }
}

const starts = {
  timm: (key: RandomKey, shape: readonly number[]) => cutNormal(key, shape, 0.02),
  "fan-in": (key: RandomKey, shape: readonly number[]) => cutNormal(key, shape, 1 / Math.sqrt(shape[1])),
};

/** Normal, cut off at two deviations. */
function cutNormal(key: RandomKey, shape: readonly number[], deviation: number): Tensor {
  return truncatedNormal(key, shape, { deviation });
}
