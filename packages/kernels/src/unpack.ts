/** A stretch of bytes in a compressed stream, as `tools/build-wasm.ts` writes it into modules for pages. */
export interface Packed {
  /** LZMA (literal context 3 bits, no bits of position, no header, no end mark) in base64. */
  readonly packed: string;
  readonly start: number;
  readonly end: number;
}

// Where each kind of decision has its probabilities. https://www.7-zip.org/sdk.html, lzma-specification.txt
const [IS_MATCH, IS_REPEAT, IS_FAR, IS_FARTHER, IS_FARTHEST, IS_LONG] = [0, 12, 24, 36, 48, 60] as const;
const SLOT = 72;
const SPECIAL = 328;
const ALIGN = 443;
const LENGTH = 459;
const REPEAT_LENGTH = 733;
const LITERAL = 1007;

/** Decodes LZMA. WebAssembly becomes a third shorter than base64 under gzip, and nothing in browsers inflates synchronously. */
export function unpack({ packed, start, end }: Packed): Uint8Array<ArrayBuffer> {
  const text = atob(packed);
  const probabilities = new Uint16Array(LITERAL + 0x300 * 8).fill(1024);
  const out = new Uint8Array(end);
  let [next, range, code] = [1, 0xffffffff, 0];
  const read = () => ((code << 8) | text.charCodeAt(next++)) >>> 0;
  for (let i = 0; i < 4; i++) code = read();
  const normalise = () => {
    if (range >= 1 << 24) return;
    range = (range << 8) >>> 0;
    code = read();
  };
  const bit = (index: number): 0 | 1 => {
    const p = probabilities[index];
    const bound = (range >>> 11) * p;
    const one = code >= bound;
    if (one) {
      range -= bound;
      code -= bound;
      probabilities[index] = p - (p >>> 5);
    } else {
      range = bound;
      probabilities[index] = p + ((2048 - p) >>> 5);
    }
    normalise();
    return one ? 1 : 0;
  };
  const tree = (at: number, bits: number): number => {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | bit(at + symbol);
    return symbol - (1 << bits);
  };
  const reverse = (at: number, bits: number): number => {
    let [symbol, value] = [1, 0];
    for (let i = 0; i < bits; i++) {
      const one = bit(at + symbol);
      symbol = (symbol << 1) | one;
      value |= one << i;
    }
    return value;
  };
  const direct = (bits: number): number => {
    let value = 0;
    for (let i = 0; i < bits; i++) {
      range >>>= 1;
      const one = code >= range;
      if (one) code -= range;
      value = (value << 1) | (one ? 1 : 0);
      normalise();
    }
    return value;
  };

  let [at, state] = [0, 0];
  const distances = [0, 0, 0, 0]; // The last four, the last one first, less one.
  const length = (coder: number): number => {
    if (bit(coder) === 0) return tree(coder + 2, 3);
    return bit(coder + 1) === 0 ? 8 + tree(coder + 10, 3) : 16 + tree(coder + 18, 8);
  };
  const distance = (long: number): number => {
    const slot = tree(SLOT + (Math.min(long, 3) << 6), 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) << bits;
    return base + (slot < 14 ? reverse(SPECIAL + base - slot, bits) : (direct(bits - 4) << 4) + reverse(ALIGN, 4));
  };
  const literal = (): number => {
    const coder = LITERAL + 0x300 * ((at === 0 ? 0 : out[at - 1]) >> 5);
    let symbol = 1;
    if (state >= 7) {
      // After a copy: the byte that would have come next is a good guess, as long as its bits are right.
      for (let guess = out[at - distances[0] - 1] << 1; symbol < 0x100; guess <<= 1) {
        const expected = (guess >> 8) & 1;
        const one = bit(coder + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | one;
        if (one !== expected) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | bit(coder + symbol);
    return symbol;
  };

  while (at < end) {
    if (bit(IS_MATCH + state) === 0) {
      out[at] = literal();
      at++;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let count = 1;
    if (bit(IS_REPEAT + state) === 0) {
      const long = length(LENGTH);
      count = long + 2;
      distances.unshift(distance(long));
      distances.pop();
      state = state < 7 ? 7 : 10;
    } else {
      const far = bit(IS_FAR + state) === 0 ? 0 : bit(IS_FARTHER + state) === 0 ? 1 : 2 + bit(IS_FARTHEST + state);
      if (far === 0 && bit(IS_LONG + state) === 0) {
        state = state < 7 ? 9 : 11;
      } else {
        distances.unshift(...distances.splice(far, 1));
        count = length(REPEAT_LENGTH) + 2;
        state = state < 7 ? 8 : 11;
      }
    }
    for (; count > 0 && at < end; count--, at++) out[at] = out[at - distances[0] - 1];
  }
  return out.slice(start, end);
}
