import { checkSize, imageError, type DecodeOptions } from "./decoded-image.ts";

/** What the markers of a JPEG say, before any pixel is decoded. */
export interface JpegPlan {
  readonly width: number;
  readonly height: number;
  /** How EXIF says to turn the picture, 1 (as it is) … 8. */
  readonly orientation: number;
  /** Whether the three components are luma and chroma (the usual) or already red, green and blue. */
  readonly isYCbCr: boolean;
  /** The file without what does not shape pixels: no thumbnails, no comments, nothing after the end. */
  readonly essential: Uint8Array;
}

interface Component {
  id: number;
  h: number;
  v: number;
  /** Whether a scan brought its mean values, without which it would decode to plain grey. */
  seen: boolean;
}

/** Twelve do for the usual progressive script. Each scan may touch every block, so many tiny ones would cost hours. */
const maxScans = 100;

/**
 * Walks the markers of a JPEG to its end, allocating nothing but a copy of the parts that matter.
 *
 * The decoder fills what is missing with grey; here a cut-off file, a component without a scan, or fewer bits than
 * blocks (each block costs at least one) is an error, so that memory stays within 2,048 bytes per byte of the file.
 *
 * @throws {FormatError} also for kinds of JPEG that nobody uses for photographs (lossless, arithmetic, 12 bits).
 * @see ITU-T T.81, Annex B
 */
export function inspectJpeg(bytes: Uint8Array, options: DecodeOptions): JpegPlan {
  const parts: Uint8Array[] = [bytes.subarray(0, 2)];
  let frame: { width: number; height: number; progressive: boolean; components: Component[] } | undefined;
  let orientation = 1;
  let adobe: number | undefined;
  let jfif = false;
  let scans = 0;
  let codedBytes = 0;

  const cutOff = (): Error => imageError("the JPEG ends before its end-of-image marker, so a part is missing", bytes, options);

  for (let at = 2; ;) {
    // Any number of fill bytes may stand before a marker; cameras also leave stray bytes there, which decoders skip.
    while (at < bytes.length && !(bytes[at] === 0xff && bytes[at + 1] !== 0xff && bytes[at + 1] !== 0)) at++;
    if (at + 2 > bytes.length) throw cutOff();
    const marker = bytes[at + 1];
    if (marker === 0xd9) break;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      if (marker === 0xd8) throw imageError("a second picture begins within the JPEG", bytes, options);
      at += 2; // a stray marker without a length
      continue;
    }
    if (at + 4 > bytes.length) throw cutOff();
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    if (length < 2) throw imageError("a segment of the JPEG has a length below 2", bytes, options, { marker: hex(marker), length });
    const end = at + 2 + length;
    if (end > bytes.length) throw cutOff();
    const body = bytes.subarray(at + 4, end);

    if (marker === 0xe0) jfif ||= startsWith(body, "JFIF\0");
    else if (marker === 0xe1 && startsWith(body, "Exif\0\0")) orientation = exifOrientation(body.subarray(6)) ?? orientation;
    else if (marker === 0xee && startsWith(body, "Adobe") && body.length >= 12) adobe = body[11];

    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) {
      if (frame !== undefined) throw imageError("the JPEG holds two frames", bytes, options);
      frame = readFrame(marker, body, bytes, options);
    }

    if (marker === 0xda) {
      if (frame === undefined) throw imageError("a scan of the JPEG comes before its frame header", bytes, options);
      scans++;
      if (scans > maxScans)
        throw imageError(`the JPEG has more than ${maxScans} scans`, bytes, options, {}, "Save it again as baseline JPEG.");
      readScan(body, frame, bytes, options);
      let scanEnd = end;
      for (;;) {
        scanEnd = bytes.indexOf(0xff, scanEnd);
        if (scanEnd < 0 || scanEnd + 1 >= bytes.length) throw cutOff();
        const next = bytes[scanEnd + 1];
        if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) break;
        scanEnd += next === 0xff ? 1 : 2;
      }
      codedBytes += scanEnd - end;
      parts.push(bytes.subarray(at, scanEnd));
      at = scanEnd;
      continue;
    }
    const shapesPixels = isFrame || marker === 0xc4 || marker === 0xdb || marker === 0xdd || marker === 0xee;
    if (shapesPixels) parts.push(bytes.subarray(at, end));
    at = end;
  }

  if (frame === undefined || scans === 0) throw imageError("the JPEG has no picture in it", bytes, options);
  const { width, height, components } = frame;
  if (!components.every(({ seen }) => seen))
    throw imageError("the JPEG lacks the data of a colour component, so a part is missing", bytes, options);
  if (blocksOf(frame) > codedBytes * 8)
    throw imageError("the JPEG promises more pixels than its data can hold", bytes, options, { width, height });

  parts.push(Uint8Array.of(0xff, 0xd9));
  const essential = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of parts) {
    essential.set(part, to);
    to += part.length;
  }
  const namedRgb = components.map(({ id }) => String.fromCharCode(id)).join("") === "RGB";
  const isYCbCr = adobe === undefined ? jfif || !namedRgb : adobe !== 0;
  return { width, height, orientation, isYCbCr, essential };
}

function readFrame(
  marker: number,
  body: Uint8Array,
  bytes: Uint8Array,
  options: DecodeOptions,
): { width: number; height: number; progressive: boolean; components: Component[] } {
  if (marker > 0xc2) {
    throw imageError(
      "only baseline and progressive JPEG can be read",
      bytes,
      options,
      { marker: hex(marker) },
      "Save the picture again as baseline JPEG.",
    );
  }
  const count = body[5] ?? 0;
  if (body.length !== 6 + 3 * count)
    throw imageError("the frame header of the JPEG has a wrong length", bytes, options, { components: count, length: body.length });
  if (body[0] !== 8)
    throw imageError("only JPEG of 8 bits can be read", bytes, options, { bits: body[0] }, "Save the picture again with 8 bits a channel.");
  if (count !== 1 && count !== 3 && count !== 4)
    throw imageError("a JPEG has 1, 3 or 4 colour components", bytes, options, { components: count });
  const height = (body[1] << 8) | body[2];
  const width = (body[3] << 8) | body[4];
  checkSize(width, height, bytes, options);
  const components = Array.from({ length: count }, (_, i) => {
    const [id, sampling] = [body[6 + 3 * i], body[7 + 3 * i]];
    return { id, h: sampling >> 4, v: sampling & 15, seen: false };
  });
  if (components.some(({ h, v }) => h < 1 || h > 4 || v < 1 || v > 4)) {
    throw imageError("sampling factors of a JPEG are 1 to 4", bytes, options, { factors: components.flatMap(({ h, v }) => [h, v]) });
  }
  if (new Set(components.map(({ id }) => id)).size !== count)
    throw imageError("two colour components of the JPEG have one name", bytes, options);
  return { width, height, progressive: marker === 0xc2, components };
}

function readScan(
  body: Uint8Array,
  frame: { progressive: boolean; components: Component[] },
  bytes: Uint8Array,
  options: DecodeOptions,
): void {
  const count = body[0] ?? 0;
  if (body.length !== 4 + 2 * count || count < 1 || count > 4)
    throw imageError("a scan header of the JPEG has a wrong length", bytes, options, { components: count, length: body.length });
  const [start, , approximation] = body.subarray(1 + 2 * count) as unknown as [number, number, number];
  for (let i = 0; i < count; i++) {
    const component = frame.components.find(({ id }) => id === body[1 + 2 * i]);
    if (component === undefined)
      throw imageError("a scan of the JPEG names a component that its frame does not have", bytes, options, { component: body[1 + 2 * i] });
    if (component.seen && !frame.progressive) throw imageError("the JPEG holds a colour component twice", bytes, options);
    component.seen ||= start === 0 && approximation >> 4 === 0;
  }
}

/** How many 8 × 8 blocks the frame holds at least (scans of several components are padded beyond that). */
function blocksOf({ width, height, components }: { width: number; height: number; components: Component[] }): number {
  const [maxH, maxV] = [Math.max(...components.map(({ h }) => h)), Math.max(...components.map(({ v }) => v))];
  return components.reduce((sum, { h, v }) => sum + Math.ceil((width * h) / maxH / 8) * Math.ceil((height * v) / maxV / 8), 0);
}

/** The Orientation tag (0x0112) of the first directory of a TIFF block, or nothing when it is not there or makes no sense. */
function exifOrientation(tiff: Uint8Array): number | undefined {
  if (tiff.length < 8) return undefined;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const little = order === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return undefined;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.length) return undefined;
    if (view.getUint16(entry, little) !== 0x0112) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : undefined;
  }
  return undefined;
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && [...text].every((character, i) => bytes[i] === character.charCodeAt(0));
}

function hex(marker: number): string {
  return `FF${marker.toString(16).toUpperCase().padStart(2, "0")}`;
}
