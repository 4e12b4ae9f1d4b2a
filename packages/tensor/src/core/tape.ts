import { HeedError, ScopeError, ShapeError, UnsupportedError } from "@heed/kernels/light";
import { add } from "../operations/arithmetic.ts";
import { full } from "./construct.ts";
import { addInPlace, copyInto } from "./compute.ts";
import { countRecording, journaled, nextRecording, refuseAsync } from "./scope.ts";
import { sameShape } from "./shape.ts";
import type { Storage } from "./storage.ts";
import { requireTensor, Tensor } from "./tensor.ts";
import { isReal } from "./dtype.ts";

/** Cotangents of the results in, cotangents of the inputs out; `undefined` stands for zero. */
export type BackwardRule = (cotangents: readonly (Tensor | undefined)[], needs: readonly boolean[]) => readonly (Tensor | undefined)[];

/** One recorded operation. */
export interface Recording {
  readonly name: string;
  readonly order: number;
  inputs: readonly Tensor[];
  /** All that the rule reads besides cotangents. */
  saved: readonly Tensor[];
  versions: readonly number[];
  /** Gone once the recording was consumed. */
  rule: BackwardRule | undefined;
}

let recordingOn = true;
/** How many calls of a gradient function are open: inside one, the walk is itself recorded. */
let depth = 0;

/**
 * Whether operations are recorded now.
 */
export function isRecording(): boolean {
  return recordingOn;
}

/** Whether the function of a `grad` or `valueAndGrad` runs now. */
export function isDifferentiating(): boolean {
  return depth > 0;
}

/**
 * Runs `fn` without recording: nothing in it can be differentiated later. Synchronous.
 * @throws {ScopeError} when `fn` returns a promise.
 *
 * Time O(1) besides `fn`.
 * @see PyTorch's `torch.no_grad`
 */
export function noGrad<T>(fn: () => T): T {
  const result = withRecording(false, fn);
  refuseAsync("noGrad", result);
  return result;
}

function withRecording<T>(on: boolean, fn: () => T): T {
  const before = recordingOn;
  recordingOn = on;
  try {
    return fn();
  } finally {
    recordingOn = before;
  }
}

/**
 * Attaches to results how to differentiate them, if recording is on and an input needs it.
 *
 * @param name of the operation, for messages
 * @param outputs fresh tensors that nobody else holds
 * @param inputs the differentiable inputs, in the order of the gradients that `rule` returns
 * @param saved every tensor that `rule` reads. They follow the recording out of nested scopes, and a write in place to one
 * of them makes `backward` throw.
 * @param rule gradients of the inputs from the cotangents of the outputs. Written with operations, it differentiates again.
 */
export function recordMany(
  name: string,
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  saved: readonly Tensor[],
  rule: BackwardRule,
): void {
  if (!recordingOn || !needsGradient(inputs)) return;
  const recording: Recording = {
    name,
    order: countRecording(),
    inputs,
    saved,
    versions: saved.map((tensor) => tensor.storage.version),
    rule,
  };
  outputs.forEach((output, index) => {
    if (!isReal(output.dtype)) return;
    output.recording = recording;
    output.recordingIndex = index;
  });
}

function needsGradient(inputs: readonly Tensor[]): boolean {
  for (const input of inputs) if (input.requiresGrad) return true;
  return false;
}

/** `recordMany` for one result; returns it. */
export function record(
  name: string,
  output: Tensor,
  inputs: readonly Tensor[],
  saved: readonly Tensor[],
  rule: (cotangent: Tensor, needs: readonly boolean[]) => readonly (Tensor | undefined)[],
): Tensor {
  if (recordingOn && needsGradient(inputs)) recordMany(name, [output], inputs, saved, ([cotangent], needs) => rule(cotangent!, needs));
  return output;
}

/** For fused kernels without a second derivative of their own. */
export function noSecondDerivative(name: string): never {
  throw new UnsupportedError(name, "has no second derivative in its fused form", {}, "Use its dense definition inside grad(grad(…)).");
}

/** `Tensor.backward`. */
export function runBackward(y: Tensor, cotangent: Tensor | undefined): void {
  y.storage.check("backward");
  if (!y.requiresGrad) {
    if (y.recordingLost) {
      throw new ScopeError(
        "backward",
        "the recording of this tensor ended with its outermost scope",
        { shape: y.shape },
        "Call backward inside the scope.",
      );
    }
    throw new HeedError(
      "backward",
      "nothing was recorded for this tensor",
      { shape: y.shape },
      "Make an input with requiresGrad: true, outside noGrad.",
    );
  }
  const seed = seedFor("backward", y, cotangent);
  withRecording(false, () => differentiate(y, seed, undefined, 0, true));
}

function seedFor(where: string, y: Tensor, cotangent: Tensor | undefined): Tensor {
  if (!cotangent) {
    if (y.size !== 1)
      throw new ShapeError(where, "only a single element has an implied cotangent", { shape: y.shape }, "Sum it, or pass a cotangent.");
    return full(y.shape, 1, { dtype: y.dtype });
  }
  if (!sameShape(cotangent.shape, y.shape) || cotangent.dtype !== y.dtype) {
    throw new ShapeError(where, "the cotangent must have the tensor's shape and dtype", {
      tensor: y.shape,
      cotangent: cotangent.shape,
      "tensor's dtype": y.dtype,
      "cotangent's dtype": cotangent.dtype,
    });
  }
  return cotangent;
}

/**
 * Walks the recordings from the newest to the oldest, down to number `first`. With `targets`, returns their gradients;
 * without, adds to `.grad` of the leaves.
 */
function differentiate(
  y: Tensor,
  seed: Tensor,
  targets: readonly Tensor[] | undefined,
  first: number,
  consume: boolean,
): (Tensor | undefined)[] {
  const pending = new Pending();
  const found: (Tensor | undefined)[] = (targets ?? []).map(() => undefined);
  const give = (tensor: Tensor, gradient: Tensor) => {
    const target = targets?.indexOf(tensor) ?? -1;
    if (target >= 0) {
      found[target] = pending.sum(found[target], gradient);
    } else if (tensor.recording !== undefined) {
      // Older ones are none of a gradient function's business: its targets did not exist yet, and somebody else may
      // still want to walk them.
      if (tensor.recording.order >= first) pending.add(tensor.recording, tensor.recordingIndex, gradient);
    } else if (targets === undefined && tensor.requiresGrad) accumulate(tensor, gradient);
  };

  give(y, seed);
  for (let next = pending.take(); next !== undefined; next = pending.take()) {
    const { recording, cotangents } = next;
    const { rule } = recording;
    if (!rule) {
      throw new HeedError(
        "backward",
        `the recording of "${recording.name}" was already consumed`,
        {},
        "Call backward once per recording, on the sum of what you differentiate; or use grad(f).",
      );
    }
    recording.saved.forEach((tensor, i) => {
      tensor.storage.check(`backward of ${recording.name}`);
      if (tensor.storage.version !== recording.versions[i]) {
        throw new HeedError(
          "backward",
          `a tensor that "${recording.name}" saved was written in place since`,
          { shape: tensor.shape },
          "Call backward before the optimiser's step.",
        );
      }
    });
    const needs = recording.inputs.map((input) => input.requiresGrad);
    const { inputs } = recording;
    const { created } = journaled(() => {
      const gradients = rule(cotangents, needs);
      for (let i = 0; i < inputs.length; i++) {
        const gradient = gradients[i];
        if (!needs[i] || !gradient) continue;
        if (!sameShape(gradient.shape, inputs[i].shape)) {
          throw new Error(`internal: gradient ${i} of "${recording.name}" is [${gradient.shape}], not [${inputs[i].shape}]`);
        }
        give(inputs[i], gradient);
      }
    });
    // Early release is for what only this walk can hold: not when the walk itself is recorded.
    if (!consume) continue;
    recording.rule = undefined;
    recording.saved = recording.inputs = [];
    pending.releaseUnused(created, cotangents);
  }
  return found;
}

/** Cotangents that wait, newest recording first, and the temporary storages that they lie in. */
class Pending {
  readonly #waiting = new Map<Recording, (Tensor | undefined)[]>();
  /** Recordings as a binary heap, newest on top. */
  readonly #heap: Recording[] = [];
  /** Storages made by the walk that something waiting lies in. */
  readonly #temporaries = new Set<Storage>();
  /** How many waiting cotangents, or results, lie in a storage. */
  readonly #holds = new Map<Storage, number>();
  /** Cotangents that sums replaced since the last release. */
  readonly #summed: Tensor[] = [];

  add(recording: Recording, index: number, gradient: Tensor): void {
    let slots = this.#waiting.get(recording);
    if (slots === undefined) {
      this.#waiting.set(recording, (slots = []));
      this.#push(recording);
    }
    slots[index] = this.sum(slots[index], gradient);
  }

  take(): { recording: Recording; cotangents: (Tensor | undefined)[] } | undefined {
    const recording = this.#pop();
    if (!recording) return undefined;
    const cotangents = this.#waiting.get(recording)!;
    this.#waiting.delete(recording);
    return { recording, cotangents };
  }

  /** What waits now: `gradient`, added to what waited before. */
  sum(before: Tensor | undefined, gradient: Tensor): Tensor {
    let sum = gradient;
    if (before) {
      sum = add(before, gradient);
      if (before.band === gradient.band) sum.band = before.band;
      this.#summed.push(before);
    }
    const { storage } = sum;
    this.#holds.set(storage, (this.#holds.get(storage) ?? 0) + 1);
    return sum;
  }

  /** Ends what a step created or took, as far as nothing waiting lies in it. */
  releaseUnused(created: readonly Storage[], taken: readonly (Tensor | undefined)[]): void {
    for (const tensor of taken) if (tensor) this.#drop(tensor.storage);
    for (const { storage } of this.#summed) this.#drop(storage);
    this.#summed.length = 0;
    for (const storage of created) {
      if (this.#holds.has(storage)) this.#temporaries.add(storage);
      else storage.end();
    }
  }

  #drop(storage: Storage): void {
    const left = this.#holds.get(storage)! - 1;
    if (left > 0) this.#holds.set(storage, left);
    else {
      this.#holds.delete(storage);
      if (this.#temporaries.delete(storage)) storage.end();
    }
  }

  #push(recording: Recording): void {
    const heap = this.#heap;
    let at = heap.push(recording) - 1;
    for (let up = (at - 1) >> 1; at > 0 && heap[up].order < recording.order; up = (at - 1) >> 1) {
      heap[at] = heap[up];
      at = up;
    }
    heap[at] = recording;
  }

  #pop(): Recording | undefined {
    const heap = this.#heap;
    const newest = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return newest;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && heap[down + 1].order > heap[down].order) down++;
      if (heap[down].order < last.order) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = last;
    return newest;
  }
}

/** Adds to `.grad`, which lives where the leaf lives. */
function accumulate(leaf: Tensor, gradient: Tensor): void {
  if (leaf.heldGrad !== null) {
    addInPlace(leaf.heldGrad, gradient);
    return;
  }
  const grad = new Tensor(leaf.storage.createGradient(leaf.size), leaf.shape);
  copyInto(grad, gradient);
  leaf.takeGrad(grad);
}

/**
 * Forgets gradients, of any shapes: the next `backward` starts from zero. Who still holds one keeps it. Time O(tensors).
 * @see PyTorch's `torch.optim.Optimizer.zero_grad`
 */
export function clearGrad(tensors: Iterable<Tensor>): void {
  for (const tensor of tensors) tensor.clearGrad();
}

/** A tensor, or tensors in an array or a plain object: what `grad` differentiates by. */
export type TensorTree = Tensor | readonly TensorTree[] | { readonly [name: string]: TensorTree };

/**
 * The gradient function of `f` by its first argument: a tensor, or tensors in an array or plain object; the gradient has
 * the same structure and shapes, zeros where `f` does not depend on one. `f` must return a single element. Touches no `.grad`; nests
 * (`grad(grad(f))` is the second derivative).
 * @throws {ShapeError} when `f` returns more than one element; {ScopeError} when it returns a promise.
 *
 * Time O(f), some two to four times as much in all.
 * @see PyTorch's `torch.func.grad`; Griewank and Walther, "Evaluating Derivatives", 2nd edition, 2008, §3.2 (the reverse mode)
 */
export function grad<X extends TensorTree, Rest extends readonly unknown[]>(
  f: (x: X, ...rest: Rest) => Tensor,
): (x: X, ...rest: Rest) => X {
  const both = valueAndGrad(f);
  return (x, ...rest) => both(x, ...rest).gradient;
}

/**
 * As `grad`, shapes and errors too, and the value besides. Time O(f), as `grad`.
 * @throws as `grad`.
 * @see JAX's `value_and_grad`
 */
export function valueAndGrad<X extends TensorTree, Rest extends readonly unknown[]>(
  f: (x: X, ...rest: Rest) => Tensor,
): (x: X, ...rest: Rest) => { value: Tensor; gradient: X } {
  return (x, ...rest) => {
    const nested = depth > 0;
    const first = nextRecording();
    const inner = mapTree(x, (tensor) => {
      const alias = new Tensor(tensor.storage, tensor.shape, tensor.strides, tensor.offset, true);
      return nested ? record("alias", alias, [tensor], [], (g) => [g]) : alias;
    });
    const targets: Tensor[] = [];
    mapTree(inner, (tensor) => (targets.push(tensor), tensor));
    depth++;
    try {
      const y = withRecording(true, () => f(inner as X, ...rest));
      refuseAsync("grad", y);
      requireTensor("grad", "the function's result", y);
      const seed = seedFor("grad", y, undefined);
      const found = withRecording(nested, () => differentiate(y, seed, targets, first, !nested));
      let at = 0;
      const gradient = mapTree(x, (tensor) => found[at++] ?? full(tensor.shape, 0, { dtype: tensor.dtype })) as X;
      return { value: nested ? y : y.detach(), gradient };
    } finally {
      depth--;
    }
  };
}

function mapTree(tree: TensorTree, fn: (tensor: Tensor) => Tensor): TensorTree {
  if (tree instanceof Tensor) return fn(tree);
  if (Array.isArray(tree)) return tree.map((item: TensorTree) => mapTree(item, fn));
  if (typeof tree !== "object" || tree === null) {
    throw new HeedError("grad", "the first argument must be a tensor, or tensors in arrays and plain objects", { received: typeof tree });
  }
  return Object.fromEntries(Object.entries(tree as Record<string, TensorTree>).map(([name, item]) => [name, mapTree(item, fn)]));
}
