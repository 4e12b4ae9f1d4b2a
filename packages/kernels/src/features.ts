export interface Features {
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  /** Whether threads can share the linear memory: not in pages that are not cross-origin isolated, nor where bytes are not compiled. */
  readonly sharedMemory: boolean;
}

let found: Features | undefined;

/** What the engine's WebAssembly can do, asked once by tiny modules. */
export function features(): Features {
  if (found === undefined) {
    const valid = (body: readonly number[]) => typeof WebAssembly === "object" && WebAssembly.validate(moduleWith(body));
    found = {
      // i32.const 0; i8x16.splat; drop
      simd: valid([0x41, 0x00, 0xfd, 0x0f, 0x1a]),
      // three times (i32.const 0; i8x16.splat); f32x4.relaxed_madd; drop
      relaxedSimd: valid([...[0, 1, 2].flatMap(() => [0x41, 0x00, 0xfd, 0x0f]), 0xfd, 0x85, 0x02, 0x1a]),
      sharedMemory: hasSharedMemory(),
    };
  }
  return found;
}

function hasSharedMemory(): boolean {
  // A page that is not isolated makes such memories too, but cannot send them to its workers.
  if (typeof WebAssembly !== "object" || typeof SharedArrayBuffer !== "function" || globalThis.crossOriginIsolated === false) return false;
  try {
    // Compiled, not only validated: some engines take modules that were compiled before, for an unshared memory, and nothing else.
    return new WebAssembly.Module(importingSharedMemory()) instanceof WebAssembly.Module;
  } catch {
    return false;
  }
}

/** A module that imports a shared memory `m.m`, and nothing else. */
function importingSharedMemory(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x02, 0x09, 0x01, 0x01, 0x6d, 0x01, 0x6d, 0x02, 0x03, 0x00, 0x01,
  ]);
}

/** A module of one function `() -> ()` with that body. */
function moduleWith(body: readonly number[]): Uint8Array<ArrayBuffer> {
  const code = [0x00, ...body, 0x0b];
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    0x01,
    0x00,
    0x00,
    0x00, // magic, version 1
    0x01,
    0x04,
    0x01,
    0x60,
    0x00,
    0x00, // type section: () -> ()
    0x03,
    0x02,
    0x01,
    0x00, // function section
    0x0a,
    code.length + 2,
    0x01,
    code.length,
    ...code, // code section
  ]);
}
