import { math } from "@heed/kernels";
import { HeedError } from "@heed/tensor";
import type { Audio } from "./parse-wav.ts";
import { powerSpectrum } from "./power-spectrum.ts";

export interface LogMelOptions {
  /** Milliseconds of a frame. Default 25. */
  readonly windowMs?: number;
  /** Milliseconds from one frame to the next. Default 10. */
  readonly hopMs?: number;
  /** Bands. Default 40. */
  readonly numMels?: number;
  /** Hz of the lowest and the highest band's edge. Defaults 0, and half the sample rate. */
  readonly lowest?: number;
  readonly highest?: number;
  /** Each sample less so much of the one before: 0.97 lifts high tones. Default 0. */
  readonly preEmphasis?: number;
  /** Added to the energy before the logarithm. Default 1e-6. */
  readonly floor?: number;
}

/** Frames of a recording, `[frames · width]`, row-major. */
export interface Frames {
  readonly count: number;
  readonly width: number;
  readonly values: Float32Array;
}

/**
 * Log-mel frames: Hann window, power spectrum, triangular bands of equal width on the mel scale, natural logarithm. `[frames, numMels]`, with
 * 1 + ⌊(samples − window) / hop⌋ frames; a recording shorter than a window gives one, filled up with zeros, an empty one none.
 *
 * Mel of f Hz: 2595 log₁₀(1 + f / 700) (O'Shaughnessy). Channels are averaged. The same bits on every engine.
 * @throws {HeedError} for options out of range.
 *
 * Time O(frames · window log window).
 * @see Davis and Mermelstein 1980, "Comparison of Parametric Representations for Monosyllabic Word Recognition"
 */
export function logMel({ samples, sampleRate, channels }: Audio, options: LogMelOptions = {}): Frames {
  const { windowMs = 25, hopMs = 10, numMels = 40, lowest = 0, highest = sampleRate / 2, preEmphasis = 0, floor = 1e-6 } = options;
  const [window, hop] = [Math.round((windowMs * sampleRate) / 1000), Math.round((hopMs * sampleRate) / 1000)];
  if (!(window >= 1 && hop >= 1)) throw new HeedError("logMel", "window and hop must hold a sample", { windowMs, hopMs, sampleRate });
  if (!Number.isInteger(numMels) || numMels < 1) throw new HeedError("logMel", "numMels must be a whole number from 1 on", { numMels });
  if (!(lowest >= 0 && lowest < highest && highest <= sampleRate / 2)) {
    throw new HeedError("logMel", "bands lie between 0 and half the sample rate", { lowest, highest, sampleRate });
  }
  if (!(floor > 0 && Number.isFinite(floor)) || !Number.isFinite(preEmphasis)) {
    throw new HeedError("logMel", "floor must be above 0 and finite, preEmphasis finite", { floor, preEmphasis });
  }
  const signal = mono(samples, channels);
  const count = signal.length === 0 ? 0 : Math.max(1, 1 + Math.floor((signal.length - window) / hop));
  const size = 2 ** (32 - Math.clz32(window - 1)); // the next power of two
  const spectrum = powerSpectrum(size);
  const bands = bandsOf(numMels, size, sampleRate, lowest, highest);
  const hann = Float64Array.from({ length: window }, (_, i) => 0.5 - 0.5 * math.cos((2 * Math.PI * i) / window));
  const frame = new Float64Array(size);
  const values = new Float32Array(count * numMels);
  for (let t = 0; t < count; t++) {
    frame.fill(0);
    for (let i = 0; i < window && t * hop + i < signal.length; i++) {
      const at = t * hop + i;
      const before = at === 0 ? 0 : signal[at - 1];
      frame[i] = (signal[at] - preEmphasis * before) * hann[i];
    }
    const power = spectrum(frame);
    bands.forEach(({ first, weights }, band) => {
      let energy = 0;
      weights.forEach((weight, k) => (energy += weight * power[first + k]));
      values[t * numMels + band] = math.log(energy + floor);
    });
  }
  return { count, width: numMels, values };
}

function mono(samples: Float32Array, channels: number): ArrayLike<number> {
  if (channels === 1) return samples;
  return Float64Array.from({ length: samples.length / channels }, (_, i) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += samples[i * channels + channel];
    return sum / channels;
  });
}

/** Triangles over the bins of a spectrum: where each begins, and its weights. */
function bandsOf(
  numMels: number,
  size: number,
  sampleRate: number,
  lowest: number,
  highest: number,
): { first: number; weights: number[] }[] {
  const mel = (hz: number) => (2595 * math.log1p(hz / 700)) / Math.LN10;
  const hz = (m: number) => 700 * math.expm1((m * Math.LN10) / 2595);
  const [low, high] = [mel(lowest), mel(highest)];
  const edges = Array.from({ length: numMels + 2 }, (_, i) => hz(low + ((high - low) * i) / (numMels + 1)));
  return Array.from({ length: numMels }, (_, band) => {
    const [from, middle, to] = edges.slice(band, band + 3);
    const weights: number[] = [];
    let first = 0;
    for (let bin = 0; bin <= size / 2; bin++) {
      const at = (bin * sampleRate) / size;
      const weight = Math.min((at - from) / (middle - from), (to - at) / (to - middle));
      if (weight <= 0) continue;
      if (weights.length === 0) first = bin;
      weights.push(weight);
    }
    return { first, weights };
  });
}
