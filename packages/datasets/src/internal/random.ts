/**
 * A key as the makers need it: an immutable point in a tree of random streams.
 * Splitting by the same name gives the same child on every engine; nothing here has state that a caller could disturb.
 */
export interface Key {
  split(name: string | number): Key;
  /** Two 32-bit words that identify the key. */
  readonly words: readonly [number, number];
}

/** A short-lived stream of draws. Made from a key, used for one thing, dropped: it is never shared between pictures. */
export interface Random {
  /** A whole number of 32 random bits. */
  bits(): number;
  /** `[0, 1)`, in steps of 2⁻³². */
  uniform(): number;
  /** `0 … below − 1`. */
  integer(below: number): number;
}

/** The root of a tree of streams. */
export function randomKey(seed: number): Key {
  return keyOf(mix(seed | 0, 0x9e3779b9), mix(Math.floor(seed / 2 ** 32) | 0, 0x85ebca6b));
}

function keyOf(high: number, low: number): Key {
  return {
    words: [high >>> 0, low >>> 0],
    split(name) {
      let [a, b] = [high, low];
      for (const unit of typeof name === "number" ? [name | 0, Math.floor(name / 2 ** 32) | 0, 1] : [...name].map((c) => c.codePointAt(0)!)) {
        a = mix(a ^ unit, b);
        b = mix(b + 0x9e3779b9, a);
      }
      return keyOf(a, b);
    },
  };
}

/** The finaliser of MurmurHash3 (Appleby, public domain) over two words. */
function mix(value: number, salt: number): number {
  let h = (value ^ Math.imul(salt | 0, 0x9e3779b1)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/**
 * The stream of a key: sfc32 (Doty-Humphrey, public domain; passes PractRand), which costs 2 ns a draw.
 * The bits per pixel of a picture need that; what a stream yields depends on its key alone.
 */
export function randomFrom(key: Key): Random {
  let [a, b] = key.words as [number, number];
  let c = 0x2545f491;
  let counter = 1;
  const bits = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
  for (let warm = 0; warm < 12; warm++) bits();
  return {
    bits,
    uniform: () => bits() / 2 ** 32,
    integer: (below) => Math.floor((bits() / 2 ** 32) * below),
  };
}

/** Fisher–Yates: a uniform order of 0 … count − 1. */
export function permutationOf(key: Key, count: number): Int32Array {
  const random = randomFrom(key);
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const j = random.integer(i + 1);
    order[i] = order[j]!;
    order[j] = i;
  }
  return order;
}
