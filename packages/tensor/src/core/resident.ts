import { Arena, type Place } from "./arena.ts";
import type { Storage } from "./storage.ts";
import { requireTensor, Tensor } from "./tensor.ts";

/** Something with long-lived tensors: a module, an optimiser. */
export interface Stateful {
  /** Its parameters, buffers, moments … */
  state(): Iterable<Tensor>;
}

/** Keeps state in linear memory until `release`. */
export interface Residency {
  /** Moves what has no other owner back to the engine's heap. Safe to call again. */
  release(): void;
}

/**
 * Gives long-lived tensors an owner: parameters, their gradients, optimiser state and buffers live in linear memory
 * together, so that no step copies them, until `release()`. Owners may overlap: what has an owner already stays where it
 * is, and returns to the heap with its last one. A residency that is dropped without `release` is released by the
 * engine's collector, late.
 *
 * @param parts modules, optimisers, or tensors, of any shapes
 *
 * Time O(size of the state), a copy in and one out.
 * @see Elementary: ownership
 * @example
 * const residency = resident([model, optimiser]);
 * try { for (const batch of batches) scope(() => step(batch)); } finally { residency.release(); }
 */
export function resident(parts: readonly (Stateful | Tensor)[]): Residency {
  const tensors = new Set<Tensor>();
  for (const part of parts) {
    if (part instanceof Tensor) tensors.add(part);
    else for (const tensor of part.state()) tensors.add(tensor);
  }
  for (const tensor of tensors) requireTensor("resident", "each part of the state", tensor);
  const leaves = [...tensors];
  const storages = new Set<Storage>(leaves.map((tensor) => tensor.storage));
  const owned = new Set<Storage>();
  const token = {};
  const holding: Holding = { storages: owned, leaves, token };
  try {
    const placeOf = layOut(storages);
    for (const storage of storages) {
      storage.own(placeOf.get(storage));
      owned.add(storage);
    }
    placeGradients(leaves.filter(({ storage, requiresGrad }) => requiresGrad && placeOf.has(storage)));
    for (const { heldGrad: grad, storage } of leaves) grad?.storage.own(storage.gradientPlace);
  } catch (error) {
    // An ended tensor, or no memory left: all or nothing.
    releaseHolding(holding);
    throw error;
  }
  const residency: Residency = {
    release() {
      net.unregister(token);
      releaseHolding(holding);
    },
  };
  const net = registry();
  net.register(residency, holding, token);
  return residency;
}

/**
 * Places one behind another, in the order of the state, for all that has no owner yet. Parameters and their moments then lie alike, each
 * kind in one piece, and so do gradients: an optimiser goes through them in one call.
 */
function layOut(storages: Iterable<Storage>): Map<Storage, Place> {
  const arena = new Arena();
  return new Map([...storages].filter(({ owners }) => owners === 0).map((storage) => [storage, arena.place(storage.bytes)]));
}

function placeGradients(leaves: readonly Tensor[]): void {
  const arena = new Arena();
  for (const { storage } of leaves) storage.gradientPlace ??= arena.place(storage.bytes);
}

interface Holding {
  storages: Set<Storage> | undefined;
  readonly leaves: readonly Tensor[];
  readonly token: object;
}

function releaseHolding(holding: Holding): void {
  const { storages } = holding;
  if (storages === undefined) return;
  holding.storages = undefined;
  for (const storage of storages) storage.disown();
  // A gradient lives where its leaf lives.
  for (const { heldGrad: grad, storage } of holding.leaves)
    if (grad?.storage.home === "resident" && storage.home !== "resident") grad.storage.leaveResidency();
}

let finalizers: FinalizationRegistry<Holding> | undefined;

function registry(): FinalizationRegistry<Holding> {
  return (finalizers ??= new FinalizationRegistry(releaseHolding));
}
