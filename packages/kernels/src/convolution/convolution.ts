import { wasm } from "#wasm/convolution";
import { defineFamily } from "../family.ts";
import type { Family } from "../family.ts";
import { reference } from "./reference.ts";

/**
 * Convolution of one image `[C, H, W]` at a time: with stride 1 by `correlate`, else as patches times matrix. With
 * `patches` P `[C · kh · kw, outH · outW]` and a weight W `[O, C · kh · kw]` (PyTorch's, flattened), the output is the
 * product `W P`, the gradient of the weight `dy Pᵀ`, and that of the image `patchesGrad(Wᵀ dy)`. A group is a range of
 * channels: move the pointer, give its C. Pointers are in bytes; whatever lies outside the image is 0. Rows of the patches
 * lie `row` elements apart, at least `outH · outW`: patches of several images can stand side by side.
 */
export interface ConvolutionKernels {
  /**
   * `out[(c · kh + i) · kw + j, r · outW + s] = x[c, r · strideH + i · dilationH − padTop, s · strideW + j · dilationW − padLeft]`.
   * Every such entry of `out` is written, and no other.
   */
  patches(
    x: number,
    out: number,
    C: number,
    H: number,
    W: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    dilationH: number,
    dilationW: number,
    outH: number,
    outW: number,
    row: number,
  ): void;
  /** The adjoint: adds each entry of g `[C · kh · kw, outH · outW]` to the entry of dx `[C, H, W]` it was read from. */
  patchesGrad(
    g: number,
    dx: number,
    C: number,
    H: number,
    W: number,
    kh: number,
    kw: number,
    strideH: number,
    strideW: number,
    padTop: number,
    padLeft: number,
    dilationH: number,
    dilationW: number,
    outH: number,
    outW: number,
    row: number,
  ): void;
  /**
   * A kernel in the order in which `correlate` reads it: of entry (o, c, tap) at `o · strideO + c · strideC + tap · strideTap`. Strides may
   * be negative: a kernel turned round, with O and C exchanged, gives the gradient of the image.
   * @param packed `packedKernelBytes`
   */
  packKernel(weight: number, packed: number, O: number, C: number, taps: number, strideO: number, strideC: number, strideTap: number): void;
  /**
   * With stride 1, without patches:
   * `y[o, r · outW + s] = bias[o] + Σ x[c, r + i · dilationH − padTop, s + j · dilationW − padLeft] · weight[o, c, i, j]`.
   * @param packed by `packKernel`
   * @param bias `[O]` or 0
   * @param rowY elements from one channel of y to the next
   * @param scratch `correlateScratchBytes`
   */
  correlate(
    x: number,
    packed: number,
    bias: number,
    y: number,
    C: number,
    H: number,
    W: number,
    O: number,
    kh: number,
    kw: number,
    padTop: number,
    padLeft: number,
    dilationH: number,
    dilationW: number,
    outH: number,
    outW: number,
    rowY: number,
    scratch: number,
  ): void;
  /** Whether none of n numbers is NaN or larger than 10¹⁵ in size: `winograd` is for such images and weights only. */
  areMild(x: number, n: number): number;
  /**
   * A 3 × 3 kernel in the order in which `winograd` reads it, transformed; strides as for `packKernel`.
   * @param packed `packedWinogradBytes`
   */
  packWinograd(weight: number, packed: number, O: number, C: number, strideO: number, strideC: number, strideTap: number): void;
  /**
   * `correlate` with a 3 × 3 kernel without dilation, by 16 multiplications for 36. On noise its rounding errors are a third to two thirds of those, since
   * sums are of C terms instead of 9 C; but they are relative to the largest of 4 × 4 pixels instead of 3 × 3.
   * @param packed by `packWinograd`
   * @param quads of `winogradQuads`
   * @param scratch `winogradScratchBytes`
   */
  winograd(
    x: number,
    packed: number,
    bias: number,
    y: number,
    C: number,
    H: number,
    W: number,
    O: number,
    padTop: number,
    padLeft: number,
    outH: number,
    outW: number,
    rowY: number,
    quads: number,
    scratch: number,
  ): void;
}

/** Bytes of what `packWinograd` writes, for numbers of `width` bytes. */
export function packedWinogradBytes(width: number, O: number, C: number): number {
  return 16 * (width * (O + 5) * C + 64);
}

/** How many times 2 × 8 outputs are computed together: what they need of all channels should stay in the second cache. A multiple of 4. */
export function winogradQuads(C: number, O: number): number {
  return 4 * Math.min(4, Math.max(1, Math.floor(512 / (C + O))));
}

/** Bytes of scratch space that `winograd` needs. */
export function winogradScratchBytes(C: number, O: number, outH: number, outW: number): number {
  const [lines, pitch] = [2 * Math.ceil(outH / 2) + 2, 8 * Math.ceil(outW / 8) + 2];
  // A line of the cache between points, of pixels and of outputs, and two for zeros and for outputs that are not all wanted.
  const lineBytes = 64 * (2 * 16 + 2);
  return lineBytes + 256 * (C + O) * winogradQuads(C, O) + 4 * C * (lines * pitch + 16) + 64;
}

/** Bytes of what `packKernel` writes, for numbers of `width` bytes. */
export function packedKernelBytes(width: number, O: number, C: number, taps: number): number {
  return width * (O + 5) * C * taps;
}

/** Bytes of scratch space that `correlate` needs. */
export function correlateScratchBytes(C: number, O: number, taps: number, lines: number, pitch: number): number {
  return 4 * (C * (lines * pitch + 16) + 16 * (O + 7) + taps);
}

export const convolution: Family<ConvolutionKernels> = /* @__PURE__ */ defineFamily("convolution", wasm, reference);
