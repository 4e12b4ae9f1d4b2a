import {
  convolutionKernels,
  correlateScratchBytes,
  DTypeError,
  matmulKernels,
  matmulScratchBytes,
  packedKernelBytes,
  packedWinogradBytes,
  runParallel,
  ShapeError,
  winogradQuads,
  winogradScratchBytes,
} from "@heed/kernels";
import { computeOne, packed, type Scratch } from "../core/compute.ts";
import { bytesPer, requireReal, type RealDType } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { copy } from "./copy.ts";
import { fillZero } from "./fill.ts";
import { pairOf, requireImages, type Pair } from "./internal/images.ts";
import { sum } from "./sum.ts";
import { widened } from "./widened.ts";

export interface Conv2dOptions {
  /** `[O]`, added to every pixel of a channel. */
  readonly bias?: Tensor;
  /** Pixels from one output to the next. Default 1. */
  readonly stride?: Pair;
  /** Zeros on both sides; "same" (stride 1 only): as many as keep height and width, the odd one below and to the right. Default 0. */
  readonly padding?: Pair | "same";
  /** Pixels from one entry of the kernel to the next. Default 1. */
  readonly dilation?: Pair;
  /** Channels fall into that many groups, each with filters of its own. Default 1; C for a depthwise convolution. */
  readonly groups?: number;
}

/**
 * Convolution of images, in the sense of neural networks (cross-correlation):
 * `y[b, o, r, s] = bias[o] + Σ x[b, c, r · stride + i · dilation − padding, s · … + j · …] · weight[o, c, i, j]`.
 *
 * Letters: B batch, C channels in, O channels out, H, W height and width, kh, kw those of the kernel.
 * @param x `[B, C, H, W]`
 * @param weight `[O, C / groups, kh, kw]`
 * @returns `[B, O, ⌊(H + 2 · padding − dilation · (kh − 1) − 1) / stride⌋ + 1, …]`
 * @throws {ShapeError} when channels and groups disagree, the kernel is larger than the padded image, or "same" meets a stride; {DTypeError} when
 * dtypes differ.
 *
 * With stride 1, where the filters are four or more, the product reads a padded strip of the image in place, and so does the gradient of x;
 * 3 × 3 taps of sixteen channels and filters or more (exactly: C O ≥ 8 (C + O)) are transformed besides, 16 multiplications for 36, where all numbers
 * are at most 10¹⁵ in size: errors are then relative to the largest of 4 × 4 pixels instead of 3 × 3. Else it is patches times matrix, a strip of output rows of one image, or some small images, at a time. Either way workspace stays at
 * some hundred KiB, or twice the size of the weight, whatever the batch. A 1 × 1 kernel needs no patches. Time O(B · O · H′ · W′ · C · kh · kw /
 * groups); gradients take twice that.
 * @see PyTorch's `torch.nn.functional.conv2d`; Lavin and Gray 2016 (arXiv:1509.09308), of the transforms
 */
export function conv2d(x: Tensor, weight: Tensor, { bias, stride = 1, padding = 0, dilation = 1, groups = 1 }: Conv2dOptions = {}): Tensor {
  requireImages("conv2d", x);
  requireTensor("conv2d", "weight", weight);
  const [strideH, strideW] = pairOf("conv2d", "stride", stride, 1);
  const [dilationH, dilationW] = pairOf("conv2d", "dilation", dilation, 1);
  const [, C, H, W] = x.shape;
  if (weight.rank !== 4) throw new ShapeError("conv2d", "weight must be [O, C / groups, kh, kw]", { weight: weight.shape });
  const [O, Cg, kh, kw] = weight.shape;
  if (!Number.isInteger(groups) || groups < 1 || C !== Cg * groups || O % groups !== 0) {
    throw new ShapeError("conv2d", "x [B, C, H, W] and weight [O, C / groups, kh, kw] must share C, and groups divide C and O", {
      x: x.shape,
      weight: weight.shape,
      groups,
    });
  }
  if (bias !== undefined) {
    requireTensor("conv2d", "bias", bias);
    if (bias.rank !== 1 || bias.shape[0] !== O)
      throw new ShapeError("conv2d", "weight [O, C / groups, kh, kw] and bias [O] must share O", {
        weight: weight.shape,
        bias: bias.shape,
      });
  }
  const [spanH, spanW] = [dilationH * (kh - 1) + 1, dilationW * (kw - 1) + 1];
  if (padding === "same" && (strideH !== 1 || strideW !== 1))
    throw new ShapeError("conv2d", 'padding "same" needs stride 1', { stride: [strideH, strideW] }, "Pad by numbers.");
  const [padH, padW] = padding === "same" ? [spanH - 1, spanW - 1] : pairOf("conv2d", "padding", padding, 0).map((n) => 2 * n);
  const [top, left] = [Math.floor(padH / 2), Math.floor(padW / 2)];
  if (kh === 0 || kw === 0 || H + padH < spanH || W + padW < spanW) {
    throw new ShapeError("conv2d", "the kernel must not be empty nor larger than the padded image", {
      x: x.shape,
      weight: weight.shape,
      padding,
      dilation: [dilationH, dilationW],
    });
  }
  const geometry: Geometry = {
    C: Cg,
    H,
    W,
    O: O / groups,
    kh,
    kw,
    strideH,
    strideW,
    top,
    left,
    dilationH,
    dilationW,
    groups,
    outH: Math.floor((H + padH - spanH) / strideH) + 1,
    outW: Math.floor((W + padW - spanW) / strideW) + 1,
  };
  const [image, kernel, shift] = [widened(x), widened(weight), bias === undefined ? undefined : widened(bias)];
  const dtype = requireReal("conv2d", image.dtype);
  if (kernel.dtype !== dtype || (shift !== undefined && shift.dtype !== dtype)) {
    throw new DTypeError(
      "conv2d",
      "dtypes must agree: nothing is promoted silently",
      { x: x.dtype, weight: weight.dtype, ...(bias && { bias: bias.dtype }) },
      "Convert one: cast(x, dtype).",
    );
  }
  return correlate(image, kernel, shift, geometry);
}

/** Of one group: C and O are its channels. */
interface Geometry {
  readonly C: number;
  readonly H: number;
  readonly W: number;
  readonly O: number;
  readonly kh: number;
  readonly kw: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly top: number;
  readonly left: number;
  readonly dilationH: number;
  readonly dilationW: number;
  readonly outH: number;
  readonly outW: number;
  readonly groups: number;
}

// The three products below are each other's gradients: each is linear in its two operands.

/** y from x and weight. */
function correlate(x: Tensor, weight: Tensor, bias: Tensor | undefined, geometry: Geometry): Tensor {
  const dtype = requireReal("conv2d", x.dtype);
  const { groups, O, outH, outW } = geometry;
  const shape = [x.shape[0], groups * O, outH, outW];
  const out = computeOne(
    "conv2d",
    [packed(x), packed(weight), ...(bias === undefined ? [] : [bias])],
    shape,
    dtype,
    ([image, kernel, shift], write, scratch) => {
      if (isDirect(geometry)) {
        // The kernel takes biases that are neighbours.
        const shifts = bias === undefined ? 0 : scratch(groups * O * bytesPer(dtype));
        if (bias !== undefined) copy(dtype, [groups * O], shift, bias.strides, shifts);
        directly(dtype, geometry, shape[0], image, kernel, shifts, write, scratch);
        return;
      }
      if (bias !== undefined) copy(dtype, shape, shift, [0, bias.strides[0], 0, 0], write);
      const accumulate = bias === undefined ? 0 : 1;
      const { gemm } = matmulKernels.on(dtype);
      eachStrip(dtype, geometry, shape[0], scratch, ({ weight: at, pixels, steps: k, patches, outputs, space }) => {
        const target = bias === undefined ? outputs.place(write) : outputs.load(write);
        gemm(O, pixels, k, kernel + at, k, 1, patches.fill(image), patches.row, 1, target, outputs.row, accumulate, space);
        outputs.store(write);
      });
    },
  );
  return record("conv2d", out, bias === undefined ? [x, weight] : [x, weight, bias], [x, weight], (g, needs) => [
    needs[0] ? inputGradient(g, weight, x.shape, geometry) : undefined,
    needs[1] ? weightGradient(x, g, weight.shape, geometry) : undefined,
    ...(bias === undefined ? [] : [needs[2] ? sum(g, [0, 2, 3]) : undefined]),
  ]);
}

/** x's gradient from y's gradient and weight. */
function inputGradient(g: Tensor, weight: Tensor, shape: Shape, geometry: Geometry): Tensor {
  const dtype = requireReal("conv2d", g.dtype);
  const { O } = geometry;
  const out = computeOne("conv2d gradient", [packed(g), packed(weight)], shape, dtype, ([slope, kernel], write, scratch) => {
    const turned = turnedRound(geometry);
    if (isDirect(turned)) {
      directly(dtype, turned, shape[0], slope, kernel, 0, write, scratch, true);
      return;
    }
    fillZero(dtype, write, shape);
    const { gemm } = matmulKernels.on(dtype);
    eachStrip(dtype, geometry, shape[0], scratch, ({ weight: at, pixels, steps, patches, outputs, space }) => {
      const y = outputs.load(slope);
      patches.add(write, (target, accumulate) =>
        gemm(steps, pixels, O, kernel + at, 1, steps, y, outputs.row, 1, target, patches.row, accumulate, space),
      );
    });
  });
  return record("conv2d input gradient", out, [g, weight], [g, weight], (gg, needs) => [
    needs[0] ? correlate(gg, weight, undefined, geometry) : undefined,
    needs[1] ? weightGradient(gg, g, weight.shape, geometry) : undefined,
  ]);
}

/** weight's gradient from x and y's gradient. */
function weightGradient(x: Tensor, g: Tensor, shape: Shape, geometry: Geometry): Tensor {
  const dtype = requireReal("conv2d", x.dtype);
  const { O } = geometry;
  const out = computeOne("conv2d gradient", [packed(x), packed(g)], shape, dtype, ([image, slope], write, scratch) => {
    fillZero(dtype, write, shape);
    const { gemm } = matmulKernels.on(dtype);
    eachStrip(dtype, geometry, x.shape[0], scratch, ({ weight: at, pixels, steps, patches, outputs, space }) => {
      gemm(O, steps, pixels, outputs.load(slope), outputs.row, 1, patches.fill(image), 1, patches.row, write + at, steps, 1, space);
    });
  });
  return record("conv2d weight gradient", out, [x, g], [x, g], (gg, needs) => [
    needs[0] ? inputGradient(g, gg, x.shape, geometry) : undefined,
    needs[1] ? correlate(x, gg, undefined, geometry) : undefined,
  ]);
}

/** Whether a convolution needs no patches, and wins without them: few positions of padded rows are computed for nothing. */
function isDirect({ C, O, kh, kw, strideH, strideW, dilationW, outH, outW }: Geometry): boolean {
  const pitch = outW + (kw - 1) * dilationW;
  return C > 0 && O >= 4 && kh * kw > 1 && strideH === 1 && strideW === 1 && outH > 0 && (outW % 8 === 0 || pitch <= 1.15 * outW);
}

/** The convolution, with the kernel turned round, that makes the gradient of the image from that of the output (if the stride is 1). */
function turnedRound(geometry: Geometry): Geometry {
  const { C, H, W, O, kh, kw, top, left, dilationH, dilationW, outH, outW } = geometry;
  const [above, before] = [(kh - 1) * dilationH - top, (kw - 1) * dilationW - left];
  return { ...geometry, C: O, O: C, H: outH, W: outW, outH: H, outW: W, top: above, left: before };
}

/**
 * Whether a direct convolution is faster by `winograd`: 3 × 3 taps, enough channels to pay for the transforms, and most outputs of a strip wanted,
 * which is computed by 2 × 8.
 */
function suitsWinograd({ C, O, kh, kw, dilationH, dilationW, outH, outW }: Geometry): boolean {
  const computed = 16 * Math.ceil(outH / 2) * Math.ceil(outW / 8);
  return kh === 3 && kw === 3 && dilationH === 1 && dilationW === 1 && C * O >= 8 * (C + O) && outH * outW >= 0.6 * computed;
}

/** How a direct convolution is computed: its kernels, and their arguments. */
interface Way {
  readonly kernel: "correlate" | "winograd";
  pack(weight: number, packed: number, strideO: number, strideC: number, strideTap: number): void;
  /** Bytes of packed weights; a padded strip of an image should take no more than `stripBytes`, so that it stays in the second cache. */
  readonly packedBytes: number;
  readonly stripBytes: number;
  /** Strips begin at multiples of so many rows. */
  readonly unit: number;
  /** The last arguments of a call, from the sides of the kernel or the padding on, for `rows` output rows with `above` rows of padding; scratch space apart. */
  rest(above: number, rows: number): number[];
  scratchBytes(rows: number): number;
}

function correlateWay(dtype: RealDType, { C, O, kh, kw, left, dilationH, dilationW, outH, outW }: Geometry): Way {
  const taps = kh * kw;
  const { packKernel } = convolutionKernels.on(dtype);
  const [span, pitch] = [(kh - 1) * dilationH, outW + (kw - 1) * dilationW];
  return {
    kernel: "correlate",
    pack: (weight, to, ...strides) => packKernel(weight, to, O, C, taps, ...strides),
    packedBytes: packedKernelBytes(bytesPer(dtype), O, C, taps),
    stripBytes: 524_288,
    unit: 1,
    rest: (above, rows) => [kh, kw, above, left, dilationH, dilationW, rows, outW, outH * outW],
    scratchBytes: (rows) => correlateScratchBytes(C, O, taps, rows + span, pitch),
  };
}

/** Rows of outputs are made in pairs, and what is transformed lies in the second cache, too. */
function winogradWay(dtype: RealDType, { C, O, left, outH, outW }: Geometry): Way {
  const { packWinograd } = convolutionKernels.on(dtype);
  const quads = winogradQuads(C, O);
  return {
    kernel: "winograd",
    pack: (weight, to, ...strides) => packWinograd(weight, to, O, C, ...strides),
    packedBytes: packedWinogradBytes(bytesPer(dtype), O, C),
    stripBytes: 262_144,
    unit: 2,
    rest: (above, rows) => [above, left, rows, outW, outH * outW, quads],
    scratchBytes: (rows) => winogradScratchBytes(C, O, rows, outW),
  };
}

/** `y` from images and weights, a strip of output rows of one group of one image after the other; `turned`: see `turnedRound`. */
function directly(
  dtype: RealDType,
  geometry: Geometry,
  batch: number,
  images: number,
  weight: number,
  bias: number,
  y: number,
  scratch: Scratch,
  turned = false,
): void {
  const { C, H, W, O, kh, kw, top, dilationH, dilationW, outH, outW, groups } = geometry;
  const width = bytesPer(dtype);
  const taps = kh * kw;
  const { areMild } = convolutionKernels.on(dtype);
  const isMild = () => areMild(images, batch * groups * C * H * W) === 1 && areMild(weight, groups * O * C * taps) === 1;
  const way = (suitsWinograd(geometry) && isMild() ? winogradWay : correlateWay)(dtype, geometry);
  const weights = Array.from({ length: groups }, (_, group) => {
    const [at, to] = [weight + group * O * C * taps * width, scratch(way.packedBytes)];
    if (turned) way.pack(at + (taps - 1) * width, to, taps, O * taps, -1);
    else way.pack(at, to, C * taps, taps, 1);
    return to;
  });
  const lineBytes = 4 * C * (outW + (kw - 1) * dilationW);
  const fitting = Math.floor(way.stripBytes / lineBytes) - (kh - 1) * dilationH;
  const units = Math.ceil(outH / way.unit);
  const strips = Math.ceil(units / Math.max(1, Math.floor(fitting / way.unit)));
  const first = (strip: number) => Math.min(outH, way.unit * Math.floor((strip * units) / strips));
  const calls: number[][] = [];
  for (let image = 0; image < batch * groups; image++) {
    const group = image % groups;
    const [from, to] = [images + image * C * H * W * width, y + image * O * outH * outW * width];
    const shift = bias === 0 ? 0 : bias + group * O * width;
    for (let strip = 0; strip < strips; strip++) {
      const [row, rows] = [first(strip), first(strip + 1) - first(strip)];
      calls.push([from, weights[group], shift, to + row * outW * width, C, H, W, O, ...way.rest(top - row, rows), 0]);
    }
  }
  if (calls.length === 0) return;
  const work = 2 * batch * groups * O * C * taps * outH * outW;
  const bytes = way.scratchBytes(way.unit * Math.ceil(units / strips));
  const argument = calls[0].length - 1; // the last one is scratch space
  runParallel(convolutionKernels, dtype, way.kernel, calls, { work, scratch: { argument, bytes, allocate: scratch } });
}

/** Some output rows of one group of one image, or all rows of several small images. */
interface Strip {
  /** Byte offset of the group's weights. */
  readonly weight: number;
  /** How many output pixels the strip has, and how many terms each is a sum of. */
  readonly pixels: number;
  readonly steps: number;
  readonly patches: {
    /** Elements from one row of patches to the next. */
    readonly row: number;
    /** Gathers the strip's patches `[steps, pixels]` of the images at an address; returns their own. */
    fill(images: number): number;
    /** The adjoint: adds patches, which `write` gives, to the images at an address. */
    add(images: number, write: (target: number, accumulate: number) => void): void;
  };
  /** The strip's part `[O, pixels]` of outputs at an address: in place for one image, else side by side in a room of its own. */
  readonly outputs: {
    readonly row: number;
    /** Where it may be written, */
    place(outputs: number): number;
    /** the same after copying what is there, */
    load(outputs: number): number;
    /** and back. */
    store(outputs: number): void;
  };
  /** For the matrix product. */
  readonly space: number;
}

/** Patches of a strip should stay in the second cache while the product reads them. */
const stripBytes = 262_144;
/** Images with fewer output pixels go into one product together, which reads the weights once for all of them. */
const fewPixels = 256;

function eachStrip(dtype: RealDType, geometry: Geometry, batch: number, scratch: Scratch, visit: (strip: Strip) => void): void {
  const { C, H, W, O, kh, kw, strideH, strideW, top, left, dilationH, dilationW, outH, outW, groups } = geometry;
  const width = bytesPer(dtype);
  const steps = C * kh * kw;
  const size = outH * outW;
  if (batch * groups * O * size === 0) return;
  // The image is its own patches: one strip.
  const itself = kh === 1 && kw === 1 && strideH === 1 && strideW === 1 && outH === H && outW === W;
  const termBytes = Math.max(1, steps) * width;
  const rows = itself ? outH : Math.min(outH, Math.max(1, Math.floor(stripBytes / termBytes / outW)));
  // Patches may take as much room as the weights, which every strip reads.
  const fitting = Math.floor(Math.max(stripBytes, O * termBytes) / termBytes / size);
  const together = itself || rows < outH ? 1 : Math.max(1, Math.min(batch, fitting, Math.ceil(fewPixels / size)));
  const most = together * rows * outW;
  const space = scratch(
    Math.max(matmulScratchBytes(O, most, steps), matmulScratchBytes(steps, most, O), matmulScratchBytes(O, steps, most)),
  );
  const room = itself ? 0 : scratch(steps * most * width);
  const outputRoom = together === 1 ? 0 : scratch(O * most * width);
  const { patches: gather, patchesGrad } = convolutionKernels.on(dtype);
  const imageStep = groups * C * H * W * width;
  for (let b = 0; b < batch; b += together) {
    const images = Math.min(together, batch - b);
    for (let group = 0; group < groups; group++) {
      const image = (b * groups + group) * C * H * W * width;
      const output = (b * groups + group) * O * size * width;
      for (let first = 0; first < outH; first += rows) {
        const count = Math.min(rows, outH - first);
        const pixels = images * count * outW;
        const start = output + first * outW * width;
        // The strip's own first row stands `first · strideH` below the image's.
        const place = [C, H, W, kh, kw, strideH, strideW, top - first * strideH, left, dilationH, dilationW, count, outW, pixels] as const;
        const block = [images, O, size];
        const [apart, beside] = [
          [groups * O * size, size, 1],
          [size, pixels, 1],
        ];
        visit({
          weight: group * O * steps * width,
          pixels,
          steps,
          space,
          patches: itself
            ? { row: size, fill: (at) => at + image, add: (at, write) => write(at + image, 1) }
            : {
                row: pixels,
                fill(at) {
                  for (let i = 0; i < images; i++) gather(at + image + i * imageStep, room + i * size * width, ...place);
                  return room;
                },
                add(at, write) {
                  write(room, 0);
                  for (let i = 0; i < images; i++) patchesGrad(room + i * size * width, at + image + i * imageStep, ...place);
                },
              },
          outputs:
            images === 1
              ? { row: size, place: (at) => at + start, load: (at) => at + start, store() {} }
              : {
                  row: pixels,
                  place: () => outputRoom,
                  load(at) {
                    copy(dtype, block, at + start, apart, outputRoom, beside);
                    return outputRoom;
                  },
                  store: (at) => copy(dtype, block, outputRoom, beside, at + start, apart),
                },
        });
      }
    }
  }
}
