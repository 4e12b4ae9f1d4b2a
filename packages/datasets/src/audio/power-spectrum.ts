import { math } from "@heed/kernels";

/**
 * The power spectrum of real signals of `size`, a power of two: |X_k|², k = 0 … size / 2, by the fast Fourier transform in double precision.
 * The result is overwritten by the next call.
 * @see Cooley and Tukey 1965
 */
export function powerSpectrum(size: number): (signal: ArrayLike<number>) => Float64Array {
  const bits = 31 - Math.clz32(size);
  const turned = Int32Array.from({ length: size }, (_, i) => {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) if (i & (1 << bit)) reversed |= 1 << (bits - 1 - bit);
    return reversed;
  });
  const cosines = Float64Array.from({ length: size / 2 }, (_, k) => math.cos((2 * Math.PI * k) / size));
  const sines = Float64Array.from({ length: size / 2 }, (_, k) => -math.sin((2 * Math.PI * k) / size));
  const [real, imaginary] = [new Float64Array(size), new Float64Array(size)];
  const power = new Float64Array(size / 2 + 1);
  return (signal) => {
    for (let i = 0; i < size; i++) real[turned[i]] = signal[i];
    imaginary.fill(0);
    for (let half = 1; half < size; half *= 2) {
      const step = size / 2 / half;
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const [a, b] = [start + k, start + k + half];
          const [c, s] = [cosines[k * step], sines[k * step]];
          const re = real[b] * c - imaginary[b] * s;
          const im = real[b] * s + imaginary[b] * c;
          real[b] = real[a] - re;
          imaginary[b] = imaginary[a] - im;
          real[a] += re;
          imaginary[a] += im;
        }
      }
    }
    for (let k = 0; k <= size / 2; k++) power[k] = real[k] * real[k] + imaginary[k] * imaginary[k];
    return power;
  };
}
