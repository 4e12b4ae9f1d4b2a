import { ShapeError, type Tensor } from "@heed/tensor";
import { Module } from "@heed/nn";
import { ConformerLayer, type ConformerCallOptions, type ConformerLayerOptions } from "./conformer-layer.ts";

export interface ConformerOptions extends ConformerLayerOptions {
  readonly numLayers: number;
}

/**
 * Conformer blocks in a row: `[B, L, embedDim]` → the same. Each gets the same mask, bias and lengths; without blocks x passes as it is. What makes
 * frames (windows of sound, subsampling) stands before it. Time O(numLayers · a block's). Parameters `layers.0.ff1.fc1.weight` …
 *
 * Letters: B batch, L frames.
 * @throws {ShapeError} unless numLayers is a whole number from 0 on; otherwise as `ConformerLayer`.
 * @see Gulati et al. 2020 (arXiv:2005.08100)
 * @example
 * const encoder = new Conformer(96, 4, { key, numLayers: 3, kernelSize: 15, rotation: rope });
 * const y = encoder.forward(frames, { lengths });
 */
export class Conformer extends Module {
  readonly layers: readonly ConformerLayer[];

  constructor(embedDim: number, numHeads: number, { numLayers, ...options }: ConformerOptions) {
    super();
    if (!Number.isInteger(numLayers) || numLayers < 0)
      throw new ShapeError("Conformer", "numLayers must be a whole number, at least 0", { numLayers });
    this.layers = Array.from(
      { length: numLayers },
      (_, i) => new ConformerLayer(embedDim, numHeads, { ...options, key: options.key.split("layers").split(i) }),
    );
  }

  forward(x: Tensor, options: ConformerCallOptions = {}): Tensor {
    return this.layers.reduce((h, layer) => layer.forward(h, options), x);
  }
}
