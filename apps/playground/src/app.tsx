import { effect, signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { address, writeState } from "./address.ts";
import type { ExhibitProps } from "./exhibit.ts";
import { exhibits } from "./exhibits/index.ts";
import { language, languageNames, languages, setLanguage, translated } from "./language.ts";
import { en } from "./text/en.ts";
import { zh } from "./text/zh.ts";
import { setTheme, theme, themes, type Theme } from "./theme.ts";
import { Select } from "./ui/select.tsx";

const current = () => exhibits.find(({ id }) => id === address.value.exhibit) ?? exhibits[0]!;

type Shown = { readonly id: string; readonly Exhibit: ComponentType<ExhibitProps> } | { readonly id: string; readonly failed: true };
const shown = signal<Shown | undefined>(undefined);

effect(() => {
  const { id, load } = current();
  if (shown.peek()?.id === id) return;
  load().then(
    ({ Exhibit }) => (shown.value = { id, Exhibit }),
    () => (shown.value = { id, failed: true }),
  );
});

effect(() => {
  document.title = `${current().title[language.value]} · heed`;
});

export function App() {
  const text = translated({ en, zh });
  const { id } = current();
  const loaded = shown.value?.id === id ? shown.value : undefined;
  return (
    <>
      <a class="skip" href="#exhibit" onClick={focusExhibit}>
        {text.skip}
      </a>
      <header class="masthead">
        <a class="brand" href={`#${exhibits[0]!.id}`}>
          heed
        </a>
        {exhibits.length > 1 && (
          <nav aria-label={text.exhibits}>
            {exhibits.map((each) => (
              <a key={each.id} href={`#${each.id}`} aria-current={each.id === id ? "page" : undefined}>
                {each.title[language.value]}
              </a>
            ))}
          </nav>
        )}
        <div class="preferences">
          <Select
            label={text.theme}
            value={theme.value}
            options={themes.map((each: Theme) => [each, text.themes[each]])}
            onChange={setTheme}
          />
          <Select
            label={text.language}
            value={language.value}
            options={languages.map((each) => [each, languageNames[each]])}
            onChange={setLanguage}
          />
        </div>
      </header>
      <main id="exhibit" tabIndex={-1}>
        {loaded === undefined ? (
          <p class="notice">{text.loading}</p>
        ) : "failed" in loaded ? (
          <p class="notice" role="alert">
            {text.failed}
          </p>
        ) : (
          <loaded.Exhibit address={address.value} onState={(state) => writeState(id, state)} />
        )}
      </main>
      <footer class="colophon">{text.footer}</footer>
    </>
  );
}

/** The address is the exhibit's, so the link moves the focus only. */
function focusExhibit(event: Event): void {
  event.preventDefault();
  document.getElementById("exhibit")!.focus();
}
