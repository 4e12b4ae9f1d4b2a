import { configuration, copyBytes, linearMemory, ScopeError, uint8View, type Region } from "@heed/kernels/light";
import { Arena, type Place } from "./arena.ts";
import { bytesPer, heapArray, viewOf, type DType, type TypedArray } from "./dtype.ts";
import type { Scope } from "./scope.ts";

/** A copy in linear memory of elements `low … high` of a heap storage, kept until the outermost scope ends. */
interface Shadow {
  readonly pointer: number;
  readonly low: number;
  readonly high: number;
  version: number;
  /** Newer than the heap: copied back when the scope ends. */
  dirty: boolean;
}

/** What lasts until a resident is written or moves: then it ends. */
export interface Beside {
  end(): void;
}
/** So few elements are copied faster as what they are than as bytes. */
const FEW = 256;

/**
 * Where the elements of one or more tensors live, and since when. Tensors and their views share a storage; moving it
 * moves them all.
 *
 * - `heap`: an ordinary typed array, which the engine collects.
 * - `scope`: a block of a scope's region.
 * - `resident`: a place in linear memory, with at least one owner.
 * - `ended`: gone; touching it throws.
 */
export class Storage {
  readonly dtype: DType;
  readonly length: number;
  /** Counts writes in place. */
  version = 0;
  home: "heap" | "scope" | "resident" | "ended" = "heap";
  /** Owners that keep it resident. */
  owners = 0;
  scope: Scope | undefined;
  /** Of a resident leaf: where its gradients go, one after the other. */
  gradientPlace: Place | undefined;
  #place: Place | undefined;
  #keepsGradients = false;
  #pointer = 0;
  #array: TypedArray | undefined;
  /** Set by `keepBeside`. */
  beside: Beside | undefined;
  /** Copies in the region of the open outermost scope. All those of the present version, and perhaps older ones. */
  #shadows: Shadow[] = [];

  constructor(dtype: DType, length: number, array?: TypedArray) {
    this.dtype = dtype;
    this.length = length;
    this.#array = array;
  }

  get bytes(): number {
    return this.length * bytesPer(this.dtype);
  }

  /** A new, uninitialised storage in the scope, or zeroed on the heap when there is none. */
  static create(dtype: DType, length: number, scope: Scope | undefined): Storage {
    const storage = new Storage(dtype, length);
    if (scope === undefined) storage.#array = heapArray(dtype, length);
    else storage.#enter(scope);
    return storage;
  }

  /** A new, uninitialised storage for a gradient by these elements, or by `length` of them: it lives where they live. */
  createGradient(length: number): Storage {
    if (this.home !== "resident") return Storage.create(this.dtype, length, this.home === "scope" ? this.scope : undefined);
    const gradient = new Storage(this.dtype, length);
    const place = this.gradientPlace;
    const fits = place !== undefined && !place.taken && length === this.length;
    gradient.#settle(fits ? place : new Arena().place(gradient.bytes));
    if (fits && !this.#keepsGradients) {
      // The next gradient finds its place again: gradients come and go with each step.
      place.arena.enter();
      this.#keepsGradients = true;
    }
    return gradient;
  }

  /** Throws when what it belonged to has ended. */
  check(where: string): void {
    if (this.home === "ended" || this.scope?.ended === true) {
      this.home = "ended";
      throw new ScopeError(
        where,
        "this tensor's scope has ended, and its memory was reused",
        { dtype: this.dtype, elements: this.length },
        "Return it from the scope's function, or keep(x) a copy.",
      );
    }
  }

  /** The elements as a typed array, to be read before the next allocation. */
  read(where: string): TypedArray {
    this.check(where);
    if (this.home !== "heap") return viewOf(this.dtype, linearMemory().buffer, this.#pointer, this.length);
    this.#flush();
    return this.#array!;
  }

  /** A copy of elements `low … high` on the engine's heap. */
  copyOf(where: string, low: number, high: number): TypedArray {
    if (this.home === "heap" || high - low < FEW) return this.read(where).slice(low, high);
    this.check(where);
    const copy = heapArray(this.dtype, high - low);
    copyOut(this.#pointer + low * bytesPer(this.dtype), copy);
    return copy;
  }

  /**
   * The byte address of element 0 such that elements `low … high` may be read by kernels. Only those are certain to be
   * there: for a heap storage the address may lie before the copied part.
   *
   * @param workspace takes the copy of a heap storage when no scope is open
   */
  addressForReading(where: string, low: number, high: number, scope: Scope | undefined, workspace: Region): number {
    this.check(where);
    if (this.home !== "heap") return this.#pointer;
    const width = bytesPer(this.dtype);
    if (scope !== undefined) {
      const shadow = this.#shadowIn(scope.outermost, low, high);
      return shadow.pointer - shadow.low * width;
    }
    const pointer = workspace.allocate((high - low) * width);
    copyIn(this.#array!, low, high, pointer);
    return pointer - low * width;
  }

  /** The byte address of element 0 of what lives in linear memory. */
  addressInMemory(where: string): number {
    this.check(where);
    return this.#pointer;
  }

  /**
   * The byte address of element 0, at which all elements may be read and changed in place until `written`. A heap storage
   * is copied in.
   */
  addressForWriting(where: string, scope: Scope | undefined, workspace: Region): number {
    this.check(where);
    if (this.home !== "heap") return this.#pointer;
    if (scope !== undefined) return this.#shadowIn(scope.outermost, 0, this.length).pointer;
    const address = workspace.allocate(this.bytes);
    copyIn(this.#array!, 0, this.length, address);
    return address;
  }

  /** Counts a new version after a write. A heap storage is written back: at once outside scopes, else when the outermost ends. */
  written(address: number, scope: Scope | undefined): void {
    this.version++;
    this.keepBeside(undefined);
    if (this.home !== "heap") return;
    if (scope === undefined) {
      copyOut(address, this.#array!);
      return;
    }
    const shadow = this.#shadows.find(({ pointer }) => pointer === address)!;
    shadow.version = this.version;
    shadow.dirty = true;
  }

  /** Keeps something beside a resident, until that is written or moves, or something else takes its place. */
  keepBeside(beside: Beside | undefined): void {
    this.beside?.end();
    this.beside = beside;
  }

  /** Takes the elements of a fresh heap storage from linear memory. */
  fillFrom(address: number): void {
    copyOut(address, this.#array!);
  }

  /** Moves to an enclosing scope, or to the heap. */
  moveTo(scope: Scope | undefined): void {
    const pointer = this.#pointer;
    if (scope === undefined) {
      const array = this.copyOf("scope", 0, this.length);
      this.#leave();
      this.home = "heap";
      this.#array = array;
      return;
    }
    const target = scope.region.allocate(this.bytes);
    copyInMemory(pointer, target, this.bytes);
    const maker = origins?.get(this);
    this.#leave();
    if (maker !== undefined) origins!.set(this, maker);
    this.home = "scope";
    this.scope = scope;
    this.#pointer = target;
  }

  /** Gives an owner: from now on the elements stay in linear memory, in `place` if that is given and nobody owned them before. */
  own(place?: Place): void {
    this.check("resident");
    if (this.owners > 0) {
      this.owners++;
      return;
    }
    const free = place === undefined || place.taken ? new Arena().place(this.bytes) : place;
    const address = free.arena.enter() + free.offset;
    try {
      if (this.home === "heap") {
        this.#flush();
        this.#shadows = []; // Their blocks end with the region.
        copyIn(this.#array!, 0, this.length, address);
        this.#array = undefined;
      } else {
        copyInMemory(this.#pointer, address, this.bytes);
        this.#leave();
      }
      this.#settle(free);
    } finally {
      free.arena.leave();
    }
  }

  #settle(place: Place): void {
    this.#pointer = place.arena.enter() + place.offset;
    this.#place = place;
    place.taken = true;
    this.home = "resident";
    this.owners = 1;
    residentBytes += this.bytes;
    remember(this);
  }

  /** Takes an owner away; without any, the elements return to the heap. */
  disown(): void {
    if (this.home !== "resident" || --this.owners > 0) return;
    this.moveTo(undefined);
  }

  /** To the heap, whoever owned it. */
  leaveResidency(): void {
    this.owners = 0;
    if (this.home === "resident") this.moveTo(undefined);
  }

  /** Ends it early: for values that nobody can hold any more. */
  end(): void {
    if (this.home === "scope" || this.home === "resident") this.#leave();
    this.#array = undefined;
    this.home = "ended";
  }

  /** Writes a newer copy back when the outermost scope ends. */
  leaveScope(): void {
    this.#flush();
    this.#shadows = [];
  }

  #enter(scope: Scope): void {
    this.home = "scope";
    this.scope = scope;
    this.#pointer = scope.region.allocate(this.bytes);
    remember(this);
  }

  #leave(): void {
    if (this.home === "scope" && !this.scope!.ended) this.scope!.region.release(this.#pointer, this.bytes);
    this.keepBeside(undefined);
    if (this.home === "resident") {
      const place = this.#place!;
      place.taken = false;
      place.arena.leave();
      if (this.#keepsGradients) this.gradientPlace!.arena.leave();
      this.#keepsGradients = false;
      this.gradientPlace = this.#place = undefined;
      residentBytes -= this.bytes;
    }
    this.scope = undefined;
    this.#pointer = 0;
    origins?.delete(this);
  }

  #shadowIn(outermost: Scope, low: number, high: number): Shadow {
    let copied = high - low;
    let stale = false;
    for (const shadow of this.#shadows) {
      if (shadow.version !== this.version) stale = true;
      else if (shadow.low <= low && shadow.high >= high) return shadow;
      else copied += shadow.high - shadow.low;
    }
    if (stale) this.#releaseStale(outermost);
    // Windows that overlap would copy their common elements again and again: then the whole, once.
    const [from, to] = copied > this.length ? [0, this.length] : [low, high];
    const pointer = outermost.region.allocate((to - from) * bytesPer(this.dtype));
    copyIn(this.#array!, from, to, pointer);
    outermost.shadowed.add(this);
    const shadow = { pointer, low: from, high: to, version: this.version, dirty: false };
    this.#shadows.push(shadow);
    return shadow;
  }

  /** Copies of older versions: no kernel that runs now reads them, since a version changes only after a kernel. */
  #releaseStale(outermost: Scope): void {
    this.#shadows = this.#shadows.filter((shadow) => {
      if (shadow.version === this.version) return true;
      outermost.region.release(shadow.pointer, (shadow.high - shadow.low) * bytesPer(this.dtype));
      return false;
    });
  }

  #flush(): void {
    for (const shadow of this.#shadows) {
      if (!shadow.dirty) continue;
      copyOut(shadow.pointer, this.#array!);
      shadow.dirty = false;
    }
  }
}

function copyIn(array: TypedArray, low: number, high: number, pointer: number): void {
  const width = array.BYTES_PER_ELEMENT;
  copyBytes(bytesOf(array), low * width, uint8View(), pointer, (high - low) * width);
}

function copyOut(pointer: number, array: TypedArray): void {
  copyBytes(uint8View(), pointer, bytesOf(array), 0, array.byteLength);
}

function copyInMemory(from: number, to: number, bytes: number): void {
  const all = uint8View();
  copyBytes(all, from, all, to, bytes);
}

export const bytesOf = (array: TypedArray): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

let residentBytes = 0;
let origins: Map<Storage, string> | undefined;

/** Counts what is kept beside residents, too. */
export function countResident(bytes: number): void {
  residentBytes += bytes;
}

/** In debug mode: which call made the block. */
function remember(storage: Storage): void {
  if (configuration().debug) (origins ??= new Map()).set(storage, new Error().stack ?? "");
}

/** Forgets which calls made the blocks of a scope that ends. */
export function forgetBlocksOf(scope: Scope): void {
  if (origins === undefined) return;
  for (const storage of origins.keys()) if (storage.scope === scope) origins.delete(storage);
}

/** Bytes with an owner, with what is kept beside them, and in debug mode every live block with the call that made it. */
export function residentReport(): { residentBytes: number; blocks: { bytes: number; dtype: DType; home: string; stack: string }[] } {
  const blocks = [...(origins ?? [])].map(([storage, stack]) => ({
    bytes: storage.bytes,
    dtype: storage.dtype,
    home: storage.home,
    stack,
  }));
  return { residentBytes, blocks };
}
