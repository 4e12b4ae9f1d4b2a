/** Readers meet files that somebody made to do harm, or that broke on their way. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { FormatError } from "@heed/tensor";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { parseWav, readConllu, readLines, readPairs, readSessions, Subwords, Vocabulary, type Source, type TextOptions } from "./index.ts";

const runs = { seed: 6, numRuns: 300 } as const;
const bytes = (text: string) => new TextEncoder().encode(text);
const zipped = (data: Uint8Array) => new Uint8Array(gzipSync(data));
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Of valid text or any: bytes changed, put in, taken out or doubled, and the end cut off. */
function mutated(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  const place = fc.nat(good.length);
  const edit = fc.oneof(
    fc.record({ kind: fc.constant("set"), at: place, value: fc.uint8Array({ minLength: 1, maxLength: 4 }) }),
    fc.record({ kind: fc.constant("insert"), at: place, value: fc.oneof(fc.uint8Array({ maxLength: 8 }), hostileText.map(bytes)) }),
    fc.record({ kind: fc.constant("remove"), at: place, value: fc.uint8Array({ maxLength: 30 }) }),
    fc.record({ kind: fc.constant("double"), at: place, value: fc.uint8Array({ maxLength: 60 }) }),
  );
  const changed = fc.array(edit, { minLength: 1, maxLength: 6 }).map((edits) =>
    edits.reduce((data, { kind, at, value }) => {
      const [before, after] = [data.subarray(0, at), data.subarray(at)];
      if (kind === "set") return joined(before, value, after.subarray(value.length));
      if (kind === "insert") return joined(before, value, after);
      if (kind === "remove") return joined(before, after.subarray(value.length));
      return joined(before, after.subarray(0, value.length), after);
    }, good),
  );
  const cut = place.map((length) => good.subarray(0, length));
  return fc.oneof({ weight: 3, arbitrary: changed }, { weight: 1, arbitrary: cut });
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(parts.flatMap((part) => [...part]));

/** What means something to one of the readers, where it does not belong. */
const hostileText = fc
  .array(
    fc.constantFrom(
      ..."\t|\n|\r\n|\r|;|,|\"|\"\"|#|#=|# a = b|1|2|0|-1|9999999999|1e309|2-3|3.1|_|=|\u0000|\uFEFF|\u2028|__proto__|constructor|saw|A1|s;i|{|}|[|]|\\u|\\ud800|null".split("|"), // prettier-ignore
      "|",
      "__proto__=1|a",
      "1\ta\t_\t_\t_\t__proto__=x\t0\t_\t_\t_\n",
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(""));

/** The file as it is, gzip, gzip that was damaged after packing, two gzips in a row, and gzip with something behind it. */
function packed(text: fc.Arbitrary<Uint8Array>, good: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { weight: 3, arbitrary: text },
    { weight: 1, arbitrary: text.map(zipped) },
    { weight: 1, arbitrary: mutated(zipped(good)) },
    { weight: 1, arbitrary: fc.tuple(text, text).map(([one, two]) => joined(zipped(one), zipped(two))) },
    { weight: 1, arbitrary: fc.tuple(text, fc.uint8Array({ minLength: 1, maxLength: 9 })).map(([one, rest]) => joined(zipped(one), rest)) },
  );
}

const sentence = `# sent_id = 1
1\tI\tI\tPRON\tPRP\tCase=Nom|Person=1\t2\tnsubj\t_\t_
2-3\tsawa\t_\t_\t_\t_\t_\t_\t_\t_
2\tsaw\tsee\tVERB\tVBD\t_\t0\troot\t_\t_
3\ta\ta\tDET\tDT\t_\t4\tdet\t_\t_
3.1\tx\t_\t_\t_\t_\t_\t_\t_\t_
4\tsaw\tsaw\tNOUN\tNN\t_\t2\tobj\t_\tSpaceAfter=No

`;
const long = "x".repeat(1020);
const columns = { session: "s", item: "i", separator: ";", first: ["day"], each: ["i", "price"] } as const;
interface Reader {
  readonly good: string;
  /** A line that may stand behind it any number of times, before `end`. */
  readonly filler: string;
  readonly end?: string;
  read(source: Source, options?: TextOptions): AsyncIterable<unknown>;
}
const readers = {
  readLines: {
    good: "one\nthrée\r\n\nfour",
    filler: `${long}\n`,
    read: (source: Source, options?: TextOptions) => readLines(source, options),
  },
  "readLines, Latin-1": {
    good: "one\nthr\u00e9e\nfour",
    filler: `${long}\n`,
    read: (source: Source, options?: TextOptions) => readLines(source, { ...options, encoding: "latin-1" }),
  },
  readConllu: {
    good: sentence.repeat(2),
    filler: `# comment = ${long}\n`,
    end: sentence,
    read: (source: Source, options?: TextOptions) => readConllu(source, options),
  },
  readPairs: {
    good: "Go.\tVa !\nRun!\tCours !\tCC-BY\n",
    filler: `${long}\t${long}\n`,
    read: (source: Source, options?: TextOptions) => readPairs(source, options),
  },
  readSessions: {
    good: 's;i;day;price\n1;A;"3;4";5\n1;"B ""x""";5;6\n2;A;6;7\n',
    filler: `3;${long};1;1\n`,
    read: (source: Source, options?: TextOptions) => readSessions(source, { ...options, ...columns }),
  },
} satisfies Record<string, Reader>;
const named = Object.entries<Reader>(readers).map(([name, reader]) => ({ name, ...reader }));

describe.each(named)("$name", ({ good, filler, end = "", read }) => {
  it("ends with what it read, no more than there was, or with a FormatError that says where", async () => {
    const any = fc.oneof(
      { weight: 3, arbitrary: mutated(bytes(good)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
      { weight: 1, arbitrary: hostileText.map(bytes) },
    );
    let accepted = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(packed(any, bytes(good)), fc.integer({ min: 1, max: 64 }), async (data, size) => {
        try {
          // Whoever gives pieces may write over them.
          const found = await all<unknown>(read(pieces(data, size)));
          expect(found.length).toBeLessThanOrEqual(data.length * 2);
          accepted++;
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          expect((error as Error).message).toMatch(/(?:line|offset) \d+/);
          expect((error as Error).message.length).toBeLessThan(2000);
          refused++;
        }
      }),
      runs,
    );
    // Otherwise the property says little.
    expect(Math.min(accepted, refused)).toBeGreaterThan(5);
  });

  it("stops at a gzip bomb of short lines, and names the limit", async () => {
    // 8 MiB and more that pack to 1 / 300 and less.
    const bomb = zipped(bytes(`${good}${good.endsWith("\n") ? "" : "\n"}${filler.repeat(2 ** 13)}${end}`));
    expect(bomb.length).toBeLessThan(2 ** 23 / 150);
    await expect(all<unknown>(read(bomb))).rejects.toThrow(
      /the gzip data unpack to more than 100 times their bytes; got offset \d+, packed \d+\. If that is meant, give a larger maxExpansion/,
    );
    expect((await all<unknown>(read(bomb, { maxExpansion: 1100 }))).length).toBeGreaterThan(1);
  });

  it("passes on what the source throws", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield zipped(bytes(good)).subarray(0, 12);
      throw new RangeError("the disc is gone");
    }
    await expect(all<unknown>(read(broken()))).rejects.toThrow(new RangeError("the disc is gone"));
  });
});

/** The same bytes in pieces of a size, each written over once it was taken. */
async function* pieces(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size);
  for (let at = 0; at < data.length; at += size) {
    const piece = data.subarray(at, at + size);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
    buffer.fill(0xff);
  }
}

it("reads a long line in linear time, however small the pieces", async () => {
  const line = new Uint8Array(2 ** 20).fill(65);
  const found = await all(readLines(pieces(line, 2)));
  expect(found.map(({ text }) => text.length)).toEqual([2 ** 20]);
  await expect(all(readLines(joined(line.subarray(0, 5), line), { maxLineBytes: 2 ** 20 }))).rejects.toThrow(
    "a line is longer than 1048576 bytes",
  );
}, 20_000);

describe("memory", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held = (): number => {
    for (let i = 0; i < 4; i++) collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const count = 40_000;
  const code = (i: number) => i.toString(36);
  const repeated = (of: (i: number) => string) => Array.from({ length: count }, (_, i) => of(i)).join("");
  const rest = "\t_\t_\t_";
  async function last<T>(items: AsyncIterable<T>): Promise<T | undefined> {
    let found: T | undefined;
    for await (const item of items) found = item;
    return found;
  }
  const shop = { session: "s", item: "i", separator: ";" } as const;

  /** Files made of the shortest things that make a reader keep something. */
  it.each([
    ["words", () => repeated((i) => `${i + 1}\ta${rest}\t_\t_${rest}\n`), (data: Uint8Array) => last(readConllu(data))],
    ["features", () => `1\ta${rest}\t${repeated((i) => `${code(i)}|`)}\t_${rest}\n`, (data: Uint8Array) => last(readConllu(data))],
    ["comments", () => `${repeated((i) => `#${code(i)}\n`)}1\ta${rest}\t_\t_${rest}\n`, (data: Uint8Array) => last(readConllu(data))],
    ["clicks", () => `s;i\n${repeated((i) => `1;${code(i)}\n`)}`, (data: Uint8Array) => last(readSessions(data, shop))],
    ["clicks' columns", () => `s;i\n${repeated(() => "1;A\n")}`, (data: Uint8Array) => last(readSessions(data, { ...shop, each: ["i"] }))],
    [
      "sessions",
      () => `s;i\n${repeated((i) => `${code(i)};A\n`)}`,
      async (data: Uint8Array) => {
        const sessions = readSessions(data, shop);
        for (let i = 0; i < count - 1; i++) await sessions.next();
        return sessions;
      },
    ],
    [
      "tokens",
      () => JSON.stringify({ tokens: Array.from({ length: count }, (_, i) => code(i)) }),
      (data: Uint8Array) => Vocabulary.parse(data),
    ],
  ] as const)("of %s is at most 32 times their bytes", async (_, make, read) => {
    const data = bytes(make());
    const before = held();
    const kept = { found: await read(data) };
    expect(held() - before).toBeLessThan(32 * data.length);
    expect(kept.found).toBeDefined();
  });
});

describe("parseWav", () => {
  afterEach(() => void vi.unstubAllGlobals());
  const good = (() => {
    const data = new Uint8Array(44 + 8 + 4 + 32);
    const view = new DataView(data.buffer);
    const text = (at: number, id: string) => data.set(bytes(id), at);
    text(0, "RIFF");
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    [1, 2].forEach((value, i) => view.setUint16(20 + 2 * i, value, true));
    view.setUint32(24, 8000, true);
    [4, 16].forEach((value, i) => view.setUint16(32 + 2 * i, value, true));
    text(36, "LIST");
    view.setUint32(40, 4, true);
    text(48, "data");
    view.setUint32(52, 32, true);
    return data;
  })();

  it("allocates at most four times the file, whatever its header says, and ends with samples or a FormatError that says where", () => {
    let allocated = 0;
    const Real = Float32Array;
    vi.stubGlobal(
      "Float32Array",
      class extends Real {
        constructor(length: number) {
          allocated += 4 * length;
          super(length);
        }
      },
    );
    const sizes = fc.constantFrom(
      0,
      1,
      2,
      3,
      4,
      8,
      16,
      24,
      32,
      40,
      64,
      255,
      0x7fff,
      0xfffe,
      0xffff,
      0x7fff_ffff,
      0x8000_0000,
      0xffff_fffe,
      0xffff_ffff,
    );
    const field = fc.record({ at: fc.constantFrom(4, 16, 20, 22, 24, 28, 32, 34, 40, 52), value: sizes });
    const lying = fc.array(field, { minLength: 1, maxLength: 5 }).map((fields) => {
      const data = good.slice();
      const view = new DataView(data.buffer);
      for (const { at, value } of fields) {
        if (at >= 20 && at < 24) view.setUint16(at, value & 0xffff, true);
        else if (at === 32 || at === 34) view.setUint16(at, value & 0xffff, true);
        else view.setUint32(at, value, true);
      }
      return data;
    });
    let [read, refused] = [0, 0];
    fc.assert(
      fc.property(fc.oneof(lying, mutated(good), fc.uint8Array({ maxLength: 80 })), (data) => {
        allocated = 0;
        try {
          const { samples, channels } = parseWav(data);
          expect(samples.length % channels).toBe(0);
          read++;
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          expect((error as Error).message).toMatch(/offset \d+/);
          refused++;
        }
        expect(allocated).toBeLessThanOrEqual(4 * data.length);
      }),
      { seed: 6, numRuns: 2000 },
    );
    expect(Math.min(read, refused)).toBeGreaterThan(100);
  });
});

describe("a vocabulary's file", () => {
  const vocabulary = new Vocabulary(["<unk>", "saw", "thrée", "__proto__"], { unknown: "<unk>" });
  const good = bytes(JSON.stringify(vocabulary));

  it("is what toJSON wrote", () => {
    const again = Vocabulary.parse(good);
    expect([again.tokens, again.unknown]).toEqual([vocabulary.tokens, "<unk>"]);
  });

  it("ends as a vocabulary or in a FormatError that says where, or what it is not", () => {
    const other = fc.oneof(fc.jsonValue(), fc.record({ tokens: fc.array(fc.oneof(fc.string(), fc.jsonValue())), unknown: fc.jsonValue() }));
    fc.assert(
      fc.property(
        fc.oneof(
          mutated(good),
          fc.uint8Array({ maxLength: 60 }),
          hostileText.map(bytes),
          other.map((json) => bytes(JSON.stringify(json))),
        ),
        (data) => {
          try {
            expect(Vocabulary.parse(data).size).toBeLessThanOrEqual(data.length);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
            expect((error as Error).message).toMatch(/offset \d+/);
          }
        },
      ),
      { ...runs, numRuns: 1000 },
    );
  });

  it.each([
    ['{"tokens":["a" "b"]}', 'the text is no JSON; got file "v", offset 15'],
    ['{"tokens":["é" "b"]}', "offset 16"],
    ['{"tokens":["a"', "offset 14"],
    ["", "offset 0"],
    ["[]", 'takes { tokens: strings, unknown?: string }; got tokens "undefined", unknown "undefined", file "v", offset 0'],
    [' { "tokens" : 5 }', 'got tokens "number", unknown "undefined", file "v", offset 14'],
    ['{"tokens":["a"],"unknown":[1]}', 'unknown "object", file "v", offset 26'],
    ['{"tokens":["a",1]}', 'tokens are strings; got number 1, token "number", file "v", offset 15'],
    ['{"tokens":["é\\"]", [2, {"tokens": 3}], "b"]}', 'tokens are strings; got number 1, token "object", file "v", offset 20'],
    ['{"tokens":["a","b","a"]}', 'each token occurs once; got token "a", number 0, file "v", offset 11'],
    ['{"a":{"unknown":1,"tokens":[2]},"tokens":[],"unknown":"a"}', 'unknown is one of the tokens; got unknown "a", file "v", offset 54'],
  ])("says of %s what is wrong", (text, message) => {
    expect(() => Vocabulary.parse(bytes(text), { name: "v" })).toThrow(message);
    expect(() => Vocabulary.parse(bytes(text))).toThrow(FormatError);
  });

  it("says where UTF-8 ends", () => {
    const data = joined(bytes('{"tokens":["é'), Uint8Array.of(0xe9, 0xe9), bytes('"]}'));
    expect(() => Vocabulary.parse(data)).toThrow(/the text is not utf-8; got offset 1[345]/);
    expect(() => Vocabulary.parse(Uint8Array.of(0x22, 0xc3))).toThrow("the text is not utf-8; got offset 2");
  });
});

it("takes nothing for subwords that toJSON does not give", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        fc.record({ merges: fc.array(fc.oneof(fc.constantFrom("a b", "b c", "a  b", "\n b", " "), fc.jsonValue())) }),
      ),
      (json) => {
        try {
          expect(Subwords.fromJSON(json).encode("abc").join("")).toBe("abc</w>");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      },
    ),
    { ...runs, numRuns: 1000 },
  );
});
