import { broadcastTo, concat, mean, normal, reshape, ShapeError, slice, squeeze, transpose, truncatedNormal, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { attention } from "@heed/attention";
import { Dropout, dropoutKey, FeedForward, LayerNorm, Linear, Module, Parameter } from "@heed/nn";
import { PatchEmbed } from "./patch-embed.ts";
import { pairOf } from "./patchify.ts";

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
  readonly dropoutP?: number;
  /** Default 1e-6, as timm. */
  readonly layerNormEps?: number;
  /** In place of the learned table, where positions come from: `[(1 +) P, embedDim]`, fixed. */
  readonly fixedPositions?: Tensor;
}

/** Self-attention of a block, with timm's names: `qkv`, `proj`. */
class BlockAttention extends Module {
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly numHeads: number;
  readonly dropoutP: number;

  constructor(embedDim: number, numHeads: number, dropoutP: number, key: RandomKey) {
    super();
    this.qkv = new Linear(embedDim, 3 * embedDim, { key: key.split("qkv"), init: small, biasInit: "zeros" });
    this.proj = new Linear(embedDim, embedDim, { key: key.split("proj"), init: small, biasInit: "zeros" });
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

  #heads(x: Tensor): Tensor[] {
    const [B, L, E] = x.shape;
    const qkv = this.qkv.forward(x);
    return [0, 1, 2].map((i) => transpose(reshape(slice(qkv, 2, i * E, (i + 1) * E), [B, L, this.numHeads, E / this.numHeads]), 1, 2));
  }
}

class Block extends Module {
  readonly norm1: LayerNorm;
  readonly attn: BlockAttention;
  readonly norm2: LayerNorm;
  readonly mlp: FeedForward;
  readonly drop1: Dropout;
  readonly drop2: Dropout;

  constructor({ embedDim, numHeads, mlpRatio = 4, dropoutP = 0, layerNormEps: eps = 1e-6 }: VisionTransformerOptions, key: RandomKey) {
    super();
    this.norm1 = new LayerNorm(embedDim, { eps });
    this.attn = new BlockAttention(embedDim, numHeads, dropoutP, key.split("attn"));
    this.norm2 = new LayerNorm(embedDim, { eps });
    this.mlp = new FeedForward(embedDim, Math.round(embedDim * mlpRatio), { key: key.split("mlp"), dropoutP, init: small, biasInit: "zeros" });
    this.drop1 = new Dropout(dropoutP);
    this.drop2 = new Dropout(dropoutP);
  }

  forward(x: Tensor): Tensor {
    const y = x.add(this.drop1.forward(this.attn.forward(this.norm1.forward(x))));
    return y.add(this.drop2.forward(this.mlp.forward(this.norm2.forward(y))));
  }
}

/**
 * A vision transformer: patches, a class token in front, positions added, pre-norm blocks, a norm, a linear head.
 * `[B, C, H, W]` → logits `[B, numClasses]`. Parameters with timm's names.
 * @see Dosovitskiy et al. 2021 (arXiv:2010.11929)
 */
export class VisionTransformer extends Module {
  readonly cls_token: Parameter | null;
  readonly pos_embed: Parameter | null;
  readonly patch_embed: PatchEmbed;
  readonly blocks: readonly Block[];
  readonly norm: LayerNorm;
  readonly head: Linear;
  readonly #fixed: Tensor | undefined;
  readonly #pool: "token" | "avg";

  constructor(options: VisionTransformerOptions) {
    super();
    const { key, embedDim, depth, numHeads, numClasses, globalPool = "token", layerNormEps: eps = 1e-6 } = options;
    const [height, width] = pairOf("VisionTransformer", options.imageSize);
    const [h, w] = pairOf("VisionTransformer", options.patchSize);
    if (height % h !== 0 || width % w !== 0) throw new ShapeError("VisionTransformer", "the image must be a multiple of the patch", { imageSize: [height, width], patchSize: [h, w] });
    if (embedDim % numHeads !== 0) throw new ShapeError("VisionTransformer", "embedDim must be a multiple of numHeads", { embedDim, numHeads });
    const tokens = (height / h) * (width / w) + (globalPool === "token" ? 1 : 0);
    this.cls_token = globalPool === "token" ? new Parameter(normal(key.split("cls_token"), [1, 1, embedDim], { deviation: 1e-6 })) : null;
    this.pos_embed = options.fixedPositions === undefined ? new Parameter(small(key.split("pos_embed"), [1, tokens, embedDim])) : null;
    this.#fixed = options.fixedPositions;
    this.patch_embed = new PatchEmbed({ key: key.split("patch_embed"), patchSize: [h, w], channels: options.channels ?? 3, embedDim });
    this.blocks = Array.from({ length: depth }, (_, i) => new Block(options, key.split("blocks").split(i)));
    this.norm = new LayerNorm(embedDim, { eps });
    this.head = new Linear(embedDim, numClasses, { key: key.split("head"), init: (_key, shape) => zeros(shape), biasInit: "zeros" });
    this.#pool = globalPool;
  }

  /** Logits `[B, numClasses]`. */
  forward(images: Tensor): Tensor {
    const y = this.tokens(images);
    return this.head.forward(this.#pool === "token" ? squeeze(slice(y, 1, 0, 1), 1) : mean(y, 1));
  }

  /** Tokens after the last norm: `[B, (1 +) P, embedDim]`. */
  tokens(images: Tensor): Tensor {
    return this.norm.forward(this.blocks.reduce((x, block) => block.forward(x), this.#embed(images)));
  }

  /** Attention weights of every block, `[B, H, L, L]` each: what looked at what. */
  attentionWeights(images: Tensor): Tensor[] {
    let x = this.#embed(images);
    return this.blocks.map((block) => {
      const weights = block.attn.weights(block.norm1.forward(x));
      x = block.forward(x);
      return weights;
    });
  }

  #embed(images: Tensor): Tensor {
    const patches = this.patch_embed.forward(images);
    const tokens = this.cls_token === null ? patches : concat([broadcastTo(this.cls_token, [patches.shape[0], 1, patches.shape[2]]), patches], 1);
    return tokens.add(this.pos_embed ?? this.#fixed!);
  }
}

/** Normal with deviation 0.02, cut off at two deviations. */
function small(key: RandomKey, shape: readonly number[]): Tensor {
  return truncatedNormal(key, shape, { deviation: 0.02 });
}
