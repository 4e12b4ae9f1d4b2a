import { randomKey, type Tensor } from "@heed/tensor";
import { eachBackend, expectGolden, loadGolden, type GoldenCase } from "@heed/tensor/testing";
import { functionalCall } from "@heed/nn";
import { describe, expect, it } from "vitest";
import { normalizeImage, PatchEmbed, patchify, resizePositions, unpatchify, VisionTransformer } from "./index.ts";

const key = randomKey(0);
type Pair = readonly [number, number];
const cases = (op: string) => loadGolden("vision-patches", { op });
const order = (name: unknown) => (name === "channels_last" ? "channelsLast" : "channelsFirst");

/** In float32 on the backend in use, and in float64. */
function expectCase(
  stored: GoldenCase,
  compute: (inputs: Record<string, Tensor>, params: Record<string, Tensor>) => Record<string, Tensor>,
): void {
  for (const dtype of ["float32", "float64"] as const) expectGolden(stored, ({ inputs, params }) => compute(inputs, params), dtype);
}

describe.each(eachBackend())("golden cases of vision-patches, $name", ({ use }) => {
  it.each([...cases("patchify"), ...cases("unpatchify")])("agrees with $source on $name", (stored) =>
    use(() => {
      const { patch, height, width } = stored.options as { patch: Pair; height?: number; width?: number };
      const options = { patchSize: patch, order: order(stored.options.order) } as const;
      expectCase(stored, ({ x }) => ({
        y: height === undefined ? patchify(x, options) : unpatchify(x, { ...options, height, width: width! }),
      }));
    }),
  );

  it.each(cases("patch_embed"))("agrees with $source on $name", (stored) =>
    use(() => {
      const { patch, bias } = stored.options as { patch: Pair; bias: boolean };
      const [embedDim, channels] = stored.params.weight.shape;
      const module = new PatchEmbed({ key, patchSize: patch, channels, embedDim, bias });
      expect(Object.keys(module.stateDict()).sort()).toEqual(
        Object.keys(stored.params)
          .map((name) => `proj.${name}`)
          .sort(),
      );
      expectCase(stored, ({ x }, params) => {
        const named = Object.fromEntries(Object.entries(params).map(([name, value]) => [`proj.${name}`, value]));
        return { y: functionalCall(module, named, () => module.forward(x)) };
      });
    }),
  );

  it.each(cases("vit"))("agrees with $source on $name, with the names of timm's parameters", (stored) =>
    use(() => {
      const { options } = stored;
      const model = new VisionTransformer({
        key,
        imageSize: options.image_size as Pair,
        patchSize: options.patch_size as Pair,
        channels: options.in_channels as number,
        numClasses: options.num_classes as number,
        embedDim: options.embed_dim as number,
        depth: options.depth as number,
        numHeads: options.num_heads as number,
        mlpRatio: options.mlp_ratio as number,
        classToken: options.class_token as boolean,
        globalPool: options.global_pool as "token" | "avg",
        qkvBias: options.qkv_bias as boolean,
        layerNormEps: options.layer_norm_eps as number,
      });
      expect(Object.keys(model.stateDict()).sort()).toEqual(Object.keys(stored.params).sort());
      expectCase(stored, ({ image }, params) =>
        functionalCall(model, params, () => ({ tokens: model.tokens(image), logits: model.forward(image) })),
      );
    }),
  );

  it.each(cases("pos_embed_resize"))("agrees with $source on $name", (stored) =>
    use(() => {
      const {
        old_grid: from,
        new_grid: to,
        num_prefix_tokens: prefix,
        antialias,
      } = stored.options as {
        old_grid: Pair;
        new_grid: Pair;
        num_prefix_tokens: number;
        antialias: boolean;
      };
      expectCase(stored, (_, { pos_embed }) => ({ pos_embed: resizePositions(pos_embed, { from, to, prefix, antialias }) }));
    }),
  );

  it.each(cases("image_normalize"))("agrees with $source on $name", (stored) =>
    use(() => {
      const { mean, std } = stored.options as { mean: number[]; std: number[] };
      expectGolden(stored, ({ inputs: { image } }) => ({ y: normalizeImage(image, { mean, std }) }));
    }),
  );
});
