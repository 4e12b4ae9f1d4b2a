import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { FormatError } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import cases from "../../test/pillow/cases.json" with { type: "json" };
import { channelsOf, chunk, encodePng, signature, type PngRecipe } from "../../test/encode-png.ts";
import { decodeImage } from "./decode-image.ts";

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));
const fileOf = (name: string): Uint8Array => bytesOf(cases.decode.find((one) => one.name === name)!.file);
const jpeg = fileOf("jpeg 4:4:4");
const png = fileOf("png RGB");

describe("agrees with Pillow", () => {
  it.each(cases.decode)("on $name, within $within", ({ file, width, height, pixels, within }) => {
    const image = decodeImage(bytesOf(file));
    expect([image.width, image.height]).toEqual([width, height]);
    const expected = bytesOf(pixels);
    expect(image.data.length).toBe(expected.length);
    expect(image.data.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0)).toBeLessThanOrEqual(within);
  });
});

const recipe: fc.Arbitrary<PngRecipe> = fc
  .record({
    width: fc.integer({ min: 1, max: 19 }),
    height: fc.integer({ min: 1, max: 19 }),
    kind: fc.constantFrom(
      [0, 1],
      [0, 2],
      [0, 4],
      [0, 8],
      [0, 16],
      [2, 8],
      [2, 16],
      [3, 1],
      [3, 2],
      [3, 4],
      [3, 8],
      [4, 8],
      [4, 16],
      [6, 8],
      [6, 16],
    ),
    interlaced: fc.boolean(),
    filters: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 7 }),
    seed: fc.integer(),
  })
  .map(({ width, height, kind: [colourType, depth], interlaced, filters, seed }) => {
    let state = seed >>> 0;
    const draw = (below: number): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
    const samples = Array.from({ length: width * height * channelsOf(colourType) }, () => draw(2 ** depth));
    const palette = colourType === 3 ? Array.from({ length: 3 * 2 ** depth }, () => draw(256)) : undefined;
    return { width, height, depth, colourType, interlaced, filters, samples, ...(palette === undefined ? {} : { palette }) };
  });

/** What a pixel should be, by the PNG specification, from the samples themselves. */
function expectedPixels({ width, height, depth, colourType, samples, palette }: PngRecipe): number[] {
  const most = 2 ** depth - 1;
  const channels = channelsOf(colourType);
  return Array.from({ length: width * height }, (_, i) => {
    const pixel = samples.slice(i * channels, (i + 1) * channels);
    if (colourType === 3) return palette!.slice(3 * pixel[0], 3 * pixel[0] + 3);
    const eight = pixel.map((value) => Math.floor((value * 255) / most + 0.5));
    const colour = channels < 3 ? [eight[0], eight[0], eight[0]] : eight.slice(0, 3);
    const alpha = channels % 2 === 0 ? eight.at(-1)! : 255;
    return colour.map((value) => Math.floor((value * alpha + 255 * (255 - alpha) + 127) / 255));
  }).flat();
}

it("reads every colour type, depth, filter and interlacing of PNG", () => {
  fc.assert(
    fc.property(recipe, (one) => {
      const { width, height, data } = decodeImage(encodePng(one));
      expect([width, height]).toEqual([one.width, one.height]);
      expect([...data]).toEqual(expectedPixels(one));
    }),
    { numRuns: 300, seed: 1 },
  );
});

describe("says in one sentence what is wrong", () => {
  const header = (width: number, height: number, depth = 8, colourType = 2): Buffer => {
    const body = Buffer.alloc(13);
    body.writeUInt32BE(width, 0);
    body.writeUInt32BE(height, 4);
    body.set([depth, colourType, 0, 0, 0], 8);
    return chunk("IHDR", body);
  };
  const end = chunk("IEND", new Uint8Array(0));
  const flipped = Uint8Array.from(png);
  flipped[60] ^= 255;
  const withSize = (source: Uint8Array, height: number, width: number): Uint8Array => {
    const out = Uint8Array.from(source);
    const frame = out.findIndex((byte, i) => byte === 0xff && out[i + 1] === 0xc0);
    out.set([height >> 8, height & 255, width >> 8, width & 255], frame + 5);
    return out;
  };
  const withoutScan = Uint8Array.from([
    ...jpeg.subarray(
      0,
      jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xda),
    ),
    0xff,
    0xd9,
  ]);
  const broken: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /the file is empty; got file "cat\/1.jpg"/],
    ["a text file", Buffer.from("<html>not found</html>"), /neither a JPEG nor a PNG; .* begins "<html>not fo"/],
    ["the first two bytes of a JPEG", jpeg.subarray(0, 2), /ends before its end-of-image marker/],
    ["a JPEG cut off in its headers", jpeg.subarray(0, 100), /ends before its end-of-image marker/],
    ["a JPEG cut off in its pixels", jpeg.subarray(0, jpeg.length - 40), /ends before its end-of-image marker/],
    [
      "a JPEG cut off in its pixels and closed again",
      Uint8Array.from([...jpeg.subarray(0, jpeg.length - 40), 0xff, 0xd9]),
      /JPEG is damaged/,
    ],
    ["a JPEG that only lacks its last byte", jpeg.subarray(0, -1), /ends before its end-of-image marker/],
    ["a JPEG without a scan", withoutScan, /no picture in it/],
    ["a JPEG that promises 65,000 × 500 pixels", withSize(jpeg, 500, 65000), /promises more pixels than its data can hold/],
    ["a JPEG that promises 65,000 × 65,000 pixels", withSize(jpeg, 65000, 65000), /more than 33554432 pixels/],
    ["a JPEG of height 0", withSize(jpeg, 0, 16), /no pixels/],
    ["a PNG cut off", png.subarray(0, 200), /ends within its IDAT chunk/],
    ["a PNG without its last chunk", png.subarray(0, -12), /ends before its IEND chunk/],
    ["a PNG with a flipped byte", flipped, /checksum of the PNG's IDAT chunk is wrong/],
    ["a PNG of width 0", Buffer.concat([signature, header(0, 5), end]), /no pixels/],
    [
      "a PNG that promises 4 billion pixels a side",
      Buffer.concat([signature, header(2 ** 32 - 1, 2 ** 32 - 1), end]),
      /more than 33554432 pixels/,
    ],
    [
      "a PNG that promises more than its data can hold",
      Buffer.concat([signature, header(5000, 5000), chunk("IDAT", deflateSync(new Uint8Array(100))), end]),
      /promises more pixels than its data can hold/,
    ],
    [
      "a PNG with too few pixels",
      Buffer.concat([signature, header(9, 9), chunk("IDAT", deflateSync(new Uint8Array(100))), end]),
      /fewer pixels than its header promises/,
    ],
    [
      "a PNG that inflates to 50 MB for 1 pixel",
      Buffer.concat([signature, header(1, 1), chunk("IDAT", deflateSync(new Uint8Array(5e7))), end]),
      /more pixel data than its size allows/,
    ],
    [
      "a PNG whose data are no deflate stream",
      Buffer.concat([signature, header(1, 1), chunk("IDAT", new Uint8Array(30)), end]),
      /damaged or cut off/,
    ],
    ["a PNG without pixel data", Buffer.concat([signature, header(1, 1), end]), /no pixel data/],
    ["a PNG of 3 bits", Buffer.concat([signature, header(1, 1, 3, 0), end]), /colour type and depth that do not go together/],
    [
      "a PNG that uses a palette it lacks",
      Buffer.concat([signature, header(1, 1, 8, 3), chunk("IDAT", deflateSync(new Uint8Array(2))), end]),
      /uses a palette but holds none/,
    ],
    [
      "a PNG with an index beyond its palette",
      encodePng({ width: 1, height: 1, depth: 8, colourType: 3, interlaced: false, samples: [9], filters: [0], palette: [1, 2, 3] }),
      /a colour that its palette does not have/,
    ],
  ];
  it.each(broken)("of %s", (_, bytes, message) => {
    const attempt = (): unknown => decodeImage(bytes, { name: "cat/1.jpg" });
    expect(attempt).toThrow(FormatError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(/^decodeImage: [^\n]*\.$/);
  });

  it("of a picture larger than maxPixels", () => {
    expect(() => decodeImage(jpeg, { maxPixels: 100 })).toThrow(/more than 100 pixels; got width 19, height 13/);
    expect(decodeImage(jpeg, { maxPixels: 247 }).width).toBe(19);
  });

  it("of a progressive JPEG with 200 scans, each of which would touch every block", () => {
    const progressive = fileOf("jpeg progressive");
    const scan = progressive.findIndex((byte, i) => byte === 0xff && progressive[i + 1] === 0xda);
    const next = progressive.findIndex((byte, i) => i > scan + 2 && byte === 0xff && progressive[i + 1] !== 0);
    const one = progressive.subarray(scan, next);
    const many = Buffer.concat([progressive.subarray(0, scan), ...Array.from({ length: 200 }, () => one), progressive.subarray(next)]);
    expect(() => decodeImage(many)).toThrow(/more than 100 scans/);
  });
});

it("reads what lies behind stray bytes, fill bytes and after the end, as cameras write it", () => {
  const { data } = decodeImage(jpeg);
  const odd = Buffer.concat([
    jpeg.subarray(0, 2),
    Buffer.from([0xff, 0xff, 0xff]),
    jpeg.subarray(3, 20),
    Buffer.from([7, 0, 9]),
    jpeg.subarray(20),
    Buffer.from("trailer"),
  ]);
  expect(decodeImage(odd).data).toEqual(data);
});

it("never does anything to damaged files but throw FormatError, in time and memory bounded by their length", () => {
  const sources = cases.decode.map(({ file }) => bytesOf(file));
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 });
  // Fixing the checksums takes mutations past them, to the inflating and painting behind.
  const mutate = (source: Uint8Array, changes: [number, number][], cut: number, repair: boolean): Uint8Array => {
    const out = Uint8Array.from(source);
    for (const [at, value] of changes) out[at % out.length] = value;
    return (repair && out[0] === 0x89 ? repairChecksums(out) : out).subarray(0, out.length - (cut % 4 === 0 ? cut % out.length : 0));
  };
  let decoded = 0;
  fc.assert(
    fc.property(fc.nat(), edits, fc.nat(), fc.boolean(), (pick, changes, cut, repair) => {
      const bytes = mutate(sources[pick % sources.length], changes, cut, repair);
      const start = performance.now();
      try {
        const { width, height, data } = decodeImage(bytes);
        expect(data.length).toBe(width * height * 3);
        expect(width * height).toBeLessThanOrEqual(8 * 1032 * bytes.length);
        decoded++;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
      expect(performance.now() - start).toBeLessThan(5000);
    }),
    { numRuns: 3000, seed: 2 },
  );
  expect(decoded).toBeGreaterThan(100); // the mutations reach behind the first checks
});

it("allocates nothing for sizes that the bytes cannot fill", () => {
  const huge = Uint8Array.from(jpeg);
  const frame = huge.findIndex((byte, i) => byte === 0xff && huge[i + 1] === 0xc0);
  huge.set([5700 >> 8, 5700 & 255, 5700 >> 8, 5700 & 255], frame + 5); // 32 million pixels, within maxPixels: 400 MB of coefficients
  const before = process.memoryUsage().arrayBuffers;
  expect(() => decodeImage(huge)).toThrow(FormatError);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
});

function repairChecksums(bytes: Uint8Array): Uint8Array {
  const out = Buffer.from(bytes);
  for (let at = 8; at + 12 <= out.length;) {
    const length = out.readUInt32BE(at);
    if (at + 12 + length > out.length) break;
    chunk(out.toString("latin1", at + 4, at + 8), out.subarray(at + 8, at + 8 + length)).copy(out, at);
    at += 12 + length;
  }
  return out;
}

describe("real photographs", () => {
  const photo = (name: string): Uint8Array | undefined => {
    try {
      return readFileSync(new URL(`../../../../../shared/data/photos/${name}`, import.meta.url));
    } catch {
      return undefined;
    }
  };
  it.for([
    ["astronaut.png", 512, 512],
    ["chelsea.png", 451, 300],
    ["coffee.png", 600, 400],
    ["hubble_deep_field.jpg", 1000, 872],
    ["rocket.jpg", 640, 427],
  ] as const)("%s has its size", ([name, width, height], { skip }) => {
    const bytes = photo(name);
    if (bytes === undefined) return skip(`../shared/data/photos/${name} is not there`);
    const image = decodeImage(bytes, { name });
    expect([image.width, image.height]).toEqual([width, height]);
  });
});
