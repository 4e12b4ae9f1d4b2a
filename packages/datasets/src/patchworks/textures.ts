import type { RandomStream } from "@heed/tensor";

/** The textures that a patchwork is told by: the rings, and the stripes whose place they are the measure of. */
export const stripes = ["horizontal stripes", "vertical stripes"] as const;

/** @internal Fillings that mean nothing. */
export const meaningless = ["plain", "blotches", "checks"] as const;

/** @internal What a disc is filled with. */
export type Filling = "rings" | (typeof stripes)[number] | (typeof meaningless)[number];

/** @internal A texture at (x, y) pixels from the centre of its disc, −1 … 1. */
export type Pattern = (x: number, y: number) => number;

/**
 * @internal One filling, with phases, tilt and polarity of its own.
 *
 * @param wavelength in pixels
 * @param jitter 0 … 1: how far phases and tilt stray; at 1 every phase is equally likely
 */
export function pattern(filling: Filling, random: RandomStream, wavelength: number, jitter: number): Pattern {
  const phase = (): number => 0.25 + jitter * (random.uniform() - 0.5);
  const [phaseU, phaseV] = [phase(), phase()];
  // Dark on bright or bright on dark: on average over pictures stripes vanish, so that no mean of pixels can tell them.
  const polarity = random.integer(2) * 2 - 1;
  // Turned by a shear both ways: no sine is needed, and lengths grow by tilt² / 2 only.
  const tilt = 0.3 * jitter * (2 * random.uniform() - 1);
  const frequency = 1 / wavelength;
  const u = (x: number, y: number): number => (x + tilt * y) * frequency + phaseU;
  const v = (x: number, y: number): number => (y - tilt * x) * frequency + phaseV;
  switch (filling) {
    case "rings": // always bright in the middle ring: every class has them, so this tells nothing, and they are found sooner
      return (x, y) => crisp(wave(Math.sqrt(x * x + y * y) * frequency + phaseU));
    case "horizontal stripes":
      return (x, y) => polarity * crisp(wave(v(x, y)));
    case "vertical stripes":
      return (x, y) => polarity * crisp(wave(u(x, y)));
    case "checks":
      return (x, y) => polarity * crisp(2 * wave(u(x, y)) * wave(v(x, y)));
    case "plain":
      return () => 0;
    case "blotches": {
      const signs = Int8Array.from({ length: 64 }, () => random.integer(2) * 2 - 1);
      return (x, y) => signs[((Math.floor(2 * u(x, y)) & 7) << 3) | (Math.floor(2 * v(x, y)) & 7)];
    }
  }
}

/** A triangle of period 1, −1 … 1. */
function wave(t: number): number {
  return 4 * Math.abs(t - Math.floor(t) - 0.5) - 1;
}

/** Steeper flanks: between a sine and a square. */
function crisp(value: number): number {
  const steep = 1.6 * value;
  return steep > 1 ? 1 : steep < -1 ? -1 : steep;
}
