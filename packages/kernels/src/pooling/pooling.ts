import { wasm } from "#wasm/pooling";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * Pooling over windows of contiguous planes: x `[planes, H, W]`, out `[planes, outH, outW]`. The window of out[r, s]
 * starts at row `r · strideH − padTop` and column `s · strideW − padLeft`. Pointers are in bytes. Gradients overwrite dx.
 */
export interface PoolingKernels {
  /**
   * The maximum of each window and where it was: `argmax` int32 `[planes, outH, outW]` holds `h · W + w`. Padding never
   * wins, the first of equals does, and a NaN wins over everything. A window without pixels gives −∞ and −1.
   */
  maxPool(
    x: number,
    out: number,
    argmax: number,
    planes: number,
    H: number,
    W: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    outH: number,
    outW: number,
  ): void;
  /** `dx[plane, argmax[plane, p]] = Σ g[plane, p]`: dx `[planes, size]`, g and argmax `[planes, outSize]`. */
  maxPoolGrad(g: number, argmax: number, dx: number, planes: number, size: number, outSize: number): void;
  /** The mean of each window: its sum divided by kh · kw, or without `countIncludePad` (0) by the number of pixels in it. */
  avgPool(
    x: number,
    out: number,
    planes: number,
    H: number,
    W: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    outH: number,
    outW: number,
    countIncludePad: number,
  ): void;
  /** The adjoint: spreads g `[planes, outH, outW]` evenly over the pixels of each window of dx `[planes, H, W]`. */
  avgPoolGrad(
    g: number,
    dx: number,
    planes: number,
    H: number,
    W: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    outH: number,
    outW: number,
    countIncludePad: number,
  ): void;
  /** The mean of bins: bin i of outH covers rows `⌊i H / outH⌋ … ⌈(i + 1) H / outH⌉ − 1`, and so for columns. */
  adaptiveAvgPool(x: number, out: number, planes: number, H: number, W: number, outH: number, outW: number): void;
  /** Its adjoint: g `[planes, outH, outW]` to dx `[planes, H, W]`. */
  adaptiveAvgPoolGrad(g: number, dx: number, planes: number, H: number, W: number, outH: number, outW: number): void;
}

export const pooling: Family<PoolingKernels> = /* @__PURE__ */ defineFamily("pooling", wasm, reference);
