import { FormatError } from "@heed/tensor";

/** One picture in colour, 8 bits a channel. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  /** `[H, W, 3]`: red, green, blue of each pixel, row by row. */
  readonly data: Uint8Array;
}

/** What a decoder may spend, and what it calls the picture in an error. */
export interface DecodeOptions {
  /** Pictures with more pixels are refused before anything is allocated. Default 2²⁵ (33.5 million). */
  maxPixels?: number;
  /** What to call the picture in an error: a path, usually. */
  name?: string;
}

/** @internal */
export const defaultMaxPixels = 2 ** 25;

/** @internal What decoders throw: always a `FormatError` that names the file and says what to do. */
export function imageError(
  rule: string,
  bytes: Uint8Array,
  options: DecodeOptions,
  received: Record<string, unknown> = {},
  fix = "Get the file again, or remove it.",
  cause?: unknown,
): FormatError {
  const error = new FormatError(
    "decodeImage",
    rule,
    { ...(options.name === undefined ? {} : { file: options.name }), ...received, bytes: bytes.length },
    fix,
  );
  if (cause !== undefined) error.cause = cause;
  return error;
}

/** @internal Width and height are checked once, before any decoder allocates. */
export function checkSize(width: number, height: number, bytes: Uint8Array, options: DecodeOptions): void {
  if (width === 0 || height === 0) throw imageError("the picture has no pixels", bytes, options, { width, height });
  const maxPixels = options.maxPixels ?? defaultMaxPixels;
  if (width * height > maxPixels) {
    throw imageError(
      `the picture has more than ${maxPixels} pixels`,
      bytes,
      options,
      { width, height },
      "Shrink it, or give a larger maxPixels.",
    );
  }
}
