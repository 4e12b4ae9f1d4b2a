import { inflateSync } from "node:zlib";
import { checkSize, imageError, type DecodedImage, type DecodeOptions } from "./decoded-image.ts";

interface Header {
  width: number;
  height: number;
  depth: number;
  /** 0 grey, 2 colour, 3 palette, 4 grey with alpha, 6 colour with alpha. */
  colourType: number;
  interlaced: boolean;
}

/** Where a pass of Adam7 begins and how far its pixels stand apart (PNG specification, §8.2). */
const adam7 = [
  { x: 0, y: 0, dx: 8, dy: 8 },
  { x: 4, y: 0, dx: 8, dy: 8 },
  { x: 0, y: 4, dx: 4, dy: 8 },
  { x: 2, y: 0, dx: 4, dy: 4 },
  { x: 0, y: 2, dx: 2, dy: 4 },
  { x: 1, y: 0, dx: 2, dy: 2 },
  { x: 0, y: 1, dx: 1, dy: 2 },
];
const onePass = [{ x: 0, y: 0, dx: 1, dy: 1 }];

/** Deflate cannot shrink by more: a copy of 258 bytes costs at least two bits. */
const maxDeflateRatio = 1032;

/**
 * A PNG as RGB bytes: every colour type and depth, interlaced or not. 16 bits are rounded to 8, grey is repeated,
 * transparency is laid on white. Colour profiles and gamma are ignored, as in training pipelines elsewhere.
 *
 * Lengths, checksums and size are checked first, then the data inflate into a bound: memory stays below 19 bytes per pixel, and pixels
 * below 8,256 per byte of the file (a blank picture of one bit a pixel) and `maxPixels`.
 *
 * @throws {FormatError} when the file is damaged, cut off, or larger than `maxPixels`.
 * @see PNG Specification, Third Edition, W3C 2025
 */
export function decodePng(bytes: Uint8Array, options: DecodeOptions = {}): DecodedImage {
  const { header, palette, transparency, compressed } = readChunks(bytes, options);
  const { width, height, depth, colourType, interlaced } = header;
  const channels = channelsOf(colourType);
  const bitsPerPixel = channels * depth;
  const passes = (interlaced ? adam7 : onePass)
    .map((pass) => ({ ...pass, columns: Math.ceil((width - pass.x) / pass.dx), rows: Math.ceil((height - pass.y) / pass.dy) }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
  const rowBytes = (columns: number): number => Math.ceil((columns * bitsPerPixel) / 8);
  const rawBytes = passes.reduce((sum, { columns, rows }) => sum + rows * (1 + rowBytes(columns)), 0);

  const compressedBytes = compressed.reduce((sum, part) => sum + part.length, 0);
  if (rawBytes > compressedBytes * maxDeflateRatio) {
    throw imageError("the PNG promises more pixels than its data can hold", bytes, options, { width, height });
  }
  const raw = inflate(compressed, rawBytes, bytes, options);

  const data = new Uint8Array(width * height * 3);
  const stride = Math.max(1, bitsPerPixel >> 3);
  const paint = painter(header, palette, transparency, data, bytes, options);
  let at = 0;
  for (const { x, y, dx, dy, columns, rows } of passes) {
    const length = rowBytes(columns);
    let above: Uint8Array | undefined;
    for (let row = 0; row < rows; row++) {
      const filter = raw[at];
      if (filter > 4) throw imageError("a row of the PNG names a filter that does not exist", bytes, options, { filter });
      const line = raw.subarray(at + 1, at + 1 + length);
      unfilter(filter, line, above, stride);
      paint(line, columns, ((y + row * dy) * width + x) * 3, dx * 3);
      above = line;
      at += 1 + length;
    }
  }
  return { width, height, data };
}

function readChunks(
  bytes: Uint8Array,
  options: DecodeOptions,
): { header: Header; palette: Uint8Array | undefined; transparency: Uint8Array | undefined; compressed: Uint8Array[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const compressed: Uint8Array[] = [];
  let header: Header | undefined;
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;

  for (let at = 8; ;) {
    if (at + 12 > bytes.length) throw imageError("the PNG ends before its IEND chunk, so a part is missing", bytes, options);
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) throw imageError(`the PNG ends within its ${type} chunk, so a part is missing`, bytes, options);
    const body = bytes.subarray(at + 8, at + 8 + length);
    const critical = (bytes[at + 4] & 0x20) === 0;
    if ((critical || type === "tRNS") && crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw imageError(`the checksum of the PNG's ${type} chunk is wrong`, bytes, options);
    }
    at += 12 + length;

    if (header === undefined && type !== "IHDR") throw imageError("a PNG begins with its IHDR chunk", bytes, options, { chunk: type });
    if (type === "IHDR") {
      if (header !== undefined) throw imageError("the PNG has two IHDR chunks", bytes, options);
      header = readHeader(body, bytes, options);
    } else if (type === "PLTE") {
      if (length % 3 !== 0 || length === 0 || length > 768)
        throw imageError("a PNG palette holds 1 to 256 colours of 3 bytes", bytes, options, { length });
      palette = body;
    } else if (type === "tRNS") {
      transparency = body;
    } else if (type === "IDAT") {
      compressed.push(body);
    } else if (type === "IEND") {
      break;
    } else if (critical) {
      throw imageError("the PNG holds a critical chunk that is not in the standard", bytes, options, { chunk: type });
    }
  }
  if (compressed.length === 0) throw imageError("the PNG has no pixel data (IDAT chunk)", bytes, options);
  if (header!.colourType === 3 && palette === undefined) throw imageError("the PNG uses a palette but holds none", bytes, options);
  return { header: header!, palette, transparency, compressed };
}

function readHeader(body: Uint8Array, bytes: Uint8Array, options: DecodeOptions): Header {
  if (body.length !== 13) throw imageError("the IHDR chunk of a PNG holds 13 bytes", bytes, options, { length: body.length });
  const view = new DataView(body.buffer, body.byteOffset, 13);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colourType, compression, filter, interlace] = body.subarray(8) as unknown as [number, number, number, number, number];
  const depths: Record<number, number[]> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
  if (!depths[colourType]?.includes(depth))
    throw imageError("the PNG names a colour type and depth that do not go together", bytes, options, { colourType, depth });
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    throw imageError("the PNG names a compression, filter or interlace method that does not exist", bytes, options, {
      compression,
      filter,
      interlace,
    });
  }
  checkSize(width, height, bytes, options);
  return { width, height, depth, colourType, interlaced: interlace === 1 };
}

function channelsOf(colourType: number): number {
  return colourType === 6 ? 4 : colourType === 2 ? 3 : colourType === 4 ? 2 : 1;
}

function inflate(parts: Uint8Array[], rawBytes: number, bytes: Uint8Array, options: DecodeOptions): Uint8Array {
  const joined = parts.length === 1 ? parts[0] : Buffer.concat(parts);
  let raw: Uint8Array;
  try {
    // Not the default of 16 KiB pieces joined in the end, unless the picture is small.
    raw = inflateSync(joined, { maxOutputLength: rawBytes, chunkSize: Math.max(64, Math.min(rawBytes, 1 << 20)) });
  } catch (cause) {
    const tooLong = (cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
    const rule = tooLong ? "the PNG holds more pixel data than its size allows" : "the pixel data of the PNG are damaged or cut off";
    throw imageError(rule, bytes, options, {}, undefined, cause);
  }
  if (raw.length < rawBytes)
    throw imageError("the PNG holds fewer pixels than its header promises", bytes, options, { promised: rawBytes, found: raw.length });
  return raw;
}

/** Takes the filter of one row back, in place (PNG specification, §9.2). */
function unfilter(filter: number, line: Uint8Array, above: Uint8Array | undefined, stride: number): void {
  const length = line.length;
  if (filter === 0) return;
  if (filter === 1 || (filter === 4 && above === undefined)) {
    for (let i = stride; i < length; i++) line[i] += line[i - stride];
  } else if (filter === 2) {
    if (above !== undefined) for (let i = 0; i < length; i++) line[i] += above[i];
  } else if (filter === 3) {
    for (let i = 0; i < length; i++) {
      const left = i < stride ? 0 : line[i - stride];
      line[i] += (left + (above === undefined ? 0 : above[i])) >> 1;
    }
  } else {
    for (let i = 0; i < length; i++) {
      const a = i < stride ? 0 : line[i - stride];
      const b = above![i];
      const c = i < stride ? 0 : above![i - stride];
      const pa = Math.abs(b - c);
      const pb = Math.abs(a - c);
      const pc = Math.abs(a + b - 2 * c);
      line[i] += pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    }
  }
}

type Paint = (line: Uint8Array, columns: number, to: number, step: number) => void;

/** How the samples of an unfiltered row become RGB. */
function painter(
  header: Header,
  palette: Uint8Array | undefined,
  transparency: Uint8Array | undefined,
  out: Uint8Array,
  bytes: Uint8Array,
  options: DecodeOptions,
): Paint {
  const { depth, colourType } = header;
  const most = 2 ** depth - 1;
  const sample = (line: Uint8Array, i: number): number => {
    if (depth === 8) return line[i];
    if (depth === 16) return (line[2 * i] << 8) | line[2 * i + 1];
    const bit = i * depth;
    return (line[bit >> 3] >> (8 - depth - (bit & 7))) & most;
  };
  // Rounded to the nearest of 0 … 255.
  const to8 = depth === 8 ? (v: number): number => v : (v: number): number => Math.floor((v * 255 + (most >> 1)) / most);
  const onWhite = (colour: number, alpha: number): number => Math.floor((colour * alpha + 255 * (255 - alpha) + 127) / 255);

  if (colourType === 3) {
    const colours = palette!.length / 3;
    return (line, columns, to, step) => {
      for (let i = 0; i < columns; i++, to += step) {
        const index = sample(line, i);
        if (index >= colours)
          throw imageError("a pixel of the PNG names a colour that its palette does not have", bytes, options, { index, colours });
        const alpha = transparency !== undefined && index < transparency.length ? transparency[index] : 255;
        for (let c = 0; c < 3; c++) out[to + c] = onWhite(palette![3 * index + c], alpha);
      }
    };
  }

  const colour = (colourType & 2) !== 0;
  const channels = channelsOf(colourType);
  if ((colourType & 4) !== 0) {
    return (line, columns, to, step) => {
      for (let i = 0; i < columns; i++, to += step) {
        const alpha = to8(sample(line, i * channels + channels - 1));
        for (let c = 0; c < 3; c++) out[to + c] = onWhite(to8(sample(line, i * channels + (colour ? c : 0))), alpha);
      }
    };
  }

  if (transparency !== undefined && transparency.length !== 2 * channels) {
    throw imageError(`the tRNS chunk of this PNG holds ${2 * channels} bytes`, bytes, options, { length: transparency.length });
  }
  // One colour, at full depth, that stands for "nothing here".
  const clear =
    transparency === undefined
      ? undefined
      : Array.from({ length: channels }, (_, c) => (transparency[2 * c] << 8) | transparency[2 * c + 1]);
  return (line, columns, to, step) => {
    for (let i = 0; i < columns; i++, to += step) {
      const first = i * channels;
      const isClear = clear !== undefined && clear.every((value, c) => value === sample(line, first + c));
      for (let c = 0; c < 3; c++) out[to + c] = isClear ? 255 : to8(sample(line, first + (colour ? c : 0)));
    }
  };
}

let crcTable: Int32Array | undefined;

/** CRC-32 of zlib and PNG. `node:zlib` has it only since Node 20.15. */
function crc32(bytes: Uint8Array): number {
  crcTable ??= Int32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = (n & 1) === 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = crcTable[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
