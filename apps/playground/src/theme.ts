import { effect, signal } from "@preact/signals";
import { remember, remembered } from "./remember.ts";

export const themes = ["auto", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

export const theme = signal<Theme>(themes.find((each) => each === remembered("theme")) ?? "auto");

/** Colours are `light-dark(…)` pairs, so the scheme is all that changes. */
effect(() => {
  document.documentElement.style.colorScheme = theme.value === "auto" ? "" : theme.value;
});

export function setTheme(next: Theme): void {
  theme.value = next;
  remember("theme", next);
}
