import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

/** Runs a program in a Node that has no WebAssembly; tells what it printed, and what it warned of. */
function withoutWebAssembly(program: string): { printed: unknown; warnings: string[] } {
  const script = `
    const warnings = [];
    console.warn = (...parts) => void warnings.push(parts.join(" "));
    const heed = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
    // Node needs WebAssembly itself to load TypeScript; and packages do nothing on import, so here is early enough.
    delete globalThis.WebAssembly;
    const printed = await (async (heed) => { ${program} })(heed);
    process.stdout.write(JSON.stringify({ printed, warnings }));`;
  const output = execFileSync(
    process.execPath,
    ["--conditions=@heed/source", "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script],
    {
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    },
  );
  return JSON.parse(output) as { printed: unknown; warnings: string[] };
}

it("computes on plain loops where there is no WebAssembly, after one warning", () => {
  const { printed, warnings } = withoutWebAssembly(`
    const { backend, conv2d, grad, layerNorm, matmul, memory, mul, ones, resident, scope, softmax, sum, tensor } = heed;
    const x = tensor([[1, 2], [3, 4]]);
    const w = tensor([[1, 0], [1, 1]], { requiresGrad: true });
    const owner = resident([w]);
    scope(() => sum(softmax(matmul(x, w), -1).mul(x)).backward());
    const large = scope(() => sum(ones([3000, 1000]).add(1))).item(); // Grows the buffer that stands for linear memory.
    const result = {
      product: matmul(x, x).toArray(), norm: layerNorm(x, [2]).toArray().flat().map((v) => Math.round(v * 1000)),
      image: conv2d(ones([1, 1, 3, 3]), ones([1, 1, 2, 2])).toArray(), cube: grad((t) => sum(mul(mul(t, t), t)))(x).toArray(),
      gradient: w.grad.toArray().flat().map((v) => Math.round(v * 1e6)), large, build: backend().build,
    };
    owner.release();
    return { ...result, live: memory().liveBytes };`);
  expect(warnings).toEqual(["heed: this engine has no WebAssembly SIMD; plain loops run instead, correct but slow."]);
  // Softmax of two scores a, b has slope p (1 − p) in a − b: rows [3, 2] and [7, 4], weights x₁ − x₀ = 1 both times.
  const slope = (d: number) => 1 / ((1 + Math.exp(-d)) * (1 + Math.exp(d)));
  const [s, t] = [slope(1), slope(3)];
  const gradient = [-(s + 3 * t), s + 3 * t, -(2 * s + 4 * t), 2 * s + 4 * t];
  expect(printed).toEqual({
    product: [
      [7, 10],
      [15, 22],
    ],
    norm: [-1000, 1000, -1000, 1000],
    image: [
      [
        [
          [4, 4],
          [4, 4],
        ],
      ],
    ],
    cube: [
      [3, 12],
      [27, 48],
    ],
    gradient: gradient.map((v) => Math.round(v * 1e6)),
    large: 6_000_000,
    build: "reference",
    live: 0,
  });
});

it("says so when a build is asked for that the engine lacks", () => {
  const { printed } = withoutWebAssembly(`
    const refused = [];
    for (const backend of ["simd", "relaxed"]) try { heed.configure({ backend }); } catch (error) { refused.push(error.message); }
    return [...refused, heed.configuration().backend];`);
  expect(printed).toEqual([
    'configure: this engine has no such build; got backend "simd", simd false, relaxedSimd false. Use backend: "auto".',
    'configure: this engine has no such build; got backend "relaxed", simd false, relaxedSimd false. Use backend: "auto".',
    "auto",
  ]);
});
