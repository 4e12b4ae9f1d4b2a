import * as T from "@heed/tensor";
import type { Tensor } from "@heed/tensor";
import { flagOf, inputOf, numberOf, textOf, Unsupported, type Operator } from "../operator.ts";

/** Axes from `axis` on, as one. */
function flatFrom(x: Tensor, axis: number): Tensor {
  const at = (axis + x.rank) % x.rank;
  return T.reshape(x, [...x.shape.slice(0, at), x.shape.slice(at).reduce((a, b) => a * b, 1)]);
}

const flat = (x: Tensor): Tensor => T.reshape(x, [x.size]);

const softmax = (of: (x: Tensor, axis: number) => Tensor): Operator => ({
  mapping: ["softmax(x, axis), logSoftmax(x, axis)."],
  run: (vector) => [of(inputOf(vector, 0), numberOf(vector, "axis", -1))],
});

const layerNormalization: Operator = {
  mapping: ["layerNorm over the axes from `axis` on, flattened; mean and inverse deviation by mean and var."],
  run(vector) {
    const [x, weight, bias] = [inputOf(vector, 0), inputOf(vector, 1), vector.inputs[2]];
    const [axis, eps] = [numberOf(vector, "axis", -1), numberOf(vector, "epsilon", 1e-5)];
    const rows = flatFrom(x, axis);
    const y = T.layerNorm(rows, { weight: flat(weight), ...(bias === undefined ? {} : { bias: flat(bias) }), eps });
    const kept = [...rows.shape.slice(0, -1), ...Array<number>(x.rank - rows.rank + 1).fill(1)];
    const deviation = T.rsqrt(T.add(T.var(rows, -1, { correction: 0 }), eps));
    return [T.reshape(y, x.shape), T.reshape(T.mean(rows, -1), kept), T.reshape(deviation, kept)];
  },
};

const rmsNormalization: Operator = {
  mapping: ["rmsNorm over the axes from `axis` on, flattened."],
  run(vector) {
    const x = inputOf(vector, 0);
    const rows = flatFrom(x, numberOf(vector, "axis", -1));
    const y = T.rmsNorm(rows, { weight: flat(inputOf(vector, 1)), eps: numberOf(vector, "epsilon", 1e-5) });
    return [T.reshape(y, x.shape)];
  },
};

const gelu: Operator = {
  mapping: ["gelu(x, { approximate })."],
  run: (vector) => [T.gelu(inputOf(vector, 0), { approximate: textOf(vector, "approximate", "none") as "none" | "tanh" })],
};

const cumulative: Operator = {
  mapping: ["cumsum(x, axis); reverse by flip, exclusive by taking x off again. int32 is read as numbers."],
  run(vector) {
    const given = inputOf(vector, 0);
    const x = given.dtype === "int32" ? T.cast(given, "float32") : given;
    const axis = Number(inputOf(vector, 1).item());
    const turn = (y: Tensor) => (flagOf(vector, "reverse") ? T.flip(y, axis) : y);
    const sums = turn(T.cumsum(turn(x), axis));
    return [T.cast(flagOf(vector, "exclusive") ? T.sub(sums, x) : sums, given.dtype)];
  },
};

const einsum: Operator = {
  mapping: ["einsum(equation, …)."],
  run: (vector) => [T.einsum(textOf(vector, "equation", ""), ...(vector.inputs as Tensor[]))],
};

/** Negative indices count from the end in ONNX; ours refuse them. */
const counted = (index: Tensor, length: number): Tensor =>
  T.tensor(
    Int32Array.from(index.toTypedArray(), (i) => (i < 0 ? i + length : i)),
    { shape: index.shape },
  );

const gatherElements: Operator = {
  mapping: ["gather(x, index, axis); negative indices are counted from the end before the call, ours are refused."],
  run(vector) {
    const x = inputOf(vector, 0);
    const axis = (numberOf(vector, "axis", 0) + x.rank) % x.rank;
    return [T.gather(x, counted(inputOf(vector, 1), x.shape[axis]!), axis)];
  },
};

const scatterElements: Operator = {
  mapping: ["scatterAdd(x, index, updates, axis) for reduction = add; without a reduction, of updates less what was there."],
  run(vector) {
    const [x, updates] = [inputOf(vector, 0), inputOf(vector, 2)];
    const axis = (numberOf(vector, "axis", 0) + x.rank) % x.rank;
    const index = counted(inputOf(vector, 1), x.shape[axis]!);
    const reduction = textOf(vector, "reduction", "none");
    if (reduction === "add") return [T.scatterAdd(x, index, updates, axis)];
    if (reduction === "none") return [T.scatterAdd(x, index, T.sub(updates, T.gather(x, index, axis)), axis)];
    throw new Unsupported(`there is no scatter with the reduction ${reduction}`);
  },
};

const modes = { constant: "constant", edge: "replicate", reflect: "reflect", wrap: "circular" } as const;

const padding: Operator = {
  mapping: ["pad(x, pairs, { mode, value }): edge is replicate, wrap is circular; begins and ends become pairs."],
  run(vector) {
    const x = inputOf(vector, 0);
    const pads = Array.from(inputOf(vector, 1).toTypedArray());
    const axes = vector.inputs[3] === undefined ? x.shape.map((_, axis) => axis) : Array.from(vector.inputs[3].toTypedArray());
    const pairs = x.shape.map((): [number, number] => [0, 0]);
    axes.forEach((axis, i) => (pairs[(axis + x.rank) % x.rank] = [pads[i]!, pads[axes.length + i]!]));
    const mode = modes[textOf(vector, "mode", "constant") as keyof typeof modes];
    const value = vector.inputs[2] === undefined ? 0 : Number(vector.inputs[2].item());
    return [T.pad(x, pairs, mode === "constant" ? { value } : { mode })];
  },
};

const crossEntropy: Operator = {
  mapping: [
    'crossEntropy(rows [N, C], labels, { reduction: "none", ignoreIndex }), classes moved to the end; weights of classes',
    "  (which it does not know) are multiplied on, and a mean divides by their sum. Log-probabilities by logSoftmax.",
  ],
  run(vector) {
    const [logits, labels, weights] = [inputOf(vector, 0), inputOf(vector, 1), vector.inputs[2]];
    const C = logits.shape[1]!;
    const order = [0, ...logits.shape.slice(2).map((_, axis) => axis + 2), 1];
    const rows = T.reshape(T.permute(logits, order), [logits.size / C, C]);
    const ignoreIndex = vector.attributes.ignore_index as number | undefined;
    const targets = T.reshape(labels, [labels.size]);
    const losses = T.crossEntropy(rows, targets, { reduction: "none", ...(ignoreIndex === undefined ? {} : { ignoreIndex }) });
    const ofClass = Array.from((weights ?? T.ones([C])).toTypedArray());
    const scale = T.tensor(Float32Array.from(targets.toTypedArray(), (label) => (label === ignoreIndex ? 0 : ofClass[label]!)));
    const each = T.mul(losses, scale);
    const reduction = textOf(vector, "reduction", "mean");
    const total = () => (reduction === "mean" ? T.div(T.sum(each), T.sum(scale)) : T.sum(each));
    const logProb = T.permute(T.reshape(T.logSoftmax(rows), [logits.shape[0]!, ...logits.shape.slice(2), C]), inverseOf(order));
    return [reduction === "none" ? T.reshape(each, labels.shape) : total(), logProb];
  },
};

const inverseOf = (order: readonly number[]): number[] => order.map((_, axis) => order.indexOf(axis));

/** Operators of `@heed/tensor`. */
export const elementaryOperators: Readonly<Record<string, Operator>> = {
  CumSum: cumulative,
  Einsum: einsum,
  GatherElements: gatherElements,
  Gelu: gelu,
  LayerNormalization: layerNormalization,
  LogSoftmax: softmax(T.logSoftmax),
  Pad: padding,
  RMSNormalization: rmsNormalization,
  ScatterElements: scatterElements,
  Softmax: softmax(T.softmax),
  SoftmaxCrossEntropyLoss: crossEntropy,
};
