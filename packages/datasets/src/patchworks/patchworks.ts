import { randomOrder, randomStream, randomWords, ShapeError, type RandomKey, type RandomStream } from "@heed/tensor";
import { imageSet, type ImageSet } from "../image-set.ts";
import { meaningless, pattern, stripes, type Filling } from "./textures.ts";

/** How many pictures, how large, and how hard. */
export interface PatchworkOptions {
  count: number;
  /** Height and width in pixels: a multiple of 16, 32 or more. Default 64. */
  size?: number;
  /** 0 … 1: how far discs leave the middle of their cell, and vary in size, wavelength, phase and tilt. What matters most. Default 0.25. */
  jitter?: number;
  /** Discs that mean nothing: plain, blotched or chequered; 0 … 12. Default 2. */
  distractors?: number;
  /** Add a disc of the other stripes, in neither row nor column of the rings. Much harder: then not even the bag of textures tells anything. Default `false`. */
  decoy?: boolean;
  /** Standard deviation of the noise on every pixel, of 255. Default 12. */
  noise?: number;
  /** How far apart a texture's two colours are, 0 … 1. Default 0.8. */
  contrast?: number;
  /** Make pictures `first` … `first + count − 1` of the endless set of this key. Default 0. */
  first?: number;
}

/** Discs stand on a grid of 4 × 4 cells: those of the 16 × 16 patches in a picture of 64 × 64. */
const grid = 4;

/** @internal Where the stripes stand as seen from the rings. */
export const relations = ["left of", "right of", "above", "below"] as const;
export type Relation = (typeof relations)[number];

/**
 * Patchworks: pictures made from a key, whose class is told by a local texture *and* the relation of two distant places.
 *
 * Each picture shows a disc of rings and a disc of stripes, one to three cells apart in a row or a column of a 4 × 4 grid, among distractors,
 * all in random colours on a noisy ground. The class is whether the stripes are horizontal or vertical (local texture), and
 * whether they are left of, right of, above or below the rings (relation): eight classes, chance 12.5 %.
 *
 * What a shortcut can reach, by construction, however clever it is:
 *
 * | sees | at most | because |
 * | --- | --- | --- |
 * | colours, anywhere | 12.5 % | one distribution for all fillings and classes |
 * | the bag of all patches, without their places | 25 % | it knows the stripes' texture; four relations remain |
 * | the places of all discs, but not their textures | 25 % | row or column is known; neither who is who, nor which stripes |
 * | one disc, its texture and its place | 45.8 % | from a middle cell the partner may be on any side, from a corner on two |
 *
 * So the class needs both discs, both textures, and the order of their places. Stripes are bright on dark as often as
 * dark on bright: no mean of pixels sees them. With `decoy` the bag tells nothing at all.
 *
 * Classes are balanced exactly: each eight pictures in a row hold every class once. Picture i depends on the key and i alone, so
 * `{ count: 10 }` is the beginning of `{ count: 1000 }`, and `first` continues it. A mirrored or turned picture has *another* class:
 * do not augment with flips; shifts of a few pixels are fine.
 *
 * @returns `images` `[count, 3, size, size]`
 * @throws {ShapeError} when `size` is not a multiple of 16 from 32 up, or another option is out of its range.
 *
 * Time O(count · size²): about 0.2 ms per picture of 64 × 64.
 * @see The task is ours; in its spirit Fleuret et al. 2011, "Comparing Machines and Humans on a Visual Categorization Test"
 * @example
 * const key = randomKey(7);
 * const train = patchworks(key.split("train"), { count: 4000 });
 * const test = patchworks(key.split("test"), { count: 1000 });
 */
export function patchworks(key: RandomKey, options: PatchworkOptions): ImageSet {
  const { count, size = 64, first = 0, jitter = 0.25, distractors = 2, decoy = false, noise = 12, contrast = 0.8 } = options;
  const difficulty: Difficulty = { jitter, distractors, decoy, noise, contrast };
  check(count, size, first, difficulty);

  const classNames = stripes.flatMap((texture) => relations.map((relation) => `${texture} ${relation} the rings`));
  const bytes = 3 * size * size;
  const images = new Uint8Array(count * bytes);
  const labels = new Int32Array(count);
  const labelKey = key.split("labels");
  const pictureKey = key.split("pictures");
  let block = -1;
  let order: Int32Array | undefined;
  for (let i = 0; i < count; i++) {
    const index = first + i;
    if (order === undefined || Math.floor(index / classNames.length) !== block) {
      block = Math.floor(index / classNames.length);
      order = randomOrder(labelKey.split(block), classNames.length);
    }
    labels[i] = order[index % classNames.length];
    paint(images.subarray(i * bytes, (i + 1) * bytes), size, labels[i], pictureKey.split(index), difficulty);
  }
  return imageSet(images, labels, { channels: 3, height: size, width: size, classNames });
}

interface Difficulty {
  readonly jitter: number;
  readonly distractors: number;
  readonly decoy: boolean;
  readonly noise: number;
  readonly contrast: number;
}

function check(count: number, size: number, first: number, { jitter, distractors, noise, contrast }: Difficulty): void {
  if (!Number.isInteger(size) || size < 32 || size % 16 !== 0) {
    throw new ShapeError(
      "patchworks",
      "size must be a multiple of 16, 32 or more, so that patches of 16 × 16 leave no rest",
      { size },
      "Take 64, for example.",
    );
  }
  for (const [name, value] of Object.entries({ count, first })) {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new ShapeError("patchworks", `${name} must be a whole number, 0 or more`, { [name]: value });
  }
  const room = grid * grid - 4; // rings, stripes, decoy, and one cell to spare
  if (!Number.isInteger(distractors) || distractors < 0 || distractors > room) {
    throw new ShapeError("patchworks", `distractors must be a whole number from 0 to ${room}`, { distractors });
  }
  for (const [name, value, most] of [
    ["jitter", jitter, 1],
    ["noise", noise, 255],
    ["contrast", contrast, 1],
  ] as const) {
    if (!(value >= 0 && value <= most)) throw new ShapeError("patchworks", `${name} must lie between 0 and ${most}`, { [name]: value });
  }
}

function paint(image: Uint8Array, size: number, label: number, key: RandomKey, difficulty: Difficulty): void {
  const random = randomStream(key);
  const { jitter, distractors, decoy, noise, contrast } = difficulty;
  const canvas = new Float32Array(3 * size * size);
  ground(canvas, size, random);

  const which = Math.floor(label / relations.length);
  const fillings: Filling[] = ["rings", stripes[which]];
  if (decoy) fillings.push(stripes[1 - which]);
  for (let i = 0; i < distractors; i++) fillings.push(meaningless[random.integer(meaningless.length)]);
  const cells = place(random, relations[label % relations.length], decoy, distractors);

  const cell = size / grid;
  const around = (middle: number, spread: number): number => middle * (1 + spread * jitter * (2 * random.uniform() - 1));
  for (const [i, filling] of fillings.entries()) {
    const radius = around(0.43 * cell, 0.12);
    const slack = jitter * (0.5 * cell - 0.9 * radius); // a disc may touch the next cell, not the next disc's middle
    const x = ((cells[i] % grid) + 0.5) * cell + slack * (2 * random.uniform() - 1);
    const y = (Math.floor(cells[i] / grid) + 0.5) * cell + slack * (2 * random.uniform() - 1);
    const wavelength = Math.max(2.5, around(0.32 * cell, 0.25));
    disc(canvas, size, { x, y, radius }, pattern(filling, random, wavelength, jitter), colours(random, contrast));
  }

  // The sum of two random bytes, a triangle, is near enough to normal, and one word pays for two. Mean 255, deviation 104.5.
  const words = randomWords(key.split("noise"), new Uint32Array(image.length / 2));
  const scale = noise / 104.5;
  for (let i = 0; i < image.length; i += 2) {
    const bits = words[i >> 1];
    image[i] = byte(canvas[i] + scale * ((bits & 255) + ((bits >>> 8) & 255) - 255));
    image[i + 1] = byte(canvas[i + 1] + scale * (((bits >>> 16) & 255) + (bits >>> 24) - 255));
  }
}

function byte(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value + 0.5;
}

/** @internal Cells of the rings, the stripes, the decoy if any, then the distractors: uniform over all placements that the class allows. */
export function place(random: RandomStream, relation: Relation, decoy: boolean, distractors: number): number[] {
  const line = random.integer(grid);
  const a = random.integer(grid);
  const b = (a + 1 + random.integer(grid - 1)) % grid;
  const [rings, striped] =
    relation === "right of" || relation === "below" ? [Math.min(a, b), Math.max(a, b)] : [Math.max(a, b), Math.min(a, b)];
  const inRow = relation === "left of" || relation === "right of";
  const cellOf = (along: number): number => (inRow ? line * grid + along : along * grid + line);
  const cells = [cellOf(rings), cellOf(striped)];

  const all = Array.from({ length: grid * grid }, (_, cell) => cell);
  if (decoy) {
    const aligned = (cell: number): boolean => cell % grid === cells[0] % grid || Math.floor(cell / grid) === Math.floor(cells[0] / grid);
    cells.push(
      draw(
        all.filter((cell) => !aligned(cell)),
        random,
      ),
    );
  }
  const free = all.filter((cell) => !cells.includes(cell));
  for (let i = 0; i < distractors; i++) cells.push(draw(free, random));
  return cells;
}

function draw(from: number[], random: RandomStream): number {
  return from.splice(random.integer(from.length), 1)[0];
}

/** A colour that drifts a little across the picture. */
function ground(canvas: Float32Array, size: number, random: RandomStream): void {
  for (let c = 0; c < 3; c++) {
    const [base, right, down] = [80 + 96 * random.uniform(), 40 * random.uniform() - 20, 40 * random.uniform() - 20];
    for (let y = 0, i = c * size * size; y < size; y++) {
      for (let x = 0; x < size; x++, i++) canvas[i] = base + right * (x / size - 0.5) + down * (y / size - 0.5);
    }
  }
}

interface Colour {
  readonly middle: number;
  readonly swing: number;
}

/** A middle and a swing per channel, of one distribution for all fillings. */
function colours(random: RandomStream, contrast: number): Colour[] {
  return Array.from({ length: 3 }, () => ({ middle: 96 + 64 * random.uniform(), swing: contrast * 127 * (0.4 + 0.6 * random.uniform()) }));
}

function disc(
  canvas: Float32Array,
  size: number,
  { x: cx, y: cy, radius }: { x: number; y: number; radius: number },
  value: (x: number, y: number) => number,
  colour: readonly Colour[],
): void {
  const plane = size * size;
  const [left, right] = [Math.max(0, Math.floor(cx - radius)), Math.min(size - 1, Math.ceil(cx + radius))];
  const [top, bottom] = [Math.max(0, Math.floor(cy - radius)), Math.min(size - 1, Math.ceil(cy + radius))];
  for (let py = top; py <= bottom; py++) {
    for (let px = left; px <= right; px++) {
      const [x, y] = [px + 0.5 - cx, py + 0.5 - cy];
      const cover = Math.min(1, radius - Math.sqrt(x * x + y * y) + 0.5); // the edge is one pixel soft
      if (cover <= 0) continue;
      const shade = value(x, y);
      for (let c = 0, i = py * size + px; c < 3; c++, i += plane) {
        canvas[i] += cover * (colour[c].middle + shade * colour[c].swing - canvas[i]);
      }
    }
  }
}
