import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { transpose } from "@heed/tensor";
import { randomTensor } from "@heed/tensor/testing";
import { attention } from "./index.ts";

/** Bytes of linear memory that one call and its gradient take at most, in a process of its own: the high-water mark is that of the process. */
function mostBytes(n: number, D: number): number {
  const program = `
    import { allocatorBytes } from "@heed/kernels";
    import { grad, scope, sum } from "@heed/tensor";
    import { randomTensor } from "@heed/tensor/testing";
    import { window } from "@heed/masks";
    import { attention } from "@heed/attention";
    const [n, D] = [${n}, ${D}];
    const inputs = [...[1, 2, 3].map((seed) => randomTensor([1, 1, n, D], seed)), randomTensor([1, n], 4)];
    const loss = ([q, k, v, bias]) => sum(attention(q, k, v, { mask: window(255, 0), bias, strict: true }));
    scope(() => void grad(loss)(inputs));
    console.log(allocatorBytes().most);`;
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  return Number(
    execFileSync(process.execPath, ["--conditions=@heed/source", "--input-type=module", "-e", program], { cwd, encoding: "utf8" }),
  );
}

it("takes at most 4 MiB beside operands and results, forward and backward, at L = S = 16,384", { timeout: 120_000 }, () => {
  const [n, D] = [16_384, 8];
  const [tensorBytes, rowBytes] = [4 * n * D, 4 * n];
  // Operands, output, its cotangent and gradients; the bias and its gradient, maximum and sum per row.
  const known = (3 + 1 + 1 + 3) * tensorBytes + (2 + 2) * rowBytes;
  const extra = mostBytes(n, D) - known;
  console.log(`workspace at L = S = 16,384: ${(extra / 2 ** 20).toFixed(2)} MiB beside operands and results`);
  expect(extra).toBeLessThan(4 * 2 ** 20);
});

it("an output lies in memory as its query does, so that joining heads copies nothing", () => {
  const query = transpose(randomTensor([2, 9, 3, 8], 1), 1, 2);
  const joined = transpose(attention(query, query, query), 1, 2);
  expect(joined.strides).toEqual([9 * 3 * 8, 3 * 8, 8, 1]);
});
