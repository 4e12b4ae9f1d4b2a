import { avgPool2d, conv2d, div, interpolate, maxPool2d, ones, pad, reshape, type Tensor } from "@heed/tensor";
import { flagOf, inputOf, numberOf, numbersOf, textOf, Unsupported, type Operator } from "../operator.ts";
import type { Vector } from "../vector.ts";

type Pair = readonly [number, number];

/** What slides over an image of two axes: a line is an image of one row. */
interface Windows {
  readonly image: Tensor;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly pads: readonly (readonly [number, number])[];
  /** From two axes back to what came. */
  restore(x: Tensor): Tensor;
}

function windowsOf(vector: Vector, x: Tensor, kernel: readonly number[]): Windows {
  const axes = x.rank - 2;
  if (axes > 2) throw new Unsupported(`windows have two axes here, these have ${axes}`);
  const each = Array<number>(axes).fill(1);
  const [strides, dilations] = [numbersOf(vector, "strides", each), numbersOf(vector, "dilations", each)];
  const pads = padsOf(vector, x.shape.slice(2), kernel, strides, dilations);
  const [B, C, ...lengths] = x.shape as [number, number, ...number[]];
  const two = (values: readonly number[]): Pair => (axes === 1 ? [1, values[0]!] : [values[0]!, values[1]!]);
  return {
    image: axes === 1 ? reshape(x, [B, C, 1, lengths[0]!]) : x,
    kernel: two(kernel),
    stride: two(strides),
    dilation: two(dilations),
    pads: axes === 1 ? [[0, 0], pads[0]!] : pads,
    restore: (y) => (axes === 1 ? reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]) : y),
  };
}

/** `pads`, all begins and then all ends, or what `auto_pad` makes of the shape, as pairs. */
function padsOf(
  vector: Vector,
  lengths: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): (readonly [number, number])[] {
  const auto = textOf(vector, "auto_pad", "NOTSET");
  const pads = numbersOf(vector, "pads", Array<number>(2 * lengths.length).fill(0));
  return lengths.map((length, axis) => {
    if (!auto.startsWith("SAME")) return [pads[axis]!, pads[lengths.length + axis]!];
    const covered = (Math.ceil(length / strides[axis]!) - 1) * strides[axis]! + (kernel[axis]! - 1) * dilations[axis]! + 1;
    const total = Math.max(0, covered - length);
    const less = Math.floor(total / 2);
    return auto === "SAME_UPPER" ? [less, total - less] : [total - less, less];
  });
}

const convolution: Operator = {
  mapping: ["conv2d(x, weight, { stride, dilation, groups }) of an image that pad has widened by ONNX's begins and ends."],
  run(vector) {
    const [weight, bias] = [inputOf(vector, 1), vector.inputs[2]];
    const { image, stride, dilation, pads } = windowsOf(vector, inputOf(vector, 0), weight.shape.slice(2));
    const wider = pad(image, [[0, 0], [0, 0], ...pads]);
    return [conv2d(wider, weight, { stride, dilation, groups: numberOf(vector, "group", 1), ...(bias === undefined ? {} : { bias }) })];
  },
};

function pooling(name: "MaxPool" | "AveragePool"): Operator {
  return {
    mapping: [
      name === "MaxPool" ? "maxPool2d of an image that pad has widened by −∞." : "avgPool2d of an image that pad has widened by zeros.",
      "  A line is an image of one row.",
      ...(name === "MaxPool" ? [] : ["  Without count_include_pad, divided by the same mean of an image of ones."]),
    ],
    run(vector) {
      const windows = windowsOf(vector, inputOf(vector, 0), numbersOf(vector, "kernel_shape", []));
      const { image, kernel, stride, dilation, pads, restore } = windows;
      if (flagOf(vector, "ceil_mode")) throw new Unsupported("ceil_mode: windows that do not fit are left out here");
      if (dilation.some((step) => step !== 1)) throw new Unsupported("dilations: windows are dense here");
      if (vector.outputs[1]?.expected !== undefined) throw new Unsupported("the places of the maxima are not given back here");
      const wider = (x: Tensor, value: number) => pad(x, [[0, 0], [0, 0], ...pads], { value });
      const options = { kernelSize: kernel, stride };
      if (name === "MaxPool") return [restore(maxPool2d(wider(image, -Infinity), options))];
      const sums = avgPool2d(wider(image, 0), options);
      if (flagOf(vector, "count_include_pad")) return [restore(sums)];
      return [restore(div(sums, avgPool2d(wider(ones(image.shape), 0), options)))];
    },
  };
}

const resize: Operator = {
  mapping: [
    "interpolate(x, { size, mode, alignCorners }), for linear and cubic on half pixels or aligned corners; its nearest is ONNX's",
    "  asymmetric with floor, and other coordinates are not there.",
  ],
  run(vector) {
    const x = inputOf(vector, 0);
    const [scales, sizes] = [vector.inputs[2], vector.inputs[3]];
    const refused = ["axes", "exclude_outside", "keep_aspect_ratio_policy", "extrapolation_value"].find(
      (name) => name in vector.attributes,
    );
    if (refused !== undefined) throw new Unsupported(`the attribute ${refused}`);
    const factors = scales === undefined ? undefined : Array.from(scales.toTypedArray());
    const wanted = sizes === undefined ? undefined : Array.from(sizes.toTypedArray());
    const size = [2, 3].map((axis) => wanted?.[axis] ?? Math.floor(x.shape[axis]! * factors![axis]!)) as unknown as Pair;
    // Coordinates follow the scales that are given; ours follow the lengths, which is the same where a scale is one of lengths.
    if (factors?.some((factor, axis) => Math.abs(x.shape[axis]! * factor - Math.round(x.shape[axis]! * factor)) > 1e-6))
      throw new Unsupported("scales that are no ratio of lengths: size decides here");
    const [mode, coordinates] = [textOf(vector, "mode", "nearest"), textOf(vector, "coordinate_transformation_mode", "half_pixel")];
    if (mode === "nearest") {
      if (coordinates !== "asymmetric" || textOf(vector, "nearest_mode", "round_prefer_floor") !== "floor")
        throw new Unsupported("nearest on other coordinates than asymmetric with floor");
      return [interpolate(x, { size })];
    }
    if (coordinates !== "half_pixel" && coordinates !== "align_corners") throw new Unsupported(`the coordinates ${coordinates}`);
    if (flagOf(vector, "antialias"))
      throw new Unsupported(
        "antialias: a window beyond the edge repeats the edge pixel there; here, as in PyTorch and Pillow, it is cut off",
      );
    if (mode === "cubic" && numberOf(vector, "cubic_coeff_a", -0.75) !== -0.75)
      throw new Unsupported("another coefficient of cubic than −0.75");
    const alignCorners = coordinates === "align_corners";
    return [interpolate(x, { size, mode: mode === "linear" ? "bilinear" : "bicubic", alignCorners })];
  },
};

/** Operators on images, of `@heed/tensor`. */
export const imageOperators: Readonly<Record<string, Operator>> = {
  AveragePool: pooling("AveragePool"),
  Conv: convolution,
  MaxPool: pooling("MaxPool"),
  Resize: resize,
};
