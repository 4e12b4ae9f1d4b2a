import { decodeJpeg } from "./decode-jpeg.ts";
import { decodePng } from "./decode-png.ts";
import { imageError, type DecodedImage, type DecodeOptions } from "./decoded-image.ts";

/**
 * Decodes a JPEG or PNG, told apart by content, not by file name.
 *
 * @throws {FormatError} when the bytes are neither, damaged, cut off, or more than `maxPixels`.
 *
 * Time and memory O(pixels).
 * @see ITU-T T.81 (1992), "Digital Compression and Coding of Continuous-Tone Still Images"; PNG Specification, Third Edition,
 * https://www.w3.org/TR/png-3/
 */
export function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): DecodedImage {
  if (bytes.length === 0) throw imageError("the file is empty", bytes, options);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return decodeJpeg(bytes, options);
  if ([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a].every((byte, i) => bytes[i] === byte)) return decodePng(bytes, options);
  throw imageError(
    "the file is neither a JPEG nor a PNG",
    bytes,
    options,
    { begins: beginning(bytes) },
    "Convert it to JPEG or PNG, or remove it.",
  );
}

function beginning(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 12)).replaceAll(/[^ -~]/g, ".");
}
