import { tensor } from "../core/construct.ts";
import { Tensor } from "../core/tensor.ts";

/**
 * Runs `f` in float64, on the plain-loop reference of every kernel: what fast results are compared with.
 *
 * The tensors among the arguments, also in arrays and plain objects, come to `f` as float64 copies; their gradients are
 * their own. Integers, booleans and everything else come as they are. float64 tensors always run on the reference and no
 * dtype is promoted silently, so a tensor that `f` makes itself must be float64 too, or mixing them throws: nothing is
 * float32 by mistake. `f` may differentiate inside, with `grad`.
 *
 * @example const exact = inFloat64((q, k) => softmax(matmul(q, k.transpose()), -1), query, key);
 */
export function inFloat64<Inputs extends readonly unknown[], Result>(f: (...inputs: Inputs) => Result, ...inputs: Inputs): Result {
  return f(...(inputs.map(widen) as unknown as Inputs));
}

function widen(value: unknown): unknown {
  if (value instanceof Tensor) {
    const integer = value.dtype === "int32" || value.dtype === "uint8" || value.dtype === "bool";
    return integer ? value : tensor(Float64Array.from(value.toTypedArray()), { shape: value.shape, requiresGrad: value.requiresGrad });
  }
  if (Array.isArray(value)) return value.map(widen);
  if (typeof value !== "object" || value === null) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, widen(item)]));
}
