import { attention } from "@heed/attention";
import {
  add,
  arange,
  broadcastTo,
  cast,
  concat,
  div,
  lessEqual,
  logicalAnd,
  matmul,
  mul,
  permute,
  reciprocal,
  reshape,
  softmax,
  split,
  sqrt,
  squeeze,
  sub,
  tanh,
  tensor,
  transpose,
  unsqueeze,
  where,
  type Tensor,
} from "@heed/tensor";
import { broadcastShapes } from "@heed/tensor/operation";
import type { DecodedModel } from "./decode-model.ts";

/**
 * Runs a model with @heed/tensor, for tests: each operator as its page in the ONNX documentation says, as far as our exports use it.
 * int64 is int32 here. `Attention` takes its mask and `is_causal` by ONNX's law (top left), which `queryOffset: 0` states.
 */
export function runModel(model: DecodedModel, inputs: Readonly<Record<string, Tensor>>): Tensor {
  const values = new Map(Object.entries(inputs));
  for (const [name, { type, dims, values: data }] of Object.entries(model.initializers)) {
    values.set(name, tensor(data, { shape: dims, dtype: type === "int64" ? "int32" : (type as "float32" | "bool") }));
  }
  for (const { opType, inputs, outputs, attributes: a } of model.nodes) {
    const results = [
      operators[opType](
        inputs.map((name) => values.get(name)!),
        a as Attributes,
      ),
    ].flat();
    outputs.forEach((name, i) => values.set(name, results[i]));
  }
  return values.get(model.outputs[0].name)!;
}

// Each operator knows which attributes it has.
type Attributes = Record<string, number> & Record<"perm", number[]>;

const list = (x: Tensor) => Array.from(x.toTypedArray(), Number);

const operators: Record<string, (x: Tensor[], a: Attributes) => Tensor | Tensor[]> = {
  Add: ([x, y]) => add(x, y),
  And: ([x, y]) => logicalAnd(x, y),
  Attention: ([q, k, v, mask], { q_num_heads: H, kv_num_heads: G, is_causal, scale, softcap }) => {
    const apart = (x: Tensor, heads: number | undefined) =>
      heads === undefined ? x : transpose(reshape(x, [x.shape[0], x.shape[1], heads, x.shape[2] / heads]), 1, 2);
    const [query, key, value] = [apart(q, H), apart(k, G), apart(v, G)];
    const [L, S, D] = [query.shape[2], key.shape[2], query.shape[3]];
    const triangle = is_causal === 1 ? lessEqual(arange(0, S), unsqueeze(arange(0, L), 1)) : undefined;
    const both = mask !== undefined && triangle !== undefined ? logicalAnd(mask, triangle) : (mask ?? triangle);
    const factor = (scale ?? 1 / Math.sqrt(D)) * Math.sqrt(D); // on top of the default one
    const y = attention(mul(query, factor), key, value, { ...(both && { mask: both }), ...(softcap && { softcap }) });
    return H === undefined ? y : reshape(transpose(y, 1, 2), [y.shape[0], L, y.shape[1] * y.shape[3]]);
  },
  Cast: ([x]) => cast(x, "float32"),
  Concat: (xs, { axis }) => concat(xs, axis),
  Div: ([x, y]) => div(x, y),
  Expand: ([x, target]) => broadcastTo(x, broadcastShapes("Expand", x.shape, list(target))),
  LessOrEqual: ([x, y]) => lessEqual(x, y),
  MatMul: ([x, y]) => matmul(x, y),
  Mul: ([x, y]) => mul(x, y),
  Range: ([start, limit]) => arange(start.item() as number, limit.item() as number),
  Reciprocal: ([x]) => reciprocal(x),
  Reshape: ([x, target]) => {
    const sizes = list(target).map((n, i) => (n === 0 ? x.shape[i] : n));
    const rest = x.size / sizes.reduce((product, n) => (n < 0 ? product : product * n), 1);
    return reshape(
      x,
      sizes.map((n) => (n < 0 ? rest : n)),
    );
  },
  Shape: ([x], { start = 0, end }) => tensor(Int32Array.from(x.shape.slice(start, end))),
  Softmax: ([x], { axis }) => softmax(x, axis),
  Split: ([x, sizes], { axis }) => split(x, list(sizes), axis),
  Sqrt: ([x]) => sqrt(x),
  Squeeze: ([x]) => squeeze(x),
  Sub: ([x, y]) => sub(x, y),
  Tanh: ([x]) => tanh(x),
  Transpose: ([x], { perm }) => permute(x, perm),
  Unsqueeze: ([x, axes]) => unsqueeze(x, list(axes)[0]),
  Where: ([condition, x, y]) => where(condition, x, y),
};
