import { effect, signal } from "@preact/signals";
import { remember, remembered } from "./remember.ts";

export const languages = ["en", "zh"] as const;
export type Language = (typeof languages)[number];
export const languageNames: Record<Language, string> = { en: "English", zh: "中文" };

const wanted = remembered("language") ?? navigator.language.slice(0, 2);
export const language = signal<Language>(languages.find((each) => each === wanted) ?? "en");

/** One dictionary per language, of one type: a string that is missing does not compile. */
export function translated<T>(texts: Record<Language, T>): T {
  return texts[language.value];
}

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : language.value;
});

export function setLanguage(next: Language): void {
  language.value = next;
  remember("language", next);
}
