import { deflateSync, crc32 } from "node:zlib";

/** A PNG for tests: any colour type and depth, interlaced or not, each row with a filter of its choice. */
export interface PngRecipe {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
  readonly interlaced: boolean;
  /** One sample of `depth` bits, channel by channel, pixel by pixel. */
  readonly samples: readonly number[];
  readonly filters: readonly number[];
  readonly palette?: readonly number[];
  readonly transparency?: readonly number[];
}

export function channelsOf(colourType: number): number {
  return [1, 0, 3, 1, 2, 0, 4][colourType];
}

export function chunk(type: string, body: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), body]);
  const out = Buffer.alloc(8 + named.length);
  out.writeUInt32BE(body.length, 0);
  named.copy(out, 4);
  out.writeUInt32BE(crc32(named), 4 + named.length);
  return out;
}

export const signature: Buffer = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

export function encodePng(recipe: PngRecipe): Buffer {
  const { width, height, depth, colourType, interlaced, palette, transparency } = recipe;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType, 0, 0, interlaced ? 1 : 0], 8);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    ...(palette === undefined ? [] : [chunk("PLTE", Uint8Array.from(palette))]),
    ...(transparency === undefined ? [] : [chunk("tRNS", Uint8Array.from(transparency))]),
    chunk("IDAT", deflateSync(filtered(recipe))),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function filtered({ width, height, depth, colourType, interlaced, samples, filters }: PngRecipe): Buffer {
  const channels = channelsOf(colourType);
  const passes = interlaced
    ? [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
      ]
    : [[0, 0, 1, 1]];
  const stride = Math.max(1, (channels * depth) >> 3);
  const rows: Uint8Array[] = [];
  let count = 0;
  for (const [x0, y0, dx, dy] of passes) {
    if (x0 >= width) continue;
    let above: Uint8Array | undefined;
    for (let y = y0; y < height; y += dy) {
      let bits = "";
      for (let x = x0; x < width; x += dx) {
        for (let c = 0; c < channels; c++) bits += samples[(y * width + x) * channels + c].toString(2).padStart(depth, "0");
      }
      const line = Uint8Array.from(bits.match(/.{1,8}/g)!, (octet) => Number.parseInt(octet.padEnd(8, "0"), 2));
      const filter = filters[count++ % filters.length];
      rows.push(
        Uint8Array.of(filter),
        line.map(
          (value, i) => value - predict(filter, line[i - stride] ?? 0, above?.[i] ?? 0, (i >= stride ? above?.[i - stride] : 0) ?? 0),
        ),
      );
      above = line;
    }
  }
  return Buffer.concat(rows);
}

function predict(filter: number, a: number, b: number, c: number): number {
  if (filter < 4) return [0, a, b, (a + b) >> 1][filter];
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}
