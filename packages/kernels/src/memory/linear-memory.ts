import { HeedError } from "../errors.ts";
import { features } from "../features.ts";

/**
 * The one linear memory in which all kernels work: a WebAssembly memory, or where there is no WebAssembly, an ordinary
 * buffer that grows by copying. Byte 0 is never handed out, so the pointer 0 can stand for "absent".
 */
export interface LinearMemory {
  /** What WebAssembly modules import; `undefined` where the engine has no WebAssembly. */
  readonly wasm: WebAssembly.Memory | undefined;
  /** Whether other threads can work in it too. */
  readonly isShared: boolean;
  /**
   * The buffer of this moment, when nobody else works in it. Growth replaces it, and worker threads write to it while operations run: never
   * keep it, or a view over it, across an allocation or an operation. A shared one is no ArrayBuffer, and some functions of browsers refuse views of it; typed arrays take both alike.
   */
  readonly buffer: ArrayBuffer;
  /** Grows until at least `bytes` bytes exist. */
  ensure(bytes: number): void;
}

const PAGE = 65_536;
/** Growth costs 5 to 7 ms on Node 22 and 24 whatever its size, so it comes in large steps once the memory is large. */
const LARGEST_STEP = 64 * 1024 * 1024;

let instance: LinearMemory | undefined;

/** The linear memory, made at first use. */
export function linearMemory(): LinearMemory {
  return (instance ??= typeof WebAssembly === "object" ? wasmMemory() : plainMemory());
}

/** From now on `before` runs before anybody gets the buffer. */
export function watchMemory(before: () => void): void {
  const plain = linearMemory();
  instance = {
    wasm: plain.wasm,
    isShared: plain.isShared,
    get buffer() {
      before();
      return plain.buffer;
    },
    ensure: (bytes) => plain.ensure(bytes),
  };
}

function wasmMemory(): LinearMemory {
  const wasm = (features().sharedMemory ? reserve(true) : undefined) ?? reserve(false)!;
  return {
    wasm,
    isShared: !(wasm.buffer instanceof ArrayBuffer),
    get buffer() {
      return wasm.buffer as ArrayBuffer;
    },
    ensure(bytes) {
      const present = wasm.buffer.byteLength;
      if (bytes <= present) return;
      const step = Math.max(bytes - present, Math.min(present, LARGEST_STEP));
      if (grow(wasm, step) || grow(wasm, bytes - present)) return;
      throw outOfMemory(bytes, present);
    },
  };
}

/** Engines on small machines refuse to reserve 4 GiB of addresses: ask for less, then. `undefined`: no shared memory, however small. */
function reserve(shared: boolean): WebAssembly.Memory | undefined {
  for (let maximum = 65_536; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: 16, maximum, shared });
    } catch (cause) {
      if (maximum > 1024) continue;
      if (shared) return undefined;
      throw cause;
    }
  }
}

function grow(memory: WebAssembly.Memory, bytes: number): boolean {
  try {
    memory.grow(Math.ceil(bytes / PAGE));
    return true;
  } catch {
    return false;
  }
}

function plainMemory(): LinearMemory {
  let buffer = new ArrayBuffer(16 * PAGE);
  return {
    wasm: undefined,
    isShared: false,
    get buffer() {
      return buffer;
    },
    ensure(bytes) {
      if (bytes <= buffer.byteLength) return;
      let larger: ArrayBuffer;
      try {
        larger = new ArrayBuffer(Math.max(bytes, buffer.byteLength * 2));
      } catch {
        throw outOfMemory(bytes, buffer.byteLength);
      }
      new Uint8Array(larger).set(new Uint8Array(buffer));
      buffer = larger;
    },
  };
}

function outOfMemory(wanted: number, present: number): HeedError {
  return new HeedError(
    "memory",
    "the linear memory cannot grow further (4 GiB at most, or what the engine allows)",
    { "wanted bytes": wanted, "present bytes": present },
    "Use smaller batches, or end scopes earlier.",
  );
}
