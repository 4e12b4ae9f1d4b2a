import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { transpose } from "@heed/tensor";
import { randomTensor } from "@heed/tensor/testing";
import { attention } from "./index.ts";

/**
 * Bytes of linear memory that a call takes beside operands and results, in a process of its own: the high-water mark is that of the
 * process.
 */
function workspace(what: "forward" | "with its gradient", L: number, S: number, D: number, options: string, savedRows: number): number {
  const program = `
    import { allocatorBytes } from "@heed/kernels";
    import { grad, scope, sum } from "@heed/tensor";
    import { randomTensor } from "@heed/tensor/testing";
    import { window } from "@heed/masks";
    import { attention } from "@heed/attention";
    import { scoreMod, table } from "@heed/attention/expressions";
    import { entmax15, sparsemax, topK } from "@heed/attention/normalisers";
    const [query, bias] = [randomTensor([1, 1, ${L}, ${D}], 1), randomTensor([1, ${S}], 4)];
    const inputs = [query, ...[2, 3].map((seed) => randomTensor([1, 1, ${S}, ${D}], seed)), bias];
    const loss = ([q, k, v, bias]) => sum(attention(q, k, v, { ...${options}, bias, strict: true }));
    scope(() => void (${String(what === "forward")} ? loss : grad(loss))(inputs));
    console.log(allocatorBytes().most);`;
  const most = run(program);
  // Queries and outputs; keys, values and the bias; twice with gradients, and what is kept per row.
  const numbers = 2 * L * D + 2 * S * D + S;
  const extra = most - 4 * (what === "forward" ? numbers : 2 * numbers + savedRows * L);
  console.log(`${what}, L = ${L}, S = ${S}, ${options}: ${(extra / 2 ** 20).toFixed(2)} MiB beside operands and results`);
  return extra;
}

/** The number that a program prints, in a process of its own. */
function run(program: string): number {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const flags = ["--conditions=@heed/source", "--input-type=module", "-e", program];
  return Number(execFileSync(process.execPath, flags, { cwd, encoding: "utf8" }));
}

it("65,536 tokens with a window of 256 keys: the whole process stays below five times the inputs", { timeout: 60_000 }, () => {
  const [H, L, D] = [2, 65_536, 64];
  const peak = run(`
    import { tensor } from "@heed/tensor";
    import { window } from "@heed/masks";
    import { attention } from "@heed/attention";
    const [query, key, value] = [1, 2, 3].map((n) => tensor(Float32Array.from({ length: ${H * L * D} }, (_, i) => ((i * n) % 101) / 101), { shape: [1, ${H}, ${L}, ${D}] }));
    attention(query, key, value, { mask: window(255, 0), strict: true });
    console.log(process.resourceUsage().maxRSS * 1024);`);
  const inputs = 3 * 4 * H * L * D;
  console.log(
    `65,536 tokens, window of 256 keys: ${(peak / 2 ** 20).toFixed(0)} MiB at the peak, Node itself among them; inputs ${inputs / 2 ** 20} MiB`,
  );
  expect(peak).toBeGreaterThan(inputs);
  expect(peak).toBeLessThan(5 * inputs);
});

it.each([
  [16_384, 16_384, 8, "{ mask: window(255, 0) }", 2],
  [16_384, 16_384, 8, "{ mask: window(255, 0), scoreMod: scoreMod(({ score, j }) => score.mul(table(bias).at(0, j))) }", 2],
  [30, 65_536, 8, "{ normaliser: sparsemax() }", 3],
  [30, 65_536, 8, "{ normaliser: topK(100) }", 4],
  // Rows that are too long to be held.
  [2, 500_000, 2, "{ normaliser: entmax15() }", 3],
] as const)(
  "takes at most 4 MiB beside operands and results, forward and backward: L %i, S %i, D %i, %s",
  { timeout: 120_000 },
  (L, S, D, options, saved) => {
    expect(workspace("forward", L, S, D, options, saved)).toBeLessThan(4 * 2 ** 20);
    expect(workspace("with its gradient", L, S, D, options, saved)).toBeLessThan(4 * 2 ** 20);
  },
);

it("an output lies in memory as its query does, so that joining heads copies nothing", () => {
  const query = transpose(randomTensor([2, 9, 3, 8], 1), 1, 2);
  const joined = transpose(attention(query, query, query), 1, 2);
  expect(joined.strides).toEqual([9 * 3 * 8, 3 * 8, 8, 1]);
});
