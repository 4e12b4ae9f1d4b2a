import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { otherNodes, runOn } from "./nodes.ts";

/**
 * Runs the golden cases on the built packages: on this Node, and with `--runtimes` on the others too. Ends with the total over all of them,
 * `N passed, N failed, N pending`.
 */
const root = join(import.meta.dirname, "..");
const bundle = join(import.meta.dirname, "golden/built.mjs");
const total = { passed: 0, failed: 0, pending: 0 };

try {
  // Node 20 cannot load TypeScript. Only the runner is bundled: the packages are those in their folders, built.
  await build({
    entryPoints: [join(import.meta.dirname, "golden/main.ts")],
    outfile: bundle,
    bundle: true,
    format: "esm",
    platform: "node",
    packages: "external",
  });
  for (const version of [process.version.slice(1), ...(process.argv.includes("--runtimes") ? otherNodes : [])]) {
    const output = await runOn("node", version, [bundle], root).catch(
      (error: { stdout?: string; stderr?: string }) => (error.stdout ?? "") + (error.stderr ?? ""),
    );
    const counts = /^(\d+) passed, (\d+) failed, (\d+) pending$/m.exec(output)?.slice(1).map(Number) ?? [0, 1, 0];
    if (counts[1]! > 0) console.log(output.trimEnd());
    console.log(
      `Node ${version}: ${counts[0]} passed, ${counts[1]} failed, ${counts[2]} pending; ${/each on .*/.exec(output)?.[0] ?? "it did not end"}`,
    );
    total.passed += counts[0]!;
    total.failed += counts[1]!;
    total.pending += counts[2]!;
  }
} finally {
  rmSync(bundle, { force: true });
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.pending} pending`);
process.exitCode = total.failed > 0 ? 1 : 0;
