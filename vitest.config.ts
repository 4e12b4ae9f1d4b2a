import { accessSync, constants } from "node:fs";
import { playwright } from "@vitest/browser-playwright";
import { chromium } from "playwright";
import { defaultClientConditions, defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";
import type { TestProjectConfiguration } from "vitest/config";
import TotalReporter from "./tools/reporter.ts";

// A failed install does not stop a pnpm script: it would run on the system's Node, and crash oddly later.
if (Number(process.versions.node.split(".")[0]) < 22) {
  throw new Error(
    `Tests need Node 22 or newer, but this is ${process.versions.node}. Run \`npx -y pnpm@12.21.0 install\` and read its warnings.`,
  );
}

const source = "@heed/source";
const browserTests = "{packages,apps}/*/src/**/*.browser.test.ts";

const node: TestProjectConfiguration = {
  extends: true,
  ssr: { resolve: { conditions: [source, ...defaultServerConditions] } },
  test: {
    name: "node",
    environment: "node",
    include: ["{packages,apps}/*/{src,test}/**/*.test.ts", "tools/**/*.test.ts"],
    exclude: [browserTests, "**/node_modules/**", "**/dist/**"],
    // Ten times faster than a fresh worker per file; so tests put back what they configure.
    isolate: false,
    execArgv: [`--conditions=${source}`, "--expose-gc"],
  },
};

const executablePath = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  chromium.executablePath(),
].find((path) => path !== undefined && isExecutable(path));

const inChromium: TestProjectConfiguration = {
  extends: true,
  resolve: { conditions: [source, ...defaultClientConditions] },
  // An isolated page has shared memory, and a clock finer than 0.1 ms.
  server: { headers: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" } },
  test: {
    name: "chromium",
    // Kernels are what engines may disagree about, so all of their tests run here too.
    include: [browserTests, "packages/kernels/src/**/*.test.ts"],
    isolate: false,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      instances: [{ browser: "chromium" }],
      provider: playwright({
        launchOptions: {
          executablePath: executablePath!,
          args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
          ],
        },
      }),
    },
  },
};

if (executablePath === undefined) {
  console.warn("The project `chromium` is left out: no Chromium was found. Install one, or name it in the variable CHROMIUM.");
}

export default defineConfig({
  test: {
    reporters: ["default", new TotalReporter()],
    projects: executablePath === undefined ? [node] : [node, inChromium],
  },
});

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
