import { spawnSync } from "node:child_process";

/**
 * Builds what matches a turbo filter, and says nothing unless that fails: for commands whose output belongs to something else.
 * Run it through pnpm, which turbo looks for. `node tools/build-for.ts @heed/bench^...`
 */
const filters = process.argv.slice(2).map((filter) => `--filter=${filter}`);
const { status, stdout, stderr, error } = spawnSync("turbo", ["run", "build", "--output-logs=errors-only", ...filters], {
  encoding: "utf8",
  env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1" },
});
if (error !== undefined) throw error;
if (status !== 0) {
  console.error(stdout + stderr);
  process.exitCode = status ?? 1;
}
