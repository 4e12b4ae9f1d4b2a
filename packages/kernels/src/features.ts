let found: { simd: boolean; relaxedSimd: boolean } | undefined;

/** What the engine's WebAssembly can do, asked once by validating two tiny modules. */
export function features(): { readonly simd: boolean; readonly relaxedSimd: boolean } {
  if (found === undefined) {
    const valid = (body: readonly number[]) => typeof WebAssembly === "object" && WebAssembly.validate(moduleWith(body));
    found = {
      // i32.const 0; i8x16.splat; drop
      simd: valid([0x41, 0x00, 0xfd, 0x0f, 0x1a]),
      // three times (i32.const 0; i8x16.splat); f32x4.relaxed_madd; drop
      relaxedSimd: valid([...[0, 1, 2].flatMap(() => [0x41, 0x00, 0xfd, 0x0f]), 0xfd, 0x85, 0x02, 0x1a]),
    };
  }
  return found;
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
