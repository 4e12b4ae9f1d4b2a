import jpeg from "jpeg-js";
import { defaultMaxPixels, imageError, type DecodedImage, type DecodeOptions } from "./decoded-image.ts";
import { inspectJpeg } from "./inspect-jpeg.ts";

/**
 * A JPEG as RGB bytes: baseline and progressive; grey, YCbCr, RGB, CMYK; turned as its EXIF orientation says.
 *
 * The markers are checked first (`inspectJpeg`); the pixels come from jpeg-js, with its own limit on memory:
 * 64 MiB and 48 bytes per allowed pixel.
 *
 * @throws {FormatError} when the file is damaged, cut off, of a kind that jpeg-js does not read, or larger than `maxPixels`.
 */
export function decodeJpeg(bytes: Uint8Array, options: DecodeOptions = {}): DecodedImage {
  const plan = inspectJpeg(bytes, options);
  const maxPixels = options.maxPixels ?? defaultMaxPixels;
  try {
    const { width, height, data } = jpeg.decode(plan.essential, {
      useTArray: true,
      formatAsRGBA: false,
      colorTransform: plan.isYCbCr,
      // Only skips blocks beyond the last row, which its loop over restart intervals asks for in grey pictures. Missing data stay errors.
      tolerantDecoding: true,
      maxResolutionInMP: maxPixels / 1e6 + 1,
      maxMemoryUsageInMB: 64 + (48 * maxPixels) / 2 ** 20,
    });
    return turn({ width, height, data }, plan.orientation);
  } catch (cause) {
    throw imageError(
      "the JPEG is damaged",
      bytes,
      options,
      { reason: cause instanceof Error ? cause.message : String(cause) },
      undefined,
      cause,
    );
  }
}

/** Turns and mirrors a picture as an EXIF orientation says; 5 … 8 swap width and height. */
export function turn(image: DecodedImage, orientation: number): DecodedImage {
  if (orientation <= 1) return image;
  const { width: w, height: h, data } = image;
  const swaps = orientation >= 5;
  const [width, height] = swaps ? [h, w] : [w, h];
  const mirrorsX = orientation === 2 || orientation === 3 || orientation === 7 || orientation === 8;
  const mirrorsY = orientation === 3 || orientation === 4 || orientation === 6 || orientation === 7;
  const out = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const [sourceX, sourceY] = swaps ? [y, x] : [x, y];
      const from = ((mirrorsY ? h - 1 - sourceY : sourceY) * w + (mirrorsX ? w - 1 - sourceX : sourceX)) * 3;
      out[to] = data[from];
      out[to + 1] = data[from + 1];
      out[to + 2] = data[from + 2];
    }
  }
  return { width, height, data: out };
}
