import { binaryKernels, Region } from "@heed/kernels/light";
import { axpy } from "../operations/axpy.ts";
import { constant } from "../operations/binary.ts";
import { copy } from "../operations/copy.ts";
import { isReal, requireReal, type DType } from "./dtype.ts";
import { currentScope, newStorage, type Scope } from "./scope.ts";
import type { Shape } from "./shape.ts";
import { sizeOf } from "./shape.ts";
import { byteOffset, spanOf, Tensor } from "./tensor.ts";

/** The shape and dtype of a result. */
export interface OutputSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Bytes that last for one kernel call, 64-byte aligned, uninitialised. */
export type Scratch = (bytes: number) => number;

/** Calls kernels. Addresses are those of each operand's element 0; strides are the operand's own. */
export type KernelBody = (inputs: readonly number[], outputs: readonly number[], scratch: Scratch) => void;

/** Workspaces of no running call. Calls nest: a kernel body never computes tensors, but copies inside do. */
const idle: Region[] = [];

/** Gives a workspace back, without what it allocated but its first chunk. */
function recycle(workspace: Region): void {
  workspace.reset();
  idle.push(workspace);
}

/** Byte addresses of the inputs' elements 0. */
function addresses(where: string, inputs: readonly Tensor[], scope: Scope | undefined, workspace: Region): number[] {
  const found = new Array<number>(inputs.length);
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i];
    const { storage } = input;
    const start = storage.home === "heap" ? copiedIn(where, input, scope, workspace) : storage.addressInMemory(where);
    found[i] = start + byteOffset(input);
  }
  return found;
}

function copiedIn(where: string, input: Tensor, scope: Scope | undefined, workspace: Region): number {
  const [low, high] = spanOf(input);
  return input.storage.addressForReading(where, low, high, scope, workspace);
}

/**
 * Runs a kernel on tensors: finds or copies the inputs into linear memory, allocates the results where they belong (in the
 * open scope, else on the engine's heap), and calls `body` with byte addresses. Shapes and dtypes are the caller's to
 * check before. Results come uninitialised: `body` writes every element.
 *
 * @param where the public function's name, for messages
 */
export function compute(where: string, inputs: readonly Tensor[], outputs: readonly OutputSpec[], body: KernelBody): Tensor[] {
  const scope = currentScope();
  const workspace = idle.pop() ?? new Region();
  try {
    const reads = addresses(where, inputs, scope, workspace);
    const results = new Array<Tensor>(outputs.length);
    const writes = new Array<number>(outputs.length);
    for (let i = 0; i < outputs.length; i++) {
      const { shape, dtype } = outputs[i];
      const storage = newStorage(dtype, sizeOf(shape));
      results[i] = new Tensor(storage, shape);
      writes[i] = scope === undefined ? workspace.allocate(storage.bytes) : storage.addressInMemory(where);
    }
    body(reads, writes, (bytes) => workspace.allocate(bytes));
    if (scope === undefined) for (let i = 0; i < results.length; i++) results[i].storage.fillFrom(writes[i]);
    return results;
  } finally {
    recycle(workspace);
  }
}

/** `compute` with one result. */
export function computeOne(
  where: string,
  inputs: readonly Tensor[],
  shape: Shape,
  dtype: DType,
  body: (inputs: readonly number[], output: number, scratch: Scratch) => void,
): Tensor {
  return compute(where, inputs, [{ shape, dtype }], (reads, [write], scratch) => body(reads, write, scratch))[0];
}

/**
 * Lets a kernel write in place to tensors that own their whole storage: parameters, buffers, optimiser state, caches.
 * Recordings that saved an older version will refuse to run backward.
 */
export function mutate(
  where: string,
  targets: readonly Tensor[],
  inputs: readonly Tensor[],
  body: (targets: readonly number[], inputs: readonly number[], scratch: Scratch) => void,
): void {
  const scope = currentScope();
  const workspace = idle.pop() ?? new Region();
  try {
    const reads = addresses(where, inputs, scope, workspace);
    const writes = targets.map((target) => target.storage.addressForWriting(where, scope, workspace));
    body(
      writes.map((address, i) => address + byteOffset(targets[i])),
      reads,
      (bytes) => workspace.allocate(bytes),
    );
    for (let i = 0; i < targets.length; i++) targets[i].storage.written(writes[i], scope);
  } finally {
    recycle(workspace);
  }
}

/** The same elements densely in row-major order: `x` itself where they are, else a copy. Not recorded. */
export function packed(x: Tensor): Tensor {
  if (x.isRowMajor) return x;
  return computeOne("copy", [x], x.shape, x.dtype, ([from], to) => copy(x.dtype, x.shape, from, x.strides, to));
}

/** `target ← x`, both of one shape and dtype; `target` is dense. */
export function copyInto(target: Tensor, x: Tensor): void {
  mutate("copy", [target], [x], ([to], [from]) => copy(x.dtype, x.shape, from, x.strides, to));
}

/** `target ← target + x`, both of one shape and real dtype; `target` is dense. */
export function addInPlace(target: Tensor, x: Tensor): void {
  const dense = packed(x);
  if (!isReal(target.dtype)) throw new Error(`internal: gradient of dtype ${target.dtype}`);
  const { dtype } = target;
  mutate("add", [target], [dense], ([to], [from]) => axpy(dtype, from, to, target.size, 1));
}

/** `target ← factor · target`; `target` is dense and real. */
export function scaleInPlace(target: Tensor, factor: number): void {
  const dtype = requireReal("scale", target.dtype);
  mutate("scale", [target], [], ([at], _, scratch) => {
    if (target.size > 0) binaryKernels.on(dtype).mul(at, 0, 1, constant(factor, dtype, scratch), 0, 0, at, 1, target.size);
  });
}
