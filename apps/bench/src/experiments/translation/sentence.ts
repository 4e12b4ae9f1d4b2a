export const languages = ["en", "fr"] as const;
export type Language = (typeof languages)[number];

/** Lower-case, with plain spaces and apostrophes. */
export function normalised(text: string): string {
  return text.normalize("NFC").toLowerCase().replaceAll("’", "'").replaceAll(/\s+/g, " ").trim();
}

/** What follows a letter and belongs to it: "'s" of English; "-vous" of both. French elides forwards: "l'". */
const patterns: Readonly<Record<Language, RegExp>> = {
  en: /(?<=[\p{L}\p{N}])['-]\p{L}+|\p{L}+|\p{N}+(?:[.,:]\p{N}+)*|\.{3}|[^\s\p{L}\p{N}]/gu,
  fr: /(?<=[\p{L}\p{N}])-\p{L}+'?|\p{L}+'?|\p{N}+(?:[.,:]\p{N}+)*|\.{3}|[^\s\p{L}\p{N}]/gu,
};

/** Words and punctuation of a normalised sentence; `joinWords` puts them together again. */
export function wordsOf(text: string, language: Language): string[] {
  return text.match(patterns[language]) ?? [];
}

/** How many words a sentence has, punctuation not counted. */
export function wordCount(words: readonly string[]): number {
  return words.filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
}

/** A sentence, with spaces as its language has them. */
export function joinWords(words: readonly string[], language: Language): string {
  let text = "";
  for (const word of words) {
    const closes = /^(?:[.,)…%]|\.{3})$/.test(word) || /^-./.test(word) || (language === "en" && /^(?:'.+|[!?;:])$/.test(word));
    const opens = text.endsWith("(") || (language === "fr" && /\p{L}'$/u.test(text));
    text += text === "" || closes || opens ? word : ` ${word}`;
  }
  return text;
}
