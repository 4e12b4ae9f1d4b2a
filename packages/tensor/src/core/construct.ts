import { DTypeError, ShapeError } from "@heed/kernels/light";
import { heapArray, isReal, type DType, type TypedArray } from "./dtype.ts";
import { narrowBrain, narrowHalf } from "./half.ts";
import { requireShape, sizeOf, type Shape } from "./shape.ts";
import { Storage } from "./storage.ts";
import { Tensor, type NestedArray } from "./tensor.ts";

export interface TensorOptions {
  /** Of flat data; nested arrays bring their own. */
  readonly shape?: Shape;
  /** Default: that of the typed array; of nested numbers `float32`, of booleans `bool`. */
  readonly dtype?: DType;
  /** Makes a leaf whose `.grad` `backward` fills. Default false. */
  readonly requiresGrad?: boolean;
}

const own: readonly (readonly [new (n: number) => TypedArray, DType])[] = [
  [Float32Array, "float32"],
  [Float64Array, "float64"],
  [Int32Array, "int32"],
  [Uint8Array, "uint8"],
];

/**
 * A tensor of a nested array, a number, or a typed array (copied).
 *
 * @param data nested arrays of equal lengths; or a Float32Array, Float64Array, Int32Array, Uint8Array, flat and row-major
 * @param options.shape of flat data, default `[length]`
 * @param options.dtype default: of the typed array; float32 for numbers, bool for booleans. A Uint16Array with dtype
 * float16 or bfloat16 is taken as bits; any other data is rounded to the nearest, ties to even.
 * @throws {ShapeError} for ragged nesting, or a shape whose product is not the number of elements; {DTypeError} for a
 * fraction, or a number out of range, where an integer dtype is asked for.
 *
 * Time O(elements), a copy.
 * @see PyTorch's `torch.tensor`
 * @example tensor([[1, 2], [3, 4]])
 * @example tensor(new Float32Array(12), { shape: [3, 4], requiresGrad: true })
 */
export function tensor(data: NestedArray | ArrayLike<number>, options: TensorOptions = {}): Tensor {
  const typed = ArrayBuffer.isView(data) ? (data as unknown as TypedArray) : undefined;
  const nested = typed === undefined ? flatten(data as NestedArray) : undefined;
  const source: ArrayLike<number> = typed ?? nested!.flat;
  const dtype = options.dtype ?? (typed === undefined ? nested!.dtype : own.find(([type]) => typed instanceof type)?.[1]);
  if (dtype === undefined) {
    throw new DTypeError(
      "tensor",
      "this kind of array has no dtype of its own",
      { array: data.constructor.name },
      'Pass { dtype: "float16" } or "bfloat16" with bits in a Uint16Array, or convert.',
    );
  }
  const shape = options.shape ?? nested?.shape ?? [source.length];
  requireShape("tensor", shape);
  if (sizeOf(shape) !== source.length) {
    throw new ShapeError("tensor", "the shape's product must be the number of elements", { shape, elements: source.length });
  }
  requireDifferentiable("tensor", dtype, options.requiresGrad);
  return new Tensor(
    new Storage(dtype, source.length, toHeap("tensor", source, dtype, typed)),
    [...shape],
    undefined,
    0,
    options.requiresGrad,
  );
}

function requireDifferentiable(where: string, dtype: DType, requiresGrad = false): void {
  if (requiresGrad && !isReal(dtype)) throw new DTypeError(where, "only float32 and float64 have gradients", { dtype });
}

function toHeap(where: string, source: ArrayLike<number>, dtype: DType, typed: TypedArray | undefined): TypedArray {
  const array = heapArray(dtype, source.length);
  if (dtype === "float16" || dtype === "bfloat16") {
    if (typed instanceof Uint16Array) array.set(typed);
    else for (let i = 0; i < source.length; i++) array[i] = dtype === "float16" ? narrowHalf(source[i]) : narrowBrain(source[i]);
    return array;
  }
  array.set(source as never);
  if (dtype === "bool") for (let i = 0; i < array.length; i++) array[i] = source[i] ? 1 : 0;
  else if (dtype === "int32" || dtype === "uint8") {
    for (let i = 0; i < array.length; i++) {
      if (array[i] !== Number(source[i]))
        throw new DTypeError(where, `element ${i} is no ${dtype}`, { value: source[i] }, 'Round it first, or use dtype "float32".');
    }
  }
  return array;
}

function flatten(data: NestedArray): { flat: number[]; shape: number[]; dtype: DType } {
  const shape: number[] = [];
  for (let level: NestedArray | undefined = data; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat: number[] = [];
  let booleans = 0;
  const visit = (value: NestedArray, axis: number) => {
    if (Array.isArray(value) !== axis < shape.length || (Array.isArray(value) && value.length !== shape[axis])) {
      throw new ShapeError(
        "tensor",
        "nested arrays must be rectangular",
        { expected: shape, "length found": Array.isArray(value) ? value.length : "a number" },
        "Pad the shorter ones, and mask the padding.",
      );
    }
    if (Array.isArray(value)) for (const item of value) visit(item, axis + 1);
    else {
      if (typeof value === "boolean") booleans++;
      else if (typeof value !== "number") throw new DTypeError("tensor", "elements must be numbers or booleans", { element: typeof value });
      flat.push(Number(value));
    }
  };
  visit(data, 0);
  return { flat, shape, dtype: booleans > 0 && booleans === flat.length ? "bool" : "float32" };
}

export interface FillOptions {
  /** Default `float32`. */
  readonly dtype?: DType;
  readonly requiresGrad?: boolean;
}

/**
 * A tensor of one `value` everywhere, of any shape. Time O(size).
 * @throws {ShapeError} for lengths that are no whole numbers from 0 on.
 * @see PyTorch's `torch.full`
 */
export function full(shape: Shape, value: number, { dtype = "float32", requiresGrad = false }: FillOptions = {}): Tensor {
  requireShape("full", shape);
  requireDifferentiable("full", dtype, requiresGrad);
  const array = heapArray(dtype, sizeOf(shape));
  if (!Object.is(value, 0)) array.fill(toHeap("full", [value], dtype, undefined)[0]);
  return new Tensor(new Storage(dtype, array.length, array), [...shape], undefined, 0, requiresGrad);
}

/**
 * A tensor of `0`, of any shape. Time O(size).
 * @throws {ShapeError} for lengths that are no whole numbers from 0 on.
 * @see PyTorch's `torch.zeros`
 */
export function zeros(shape: Shape, options?: FillOptions): Tensor {
  return full(shape, 0, options);
}

/**
 * A tensor of `1`, of any shape. Time O(size).
 * @throws {ShapeError} for lengths that are no whole numbers from 0 on.
 * @see PyTorch's `torch.ones`
 */
export function ones(shape: Shape, options?: FillOptions): Tensor {
  return full(shape, 1, options);
}

/**
 * `[start, start + step, …)` up to but without `stop`; `arange(stop)` starts at 0. Default dtype `int32` for integers, else `float32`.
 * Of shape `[⌈(stop − start) / step⌉]`, empty where stop is not ahead of start. Time O(size).
 * @throws {ShapeError} for numbers that are not finite, or a step of 0.
 * @see NumPy's `arange`
 */
export function arange(start: number, stop?: number, step = 1, { dtype }: { dtype?: DType } = {}): Tensor {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (!(step !== 0 && Number.isFinite(from) && Number.isFinite(to) && Number.isFinite(step))) {
    throw new ShapeError("arange", "start, stop and step must be finite, step not 0", { start: from, stop: to, step });
  }
  const length = Math.max(0, Math.ceil((to - from) / step));
  const values = Array.from({ length }, (_, i) => from + i * step);
  const integers = Number.isInteger(from) && Number.isInteger(step);
  return tensor(values, { shape: [length], dtype: dtype ?? (integers ? "int32" : "float32") });
}

/**
 * The identity matrix `[n, m]` (m = n by default). Time O(n m).
 * @throws {ShapeError} for lengths that are no whole numbers from 0 on.
 * @see PyTorch's `torch.eye`
 */
export function eye(n: number, m = n, { dtype = "float32" }: { dtype?: DType } = {}): Tensor {
  requireShape("eye", [n, m]);
  const values = heapArray(dtype, n * m);
  const one = toHeap("eye", [1], dtype, undefined)[0];
  for (let i = 0; i < Math.min(n, m); i++) values[i * m + i] = one;
  return new Tensor(new Storage(dtype, n * m, values), [n, m]);
}
