import { createReadStream, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { FormatError } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readConllu, readLines, readPairs, readSessions, Vocabulary, type SessionOptions, type Source } from "../index.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const zipped = (data: Uint8Array) => new Uint8Array(gzipSync(data));
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
const shared = (path: string) => fileURLToPath(new URL(`../../../../../shared/data/${path}`, import.meta.url));

/** The same bytes in pieces of any size, each written over once it was taken. */
async function* pieces(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size);
  for (let at = 0; at < data.length; at += size) {
    const piece = data.subarray(at, at + size);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
    buffer.fill(0xff);
  }
}

describe("readLines", () => {
  it("gives lines with their numbers and offsets; a CR before LF is part of the end, and a last line needs none", async () => {
    expect(await all(readLines(bytes("one\r\n\nthrée\x85\nfour")))).toEqual([
      { text: "one", number: 1, offset: 0 },
      { text: "", number: 2, offset: 5 },
      { text: "thr\u00e9e\x85", number: 3, offset: 6 },
      { text: "four", number: 4, offset: 15 },
    ]);
    expect(await all(readLines(bytes("")))).toEqual([]);
    expect(await all(readLines(bytes("\uFEFFa\n")))).toEqual([{ text: "a", number: 1, offset: 0 }]);
  });

  it("gives the same whatever the source, plain or gzip, and however it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: "grapheme" })),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        async (lines, size, gzip) => {
          const text = lines.map((line) => line.replaceAll(/[\r\n\uFEFF]|[\ud800-\udfff]/gu, "")).join("\n");
          const plain = bytes(text);
          const data = gzip ? zipped(plain) : plain;
          const expected = text === "" ? [] : text.split("\n");
          if (expected.at(-1) === "") expected.pop();
          const sources: Source[] = [data, new Blob([data]), new Blob([data]).stream(), pieces(data, size)];
          for (const source of sources) expect((await all(readLines(source))).map((line) => line.text)).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("reads Latin-1, where 0x85 is an ellipsis and no end of a line", async () => {
    expect((await all(readLines(Uint8Array.of(0xe9, 0x85, 0x0a, 0x96), { encoding: "latin-1" }))).map(({ text }) => text)).toEqual([
      "é…",
      "–",
    ]);
  });

  it("says what is wrong, with file, line and offset", async () => {
    await expect(all(readLines(Uint8Array.of(0x61, 0x0a, 0xe9, 0x0a), { name: "t" }))).rejects.toThrow(
      'readLines: the text is not utf-8; got file "t", line 2, offset 2. Is it "latin-1"? Say so in encoding.',
    );
    await expect(all(readLines(bytes("abc\nabcdef"), { maxLineBytes: 5 }))).rejects.toThrow(
      "readLines: a line is longer than 5 bytes; got line 2, offset 4.",
    );
    const cut = zipped(bytes("a line\n".repeat(1000))).subarray(0, 30);
    await expect(all(readLines(cut))).rejects.toThrow("readLines: the gzip data are damaged or cut off");
    await expect(all(readLines(bytes(""), { encoding: "utf-16" as "utf-8" }))).rejects.toThrow("encoding is utf-8 or latin-1");
  });

  it("stops at a bomb's first long line: a gzip of 100 MB of one byte", async () => {
    const before = process.memoryUsage().arrayBuffers;
    await expect(all(readLines(zipped(new Uint8Array(1e8).fill(65))))).rejects.toThrow("a line is longer than 1048576 bytes");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1.5e8);
  });
});

const sentence = `# sent_id = 1
# text = I saw a saw
1\tI\tI\tPRON\tPRP\tCase=Nom|Person=1\t2\tnsubj\t_\t_
2-3\tsawa\t_\t_\t_\t_\t_\t_\t_\t_
2\tsaw\tsee\tVERB\tVBD\t_\t0\troot\t_\t_
3\ta\ta\tDET\tDT\t_\t4\tdet\t_\t_
3.1\tx\t_\t_\t_\t_\t_\t_\t_\t_
4\tsaw\tsaw\tNOUN\tNN\t_\t2\tobj\t_\tSpaceAfter=No
`;

describe("readConllu", () => {
  it("gives words with what is said of them; passes over multiword tokens and empty nodes", async () => {
    const [first, second] = await all(readConllu(bytes(`${sentence}\n${sentence.slice(0, -1)}`)));
    expect(first!.comments).toEqual({ sent_id: "1", text: "I saw a saw" });
    expect(first!.words.map(({ form, upos }) => [form, upos])).toEqual([
      ["I", "PRON"],
      ["saw", "VERB"],
      ["a", "DET"],
      ["saw", "NOUN"],
    ]);
    expect(first!.words[0]).toEqual({
      form: "I",
      lemma: "I",
      upos: "PRON",
      xpos: "PRP",
      feats: { Case: "Nom", Person: "1" },
      head: 2,
      deprel: "nsubj",
    });
    expect([first!.line, second!.line, second!.words.length]).toEqual([1, 10, 4]);
  });

  it.each([
    ["too few fields", "1\ta\n", "a word has ten fields, separated by tabs; got line 1, offset 0, fields 2"],
    ["a number out of order", sentence.replace("\n2\t", "\n5\t"), "words are numbered from 1; got line 5, offset"],
    ["a head that is no word", sentence.replace("\t4\tdet", "\t9\tdet"), "a head is no word of the sentence; got line 1"],
    [
      "a head that is no number",
      sentence.replace("\t4\tdet", "\tx\tdet"),
      'a head is the number of a word, or 0; got line 6, offset 137, head "x"',
    ],
    ["no form", "1\t\t_\t_\t_\t_\t_\t_\t_\t_\n", "a word has a form"],
    ["comments alone", "# text = x\n\n", "a sentence has no word"],
    ["a comment among words", `${sentence}# x\n`, "a comment stands among the words"],
    ["Latin-1", "1\t\xe9", "ten fields"],
  ])("refuses %s", async (_, text, message) => {
    await expect(all(readConllu(bytes(text)))).rejects.toThrow(message);
    await expect(all(readConllu(bytes(text)))).rejects.toThrow(FormatError);
  });

  it("counts what the data say they hold", async ({ skip }) => {
    const file = shared("ud-english-ewt/en_ewt-ud-test.conllu.gz");
    if (!existsSync(file)) return skip("../shared/data/ud-english-ewt is not there");
    const sentences = await all(readConllu(createReadStream(file)));
    expect(sentences.length).toBe(2077);
    expect(sentences.reduce((sum, { words }) => sum + words.length, 0)).toBe(25_094);
    expect(Math.max(...sentences.map(({ words }) => words.length))).toBe(81);
    expect(new Set(sentences.flatMap(({ words }) => words.map(({ upos }) => upos))).size).toBe(17);
  });
});

describe("readPairs", () => {
  it("gives the first two columns", async () => {
    expect(await all(readPairs(bytes("Go.\tVa !\nRun!\tCours !\tCC-BY\n\n")))).toEqual([
      ["Go.", "Va !"],
      ["Run!", "Cours !"],
    ]);
    await expect(all(readPairs(bytes("Go.\tVa !\nRun!\n")))).rejects.toThrow(
      "a line holds two sentences, separated by a tab; got line 2, offset 9",
    );
    await expect(all(readPairs(bytes("Go.\t\n")))).rejects.toThrow(FormatError);
  });

  it("counts what the data say they hold", async ({ skip }) => {
    const file = shared("tatoeba-eng-fra/fra.txt.gz");
    if (!existsSync(file)) return skip("../shared/data/tatoeba-eng-fra is not there");
    let count = 0;
    for await (const [english, french] of readPairs(createReadStream(file))) {
      if (count++ === 0) expect([english, french]).toEqual(["Go.", "Va !"]);
    }
    expect(count).toBe(142_787);
  });
});

describe("sentences in Latin-1", () => {
  it("counts what the data say they hold", async ({ skip }) => {
    const file = shared("sentence-polarity/rt-polarity.pos");
    if (!existsSync(file)) return skip("../shared/data/sentence-polarity is not there");
    expect((await all(readLines(createReadStream(file), { encoding: "latin-1" }))).length).toBe(5331);
  });
});

describe("readSessions", () => {
  const options: SessionOptions = { session: "s", item: "i", separator: ";" };

  it("gathers the rows of a session, with what is asked of its first", async () => {
    const text = 's;i;day\n1;A;"3;4"\n1;"B ""x""";5\n\n2;A;6\n';
    expect(await all(readSessions(bytes(text), { ...options, first: ["day"], each: ["day", "i"] }))).toEqual([
      {
        id: "1",
        items: ["A", 'B "x"'],
        first: { day: "3;4" },
        each: [
          { day: "3;4", i: "A" },
          { day: "5", i: 'B "x"' },
        ],
        line: 2,
      },
      { id: "2", items: ["A"], first: { day: "6" }, each: [{ day: "6", i: "A" }], line: 5 },
    ]);
    expect(await all(readSessions(bytes("s;i\n"), options))).toEqual([]);
  });

  it.each([
    ["a missing column", "s;x\n", 'the header names no such column; got line 1, offset 0, column "i"'],
    ["another number of fields", "s;i\n1;2;3\n", "a row has as many fields as the header; got line 2, offset 4, fields 3, columns 2"],
    ["no item", "s;i\n1;\n", "a row names its session and its item"],
    ["a session that comes back", "s;i\n1;A\n2;A\n1;A\n", 'the rows of a session stand together; got line 4, offset 12, session "1". Sort'],
    ["an open quote", 's;i\n1;"A\n', "a quote is open at the end of the line; got line 2"],
  ])("refuses %s", async (_, text, message) => {
    await expect(all(readSessions(bytes(text), options))).rejects.toThrow(message);
  });

  it("counts what the data say they hold", async ({ skip }) => {
    const file = shared("eshop-clickstream/e-shop clothing 2008.csv.gz");
    if (!existsSync(file)) return skip("../shared/data/eshop-clickstream is not there");
    const columns = { session: "session ID", item: "page 2 (clothing model)", separator: ";", first: ["month"] };
    const sessions = await all(readSessions(createReadStream(file), columns));
    expect(sessions.length).toBe(24_026);
    expect(sessions.reduce((sum, { items }) => sum + items.length, 0)).toBe(165_474);
    expect(new Set(sessions.flatMap(({ items }) => items)).size).toBe(217);
    expect(Math.max(...sessions.map(({ items }) => items.length))).toBe(195);
    expect(sessions.filter(({ first, items }) => first.month === "8" && items.length > 1).length).toBeGreaterThan(1000);
  });
});

describe("Vocabulary", () => {
  const texts = [
    ["a", "saw", "a", "b"],
    ["saw", "a", "<pad>"],
  ];
  const vocabulary = Vocabulary.build(texts, { special: ["<pad>", "<unk>"], unknown: "<unk>" });

  it("numbers special tokens first, then by falling frequency, ties in alphabetical order", () => {
    expect(vocabulary.tokens).toEqual(["<pad>", "<unk>", "a", "saw", "b"]);
    expect([...vocabulary.encode(["saw", "never", "<pad>"])]).toEqual([3, 1, 0]);
    expect(vocabulary.decode([2, 1])).toEqual(["a", "<unk>"]);
    expect([vocabulary.size, vocabulary.has("b"), vocabulary.has("x")]).toEqual([5, true, false]);
    expect(Vocabulary.build(texts, { minCount: 2 }).tokens).toEqual(["a", "saw"]);
    expect(Vocabulary.build(texts, { maxSize: 1 }).tokens).toEqual(["a"]);
  });

  it("survives JSON", () => {
    const again = Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary)));
    expect([again.tokens, again.unknown]).toEqual([vocabulary.tokens, "<unk>"]);
    expect(() => new Vocabulary(["a", "a"])).toThrow('Vocabulary: each token occurs once; got token "a"');
  });

  it("says what is wrong", () => {
    expect(() => Vocabulary.build(texts).idOf("x")).toThrow(
      'Vocabulary: the token is not in the vocabulary; got token "x". Build it with an unknown token.',
    );
    expect(() => vocabulary.decode([5])).toThrow("Vocabulary: no token has that number; got id 5, size 5");
    expect(() => new Vocabulary(["a"], { unknown: "b" })).toThrow("unknown is one of the tokens");
    expect(() => Vocabulary.build(texts, { special: ["a", "b"], maxSize: 1 })).toThrow("maxSize leaves room");
  });
});
