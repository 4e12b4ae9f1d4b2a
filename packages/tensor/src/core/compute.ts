import { Region, unaryKernels } from "@heed/kernels";
import { copy } from "../operations/copy.ts";
import { axpy } from "../operations/axpy.ts";
import { isReal, requireReal, type DType } from "./dtype.ts";
import { currentScope, newStorage } from "./scope.ts";
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

/** Scratch of the running call; calls nest (a kernel body never computes tensors, but copies inside do). */
const idle: Region[] = [];

function withWorkspace<T>(fn: (workspace: Region) => T): T {
  const workspace = idle.pop() ?? new Region();
  try {
    return fn(workspace);
  } finally {
    workspace.end();
    idle.push(workspace);
  }
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
  return withWorkspace((workspace) => {
    const scratch: Scratch = (bytes) => workspace.allocate(bytes);
    const reads = inputs.map((input) => {
      const [low, high] = spanOf(input);
      return input.storage.addressForReading(where, low, high, scope, workspace) + byteOffset(input);
    });
    const results = outputs.map(({ shape, dtype }) => new Tensor(newStorage(dtype, sizeOf(shape)), shape));
    const writes = results.map((result) => result.storage.writeInPlace(where, scope, workspace, true));
    body(reads, writes.map(({ address }) => address), scratch);
    for (const write of writes) write.done();
    for (const result of results) result.storage.version = 0;
    return results;
  });
}

/** `compute` with one result. */
export function computeOne(where: string, inputs: readonly Tensor[], shape: Shape, dtype: DType, body: (inputs: readonly number[], output: number, scratch: Scratch) => void): Tensor {
  return compute(where, inputs, [{ shape, dtype }], (reads, [write], scratch) => body(reads, write, scratch))[0];
}

/**
 * Lets a kernel write in place to tensors that own their whole storage: parameters, buffers, optimiser state, caches.
 * Recordings that saved an older version will refuse to run backward.
 */
export function mutate(where: string, targets: readonly Tensor[], inputs: readonly Tensor[], body: (targets: readonly number[], inputs: readonly number[], scratch: Scratch) => void): void {
  const scope = currentScope();
  withWorkspace((workspace) => {
    const reads = inputs.map((input) => {
      const [low, high] = spanOf(input);
      return input.storage.addressForReading(where, low, high, scope, workspace) + byteOffset(input);
    });
    const writes = targets.map((target) => target.storage.writeInPlace(where, scope, workspace));
    body(writes.map(({ address }, i) => address + byteOffset(targets[i])), reads, (bytes) => workspace.allocate(bytes));
    for (const write of writes) write.done();
  });
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
  mutate("scale", [target], [], ([at]) => {
    if (target.size > 0) unaryKernels.on(dtype).scale(at, at, target.size, factor, 0);
  });
}
