import { defaultClientConditions, defineConfig } from "vite";

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig(({ command, isPreview }) => {
  const whileEditing = command === "serve" && isPreview !== true;
  return {
    base: "./",
    // While one edits, the page runs the packages' sources. The built page holds the built packages, as a user's would.
    resolve: { conditions: [...(whileEditing ? ["@heed/source"] : []), ...defaultClientConditions] },
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    // A folder of its own: declarations go to `dist` too.
    build: { outDir: "dist/page", modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
    worker: { format: "es" },
    server: { headers: isolation },
    preview: { headers: isolation },
    plugins: [
      {
        name: "styles-while-editing",
        apply: "serve",
        // The development server puts styles into the document, which the page's policy forbids otherwise.
        transformIndexHtml: (html) => (whileEditing ? html.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'") : html),
      },
    ],
  };
});
