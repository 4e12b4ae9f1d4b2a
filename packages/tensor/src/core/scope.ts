import { allocatorBytes, Region, ScopeError } from "@heed/kernels/light";
import { forgetBlocksOf, residentReport, Storage } from "./storage.ts";
import { isDifferentiating } from "./tape.ts";
import { Tensor } from "./tensor.ts";
import type { DType } from "./dtype.ts";

/** The region in which results are born while a scope's function runs. */
export class Scope {
  readonly parent: Scope | undefined;
  readonly outermost: Scope;
  readonly region = new Region();
  ended = false;
  /** Recordings from this number on were made while it was open. */
  readonly firstRecording = recordings;
  /** Of the outermost scope: outside storages that have a copy in its region. */
  readonly shadowed = new Set<Storage>();

  constructor(parent: Scope | undefined) {
    this.parent = parent;
    this.outermost = parent?.outermost ?? this;
  }
}

let current: Scope | undefined;
let recordings = 0;

/** The number of the next recording: later ones have greater numbers. */
export function nextRecording(): number {
  return recordings;
}

/** Counts a recording, and tells its number. */
export function countRecording(): number {
  return recordings++;
}

/** The innermost open scope. */
export function currentScope(): Scope | undefined {
  return current;
}

/** Storages created while `fn` runs, in the current scope only. */
let journal: Storage[] | undefined;

/** A new storage where results of this moment belong. */
export function newStorage(dtype: DType, length: number): Storage {
  const storage = Storage.create(dtype, length, current);
  journal?.push(storage);
  return storage;
}

/** Runs `fn` and tells which storages it created in the current scope. */
export function journaled<T>(fn: () => T): { result: T; created: Storage[] } {
  const outer = journal;
  const created: Storage[] = (journal = []);
  try {
    return { result: fn(), created };
  } finally {
    journal = outer;
  }
}

/**
 * Runs `fn` on the fast path: results are born in linear memory, with no copies between operations. When `fn` returns,
 * the tensors in what it returned (also in arrays and plain objects) move out, to the enclosing scope or from the
 * outermost one to the engine's heap, and the rest of the region is reused.
 *
 * - A view of an outside tensor survives; a view that moves out takes its own elements only.
 * - An outside tensor is copied in once per outermost scope and version.
 * - A recording that was not consumed moves with its tensor into an enclosing scope. Leaving the outermost scope
 *   detaches, and `backward` then throws; except inside the function of a `grad`, which still needs the recording.
 * - An exception frees the region too; writes in place that were already made stay.
 *
 * @throws {ScopeError} when `fn` returns a promise, and wherever a tensor is touched whose scope has ended.
 *
 * Time O(1) besides `fn`, and a copy of what moves out.
 * @see Tofte and Talpin 1997, "Region-Based Memory Management"
 */
export function scope<T>(fn: () => T): T {
  const own = new Scope(current);
  const outerJournal = journal;
  current = own;
  journal = undefined;
  try {
    const result = fn();
    refuseAsync("scope", result);
    moveOut(result, own);
    return result;
  } finally {
    current = own.parent;
    journal = outerJournal;
    if (own.parent === undefined) for (const storage of own.shadowed) storage.leaveScope();
    forgetBlocksOf(own);
    own.ended = true;
    own.region.end();
  }
}

/** Scopes and modes are synchronous: what an asynchronous function does later would run outside them. */
export function refuseAsync(where: string, result: unknown): void {
  const promise = result as PromiseLike<unknown> | null | undefined;
  if (typeof promise?.then !== "function") return;
  promise.then(undefined, () => {}); // What it may still fail of is this error's doing: no unhandled rejection besides.
  throw new ScopeError(
    where,
    "the function must be synchronous, but it returned a promise",
    {},
    `Await first, and call ${where} on what follows.`,
  );
}

function moveOut(result: unknown, from: Scope): void {
  const tensors = new Set<Tensor>();
  collectTensors(result, tensors, new Set());
  if (from.parent === undefined && !isDifferentiating()) {
    for (const tensor of tensors) tensor.detachFromScope(from);
  } else {
    for (const tensor of tensors) for (const saved of tensor.recordedStorages()) if (saved.scope === from) saved.moveTo(from.parent);
  }
  for (const tensor of tensors) {
    const storage = tensor.storage;
    storage.check("scope");
    if (storage.scope === from) tensor.takeOwnElements(from.parent);
  }
}

/** Tensors in arrays and plain objects, however deep. */
export function collectTensors(value: unknown, into: Set<Tensor>, seen: Set<object>): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Tensor) {
    into.add(value);
    if (value.heldGrad !== null) into.add(value.heldGrad);
  } else if (Array.isArray(value)) for (const item of value) collectTensors(item, into, seen);
  else {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) for (const item of Object.values(value)) collectTensors(item, into, seen);
  }
}

function liveBytes(): number {
  let bytes = residentReport().residentBytes;
  for (let open = current; open !== undefined; open = open.parent) bytes += open.region.liveBytes;
  return bytes;
}

/**
 * What linear memory holds now: bytes of live blocks (residents, and the open scopes'), the most that were ever handed
 * out at once (with what running kernels borrowed, small blocks in chunks), the bytes that the memory has grown to, and
 * in debug mode (`configure({ debug: true })`) each live tensor's block with the call that made it. Tensors on the
 * engine's heap are not counted: the engine owns those. Where nothing is resident and no scope open, `liveBytes` is zero. Time O(1), in debug mode O(live blocks).
 * @see PyTorch's `torch.cuda.memory_stats`
 */
export function memory(): {
  liveBytes: number;
  highWaterBytes: number;
  reservedBytes: number;
  blocks: ReturnType<typeof residentReport>["blocks"];
} {
  const { most, top } = allocatorBytes();
  return { liveBytes: liveBytes(), highWaterBytes: most, reservedBytes: top, blocks: residentReport().blocks };
}
