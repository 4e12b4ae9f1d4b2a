export const en = {
  skip: "Skip to the exhibit",
  exhibits: "Exhibits",
  language: "Language",
  theme: "Colours",
  themes: { auto: "automatic", light: "light", dark: "dark" },
  loading: "Loading…",
  failed: "This exhibit could not be loaded. Reload the page to try again.",
  footer: "Computed in this page by the packages of heed; nothing leaves your browser.",
};
