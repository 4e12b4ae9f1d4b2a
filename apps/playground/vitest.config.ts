import { defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";
import TotalReporter from "../../tools/reporter.ts";

/** The test of the built page in Chromium, `pnpm check:page`. Unit tests beside the sources run with all others, from the root. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@heed/source", ...defaultServerConditions] } },
  test: {
    include: ["test/*.page.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    execArgv: ["--conditions=@heed/source"],
    reporters: ["default", new TotalReporter()],
  },
});
