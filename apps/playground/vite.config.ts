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
    build: { modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
    worker: { format: "es" },
    server: { headers: isolation },
    preview: { headers: isolation },
  };
});
