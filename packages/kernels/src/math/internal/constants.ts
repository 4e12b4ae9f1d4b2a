/** ln 2 in two parts. The first has 33 bits, so its product with an exponent is exact. */
export const LN2_HIGH = 0.6931471804855391;
export const LN2_LOW = 7.440617110012397e-11;
