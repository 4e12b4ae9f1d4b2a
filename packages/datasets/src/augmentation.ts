import { randomStream, ShapeError, type RandomKey } from "@heed/tensor";

/** How a training picture may be changed without changing its class. Everything is off by default. */
export interface Augmentation {
  /** Shift by up to so many pixels each way; what comes in from outside has the mean colour. */
  shift?: number;
  /** Mirror every second picture. Not for patchworks, digits or text, whose class a mirror changes. */
  horizontalFlip?: boolean;
  /** Add up to ± this to every pixel, of 1. */
  brightness?: number;
  /** Multiply deviations from middle grey by 1 ± up to this. */
  contrast?: number;
}

/** @internal What happens to one picture. */
export interface Change {
  readonly dx: number;
  readonly dy: number;
  readonly mirrored: boolean;
  readonly gain: number;
  readonly offset: number;
}

/** @internal The change that a key stands for: draws are always taken in the same number and order, so that options do not disturb one another. */
export function drawChange(key: RandomKey, { shift = 0, horizontalFlip = false, brightness = 0, contrast = 0 }: Augmentation): Change {
  const random = randomStream(key);
  const dx = random.integer(2 * shift + 1) - shift;
  const dy = random.integer(2 * shift + 1) - shift;
  const coin = random.integer(2) === 1;
  const gain = 1 + contrast * (2 * random.uniform() - 1);
  const offset = brightness * (2 * random.uniform() - 1);
  return { dx, dy, mirrored: horizontalFlip && coin, gain, offset };
}

/** @internal */
export function checkAugmentation(where: string, { shift = 0, brightness = 0, contrast = 0 }: Augmentation): void {
  if (!Number.isInteger(shift) || shift < 0)
    throw new ShapeError(where, "augment.shift must be a whole number of pixels, 0 or more", { shift });
  for (const [name, value] of Object.entries({ brightness, contrast })) {
    if (!(value >= 0 && value <= 1)) throw new ShapeError(where, `augment.${name} must lie between 0 and 1`, { [name]: value });
  }
}
