import { FormatError } from "@heed/tensor";
import { readLines, type TextOptions } from "./read-lines.ts";
import type { Source } from "./source.ts";

/** A word of a sentence; `undefined` where the file has `_`. */
export interface ConlluWord {
  readonly form: string;
  readonly lemma: string | undefined;
  /** Universal part of speech. */
  readonly upos: string | undefined;
  /** The treebank's own. */
  readonly xpos: string | undefined;
  readonly feats: Readonly<Record<string, string>>;
  /** Number of the word that it depends on, from 1; 0 is the root. */
  readonly head: number | undefined;
  readonly deprel: string | undefined;
}

export interface ConlluSentence {
  /** `key = value` comments; others under their whole text, with an empty value. */
  readonly comments: Readonly<Record<string, string>>;
  readonly words: readonly ConlluWord[];
  /** Line of its first word or comment. */
  readonly line: number;
}

const WORD = /^[1-9]\d{0,8}$/;
/** A multiword token (`8-9`) or an empty node (`8.1`): no word of its own. */
const PASSED_OVER = /^(?:[1-9]\d{0,8}-[1-9]\d{0,8}|\d{1,9}\.[1-9]\d{0,8})$/;

/**
 * Sentences of a CoNLL-U file, plain or gzip, one after the other. Multiword tokens and empty nodes are passed over: words count.
 *
 * @throws {FormatError} with line and offset for what is not CoNLL-U: a line without ten fields, numbers out of order, a head that is no word, an
 * empty form, a sentence without words, bad UTF-8 or gzip.
 *
 * Time O(bytes). Memory: at most 32 times the bytes of the longest sentence, beside what `readLines` holds.
 * @see Universal Dependencies, "CoNLL-U Format", https://universaldependencies.org/format.html
 */
export async function* readConllu(source: Source, options: Omit<TextOptions, "encoding"> = {}): AsyncGenerator<ConlluSentence, void> {
  const file = options.name === undefined ? {} : { file: options.name };
  let comments: Record<string, string> = {};
  let words: ConlluWord[] = [];
  let first: { number: number; offset: number } | undefined;
  const fail = (rule: string, line: { number: number; offset: number }, got: Readonly<Record<string, unknown>> = {}): never => {
    throw new FormatError("readConllu", rule, { ...file, line: line.number, offset: line.offset, ...got }, "Is this a CoNLL-U file?");
  };
  const finished = (): ConlluSentence => {
    const at = first!;
    if (words.length === 0) fail("a sentence has no word", at);
    const head = words.find((word) => word.head !== undefined && word.head > words.length);
    if (head !== undefined) fail("a head is no word of the sentence", at, { form: head.form, head: head.head, words: words.length });
    const sentence = { comments, words, line: at.number };
    comments = {};
    words = [];
    first = undefined;
    return sentence;
  };

  for await (const line of readLines(source, { ...options, encoding: "utf-8" })) {
    const { text } = line;
    if (text === "") {
      if (first !== undefined) yield finished();
      continue;
    }
    first ??= line;
    if (text.startsWith("#")) {
      if (words.length > 0) fail("a comment stands among the words of a sentence", line);
      const [key, ...value] = text.slice(1).split("=");
      Object.defineProperty(comments, key.trim(), { value: value.join("=").trim(), enumerable: true, configurable: true });
      continue;
    }
    const fields = text.split("\t");
    if (fields.length !== 10) fail("a word has ten fields, separated by tabs", line, { fields: fields.length });
    const [id, form, lemma, upos, xpos, feats, head, deprel] = fields;
    if (PASSED_OVER.test(id)) continue;
    if (!WORD.test(id) || Number(id) !== words.length + 1)
      fail("words are numbered from 1", line, { number: id, expected: words.length + 1 });
    if (form === "") fail("a word has a form", line);
    if (head !== "_" && !/^\d{1,9}$/.test(head)) fail("a head is the number of a word, or 0", line, { head });
    const optional = (field: string) => (field === "_" || field === "" ? undefined : field);
    words.push({
      form,
      // An underscore may be the word itself.
      lemma: form === "_" ? lemma : optional(lemma),
      upos: optional(upos),
      xpos: optional(xpos),
      feats: feats === "_" ? {} : featuresOf(feats),
      head: head === "_" ? undefined : Number(head),
      deprel: optional(deprel),
    });
  }
  if (first !== undefined) yield finished();
}

function featuresOf(field: string): Record<string, string> {
  const features: Record<string, string> = {};
  for (let start = 0; start <= field.length;) {
    const bar = field.indexOf("|", start);
    const feature = field.slice(start, bar < 0 ? undefined : bar);
    const equals = feature.indexOf("=");
    const [name, value] = equals < 0 ? [feature, ""] : [feature.slice(0, equals), feature.slice(equals + 1)];
    // Also for a feature that is called as something that every object has.
    Object.defineProperty(features, name, { value, enumerable: true, configurable: true, writable: true });
    start += feature.length + 1;
  }
  return features;
}
