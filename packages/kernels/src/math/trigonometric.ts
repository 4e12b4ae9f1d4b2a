import { highWord, withHighWord } from "./internal/bits.ts";
import { exactProduct } from "./internal/double-double.ts";
import { polynomial } from "./internal/polynomial.ts";

/** `(sin x − x) / x³` and `(cos x − 1 + x²/2) / x⁴` in x², |x| ≤ π/4, minimax within 2^-57 and 2^-63. */
const SIN = [
  -0.1666666666666663, 0.008333333333322061, -0.00019841269829542314, 2.755731360443608e-6, -2.5050745025345292e-8, 1.589606686890125e-10,
];
const COS = [
  0.041666666666666595, -0.0013888888888872975, 2.48015872888001e-5, -2.75573141639973e-7, 2.087569871125046e-9, -1.1358423651563302e-11,
];

/** π/2 in parts of 33, 33 and 53 bits, so that the products of the first two with a count of 20 bits are exact. */
const HALF_PI_PARTS = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21] as const;
const HALF_PI_HIGH = 1.5707963267948966;
const HALF_PI_LOW = 6.123233995736766e-17;
const TWO_OVER_PI = 0.6366197723675814;

/** sin x, x in radians of any size, the same bits on every engine. Error below 1 ulp. NaN at ±∞. */
export function sin(x: number): number {
  if (Math.abs(x) < 2 ** -27) return x;
  const { quadrant, high, low } = reduce(x);
  const value = quadrant & 1 ? cosOf(high, low) : sinOf(high, low);
  return quadrant & 2 ? -value : value;
}

/** cos x, x in radians of any size, the same bits on every engine. Error below 1 ulp. NaN at ±∞. */
export function cos(x: number): number {
  const { quadrant, high, low } = reduce(x);
  const value = quadrant & 1 ? sinOf(high, low) : cosOf(high, low);
  return (quadrant + 1) & 2 ? -value : value;
}

function sinOf(x: number, low: number): number {
  const z = x * x;
  return x + (z * x * polynomial(z, SIN) + low * (1 - 0.5 * z));
}

function cosOf(x: number, low: number): number {
  const z = x * x;
  const half = 0.5 * z;
  const one = 1 - half;
  return one + (1 - one - half + (z * z * polynomial(z, COS) - x * low));
}

/** x = quadrant · π/2 + high + low, |high| ≤ π/4 */
function reduce(x: number): { quadrant: number; high: number; low: number } {
  const size = Math.abs(x);
  if (size <= Math.PI / 4) return { quadrant: 0, high: x, low: 0 };
  if (size > 2 ** 20) return reduceLarge(x);
  const count = Math.floor(x * TWO_OVER_PI + 0.5);
  const first = x - count * HALF_PI_PARTS[0];
  const step = count * HALF_PI_PARTS[1];
  const second = first - step;
  const rest = first - second - step - count * HALF_PI_PARTS[2];
  const high = second + rest;
  return { quadrant: count & 3, high, low: rest - (high - second) };
}

/** The first 1200 bits of 2/π. */
const TWO_OVER_PI_BITS =
  "0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b";

/** The same for any size, in whole numbers: x is an integer times a power of two. */
function reduceLarge(x: number): { quadrant: number; high: number; low: number } {
  if (!Number.isFinite(x)) return { quadrant: 0, high: NaN, low: 0 };
  const exponent = ((highWord(x) >> 20) & 0x7ff) - 1075;
  const integer = BigInt(withHighWord(x, (highWord(x) & 0x800fffff) | (1075 << 20))); // 53 bits, with the sign
  const turns = (integer * BigInt(TWO_OVER_PI_BITS)) >> BigInt(1200 - 128 - exponent); // in quadrants, 128 bits behind the point
  const quadrant = (turns + (1n << 127n)) >> 128n;
  const fraction = turns - (quadrant << 128n);
  const part = Number(fraction);
  const [high, low] = [part * 2 ** -128, Number(fraction - BigInt(part)) * 2 ** -128];
  const [angle, angleLow] = exactProduct(high, HALF_PI_HIGH);
  return { quadrant: Number(quadrant & 3n), high: angle, low: angleLow + (high * HALF_PI_LOW + low * HALF_PI_HIGH) };
}
