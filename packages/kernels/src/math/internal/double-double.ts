/** An unevaluated sum of two doubles, `high + low`, that holds about 106 bits. */
export type DoubleDouble = readonly [high: number, low: number];

/** `a + b` without error. Knuth's two-sum. */
export function exactSum(a: number, b: number): DoubleDouble {
  const sum = a + b;
  const part = sum - a;
  return [sum, a - (sum - part) + (b - part)];
}

/** `a · b` without error, while nothing overflows. Dekker's product over Veltkamp's halves. */
export function exactProduct(a: number, b: number): DoubleDouble {
  const product = a * b;
  const aHigh = upperHalf(a);
  const aLow = a - aHigh;
  const bHigh = upperHalf(b);
  const bLow = b - bHigh;
  return [product, aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)];
}

function upperHalf(a: number): number {
  const shifted = a * 134_217_729; // 2^27 + 1
  return shifted - (shifted - a);
}

export function sum([a, aLow]: DoubleDouble, [b, bLow]: DoubleDouble): DoubleDouble {
  const [high, low] = exactSum(a, b);
  return fastSum(high, low + aLow + bLow);
}

export function product([a, aLow]: DoubleDouble, [b, bLow]: DoubleDouble): DoubleDouble {
  const [high, low] = exactProduct(a, b);
  return fastSum(high, low + (a * bLow + aLow * b));
}

/** `a + b` without error where |a| ≥ |b|. */
function fastSum(a: number, b: number): DoubleDouble {
  const high = a + b;
  return [high, b - (high - a)];
}
