import { HeedError, ShapeError } from "@heed/kernels/light";
import * as arithmetic from "../operations/arithmetic.ts";
import * as views from "../operations/views.ts";
import { bytesPer, type DType, type TypedArray } from "./dtype.ts";
import { format } from "./format.ts";
import { widenHalf, widenBrain } from "./half.ts";
import type { Scope } from "./scope.ts";
import { isRowMajor, rowMajor, sizeOf, type Shape } from "./shape.ts";
import { Storage } from "./storage.ts";
import { runBackward, type Recording } from "./tape.ts";

/** Nested arrays of numbers, as deep as the rank; a number for a scalar. */
export type NestedArray = number | boolean | NestedArray[];

/** So many positions of an axis, from `first` on. */
export type Band = readonly [axis: number, first: number, count: number];

/**
 * An immutable n-dimensional array: a window (shape, strides, offset) on a storage. Views share the storage. Make one
 * with `tensor(…)`, `zeros(…)`, `normal(key, …)`; compute with functions (`softmax(x, -1)`). Methods exist for views and
 * arithmetic only. Time O(1) to make a view; memory that of the storage, as long as one of its views lives.
 * @see PyTorch's `torch.Tensor`
 */
export class Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
  /** @internal Where the elements live. */
  storage: Storage;
  /** @internal Elements from one index to the next, per axis. */
  strides: readonly number[];
  /** @internal Element of the storage at index 0, 0, … */
  offset: number;
  /** @internal What made this tensor, while its gradient can still be asked for. */
  recording: Recording | undefined;
  /** @internal Which result of the recording this is. */
  recordingIndex = 0;
  /** @internal Its recording was left behind when its outermost scope ended. */
  recordingLost = false;
  /** @internal Of a gradient: outside of this band it is zero. */
  band: Band | undefined;
  #leaf: boolean;
  #grad: Tensor | null = null;
  /** Somebody besides the leaf may hold the gradient. */
  #gradSeen = false;

  /** @internal Use `tensor(…)`. */
  constructor(storage: Storage, shape: Shape, strides: readonly number[] = rowMajor(shape), offset = 0, requiresGrad = false) {
    this.dtype = storage.dtype;
    this.shape = shape;
    this.storage = storage;
    this.strides = strides;
    this.offset = offset;
    this.#leaf = requiresGrad;
  }

  /** The number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether `backward` reaches it: a leaf made with `requiresGrad`, or a recorded result of one. */
  get requiresGrad(): boolean {
    return this.#leaf || this.recording !== undefined;
  }

  /** Of a leaf with `requiresGrad`: the sum of what `backward` found so far, or null. */
  get grad(): Tensor | null {
    this.#gradSeen = true;
    return this.#grad;
  }

  set grad(value: Tensor | null) {
    const before = this.#grad;
    this.#grad = value;
    // Whoever still holds the old one finds it on the heap; linear memory keeps none that no leaf leads to.
    if (before !== null && before !== value) before.storage.leaveResidency();
    this.#gradSeen = true;
  }

  /** @internal `grad`, for whoever does not hand it on. */
  get heldGrad(): Tensor | null {
    return this.#grad;
  }

  /** @internal Takes a gradient that nobody else holds. */
  takeGrad(value: Tensor): void {
    this.grad = value;
    this.#gradSeen = false;
  }

  /** @internal Forgets the gradient. One that nobody else can hold ends at once. */
  clearGrad(): void {
    const storage = this.#grad?.storage;
    if (storage?.home === "resident" && !this.#gradSeen) storage.end();
    this.grad = null;
  }

  /** @internal */
  get isRowMajor(): boolean {
    return isRowMajor(this.shape, this.strides);
  }

  /** A flat copy in row-major order. float16 and bfloat16 come widened to float32, bool as 0 and 1. */
  toTypedArray(): Float32Array | Float64Array | Int32Array | Uint8Array {
    const { offset, size, storage } = this;
    const flat = this.isRowMajor
      ? storage.copyOf("toTypedArray", offset, offset + size)
      : gatherElements(this, storage.read("toTypedArray"));
    if (this.dtype === "float16") return Float32Array.from(flat, widenHalf);
    if (this.dtype === "bfloat16") return Float32Array.from(flat, widenBrain);
    return flat as Float32Array;
  }

  /** Nested arrays, as deep as the rank; a number (bool: a boolean) for a scalar. */
  toArray(): NestedArray {
    const flat = this.toTypedArray();
    const strides = rowMajor(this.shape);
    const nest = (axis: number, at: number): NestedArray => {
      if (axis === this.rank) return this.dtype === "bool" ? flat[at] !== 0 : flat[at];
      return Array.from({ length: this.shape[axis] }, (_, i) => nest(axis + 1, at + i * strides[axis]));
    };
    return nest(0, 0);
  }

  /**
   * The only element, as a number.
   * @throws {ShapeError} when there is more than one, or none.
   */
  item(): number {
    if (this.size !== 1)
      throw new ShapeError("item", "the tensor must have exactly one element", { shape: this.shape }, "Reduce first, or use toArray().");
    return this.toTypedArray()[0];
  }

  /** Values, shape and dtype, readable; long axes are shortened. */
  toString(): string {
    return format(this);
  }

  /**
   * Adds the gradient of this tensor, times `cotangent`, to `.grad` of every leaf with `requiresGrad` that it was computed
   * from, consuming the recording.
   *
   * @param cotangent of this tensor's shape; may be left out for a single element, where it is 1
   * @throws {ScopeError} when the recording ended with its scope; {HeedError} when nothing was recorded or it was consumed.
   */
  backward(cotangent?: Tensor): void {
    runBackward(this, cotangent);
  }

  /** The same elements without a history: gradients stop here. Shares the storage. */
  detach(): Tensor {
    return new Tensor(this.storage, this.shape, this.strides, this.offset);
  }

  /** @internal All storages that its unconsumed recording needs. */
  recordedStorages(): Set<Storage> {
    const storages = new Set<Storage>();
    const seen = new Set<Recording>();
    const open = [this.recording];
    while (open.length > 0) {
      const recording = open.pop();
      if (recording === undefined || seen.has(recording)) continue;
      seen.add(recording);
      for (const saved of recording.saved) {
        storages.add(saved.storage);
        open.push(saved.recording);
      }
      for (const input of recording.inputs) {
        if (input.recording === undefined) {
          storages.add(input.storage);
          if (input.heldGrad !== null) storages.add(input.heldGrad.storage);
        }
        open.push(input.recording);
      }
    }
    return storages;
  }

  /** @internal Leaves the outermost scope: what was recorded in it stays behind. */
  detachFromScope(scope: Scope): void {
    if (this.recording === undefined || this.recording.order < scope.firstRecording) return;
    this.recording = undefined;
    this.recordingLost = true;
  }

  /** @internal Moves out of a scope that ends; a view takes its own elements only. */
  takeOwnElements(to: Scope | undefined): void {
    if (this.storage.length === this.size && this.isRowMajor) {
      this.storage.moveTo(to);
      return;
    }
    const elements = this.storage.read("scope");
    const own = this.isRowMajor ? elements.slice(this.offset, this.offset + this.size) : gatherElements(this, elements);
    const storage = new Storage(this.dtype, this.size, own);
    storage.version = this.storage.version;
    this.storage = storage;
    this.strides = rowMajor(this.shape);
    this.offset = 0;
  }

  // Views and arithmetic, as methods.

  transpose(axis0 = -2, axis1 = -1): Tensor {
    return views.transpose(this, axis0, axis1);
  }
  permute(axes: readonly number[]): Tensor {
    return views.permute(this, axes);
  }
  reshape(shape: readonly number[]): Tensor {
    return views.reshape(this, shape);
  }
  slice(axis: number, start?: number, stop?: number, step?: number): Tensor {
    return views.slice(this, axis, start, stop, step);
  }
  expand(shape: readonly number[]): Tensor {
    return views.expand(this, shape);
  }
  squeeze(axis?: number): Tensor {
    return views.squeeze(this, axis);
  }
  unsqueeze(axis: number): Tensor {
    return views.unsqueeze(this, axis);
  }
  add(other: Tensor | number): Tensor {
    return arithmetic.add(this, other);
  }
  sub(other: Tensor | number): Tensor {
    return arithmetic.sub(this, other);
  }
  mul(other: Tensor | number): Tensor {
    return arithmetic.mul(this, other);
  }
  div(other: Tensor | number): Tensor {
    return arithmetic.div(this, other);
  }
  neg(): Tensor {
    return arithmetic.neg(this);
  }
}

/** Row-major copy of a strided window. */
function gatherElements(x: Tensor, elements: TypedArray): TypedArray {
  const out = new (elements.constructor as new (n: number) => TypedArray)(x.size);
  const { shape, strides } = x;
  const rank = shape.length;
  const index = new Array<number>(rank).fill(0);
  let at = x.offset;
  for (let i = 0; i < out.length; i++) {
    out[i] = elements[at];
    for (let axis = rank - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

/** The elements of its storage that a tensor touches: `[low, high)`. */
export function spanOf(x: Tensor): [number, number] {
  if (x.size === 0) return [x.offset, x.offset];
  const { shape, strides } = x;
  let low = x.offset;
  let high = x.offset;
  for (let axis = 0; axis < shape.length; axis++) {
    const reach = (shape[axis] - 1) * strides[axis];
    if (reach < 0) low += reach;
    else high += reach;
  }
  return [low, high + 1];
}

/** Bytes from the start of the storage to element 0 of the tensor. */
export function byteOffset(x: Tensor): number {
  return x.offset * bytesPer(x.dtype);
}

export function requireTensor(where: string, name: string, value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor))
    throw new HeedError(where, `${name} must be a Tensor`, { [name]: typeof value }, "Make one with tensor(…).");
}
