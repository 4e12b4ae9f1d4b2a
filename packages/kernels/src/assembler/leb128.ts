import { AssemblerError } from "./assembler-error.ts";

/** Unsigned LEB128 of an integer in [0, 2³²). */
export function unsignedLeb128(value: number): number[] {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new AssemblerError("unsignedLeb128", `takes an integer in [0, 2^32), got ${value}`, "Round it, or check its sign.");
  }
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Signed LEB128 of an integer of 32 bits; one in [2³¹, 2³²) is read as unsigned bits, as `0x80000000` is meant. */
export function signedLeb128(value: number): number[] {
  if (!Number.isInteger(value) || value < -0x80000000 || value > 0xffffffff) {
    throw new AssemblerError("signedLeb128", `takes an integer in [-2^31, 2^32), got ${value}`, "Round it, or split it.");
  }
  return signedLeb128Big(BigInt(value | 0));
}

/** Signed LEB128 of an integer of 64 bits. */
export function signedLeb128Big(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asIntN(64, value);
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const signOfLow = (low & 0x40) !== 0;
    if ((rest === 0n && !signOfLow) || (rest === -1n && signOfLow)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}
