import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";

const kernels = JSON.stringify(new URL("../src/index.ts", import.meta.url).href);

/** What a Node of its own prints, as JSON, after a change to what the kernels find there. */
function inNode(prelude: string): { backend: Record<string, unknown>; narrow: string; asked: string; deterministic: string } {
  const program = `
    import v8 from "node:v8";
    ${prelude}
    const { activeBuild, allocateBlock, backend, configure, float32View, matmulKernels, matmulScratchBytes } = await import(${kernels});
    const n = 67;
    const [a, b, c, scratch] = [4 * n * n, 4 * n * n, 4 * n * n, matmulScratchBytes(n, n, n)].map(allocateBlock);
    const product = () => {
      for (let i = 0; i < n * n; i++) {
        float32View()[a / 4 + i] = Math.fround(((i * 37) % 101) / 50 - 1);
        float32View()[b / 4 + i] = Math.fround(((i * 53) % 103) / 51 - 1);
      }
      matmulKernels.on("float32").gemm(n, n, n, a, n, 1, b, n, 1, c, n, 0, scratch);
      return Buffer.from(float32View().slice(c / 4, c / 4 + n * n).buffer).toString("base64");
    };
    const narrow = product();
    configure({ wide: true });
    const asked = product();
    const found = backend();
    configure({ precision: "deterministic" });
    console.log(JSON.stringify({ backend: found, narrow, asked, deterministic: activeBuild() }));`;
  const flags = ["--conditions=@heed/source", "--disable-warning=ExperimentalWarning", "--input-type=module"];
  const output = execFileSync(process.execPath, [...flags, "-e", program], {
    encoding: "utf8",
    stdio: "pipe",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  return JSON.parse(output.trim().split("\n").at(-1)!);
}

/** The engine hears other flags than it was told. */
const hears = (change: string) => `
  const { setFlagsFromString } = v8;
  v8.setFlagsFromString = (flag) => { ${change} };`;

/** An engine that gets pairs wrong, in modules from some size on: multiplies and subtracts where it should add. */
const miscompiles = (size: number) => `
  ${hears(`if (flag.includes("revectorize")) isPaired = !flag.includes("--no-"); setFlagsFromString(flag);`)}
  let isPaired = false;
  WebAssembly.Module = new Proxy(WebAssembly.Module, {
    construct(target, [bytes]) {
      const changed = Uint8Array.from(bytes);
      for (let i = 0; isPaired && bytes.length > ${size} && i < bytes.length - 2; i++) {
        if (bytes[i] === 0xfd && bytes[i + 1] === 0x85 && bytes[i + 2] === 0x02) changed[i + 1] = 0x86;
      }
      return new target(changed);
    },
  });`;

const major = parseInt(process.versions.node);

describe("wide mode", () => {
  it.runIf(major >= 24 && major <= 26)(
    "runs in Node 24 to 26 when asked for, with the bits of the relaxed build, and not where bits are promised",
    () => {
      const { backend, narrow, asked, deterministic } = inNode("");
      expect(backend).toMatchObject({ build: "wide", wide: "on" });
      expect(asked).toBe(narrow);
      expect(deterministic).toBe("simd");
    },
  );

  it.each([
    ["the flag has no effect", hears(`if (!flag.includes("revectorize")) setFlagsFromString(flag);`), "flag has no effect"],
    ["there is no such flag", hears(`setFlagsFromString(flag.replace("revectorize", "no-such-thing"));`), "flag has no effect"],
    ["setting flags throws", hears(`throw new Error("frozen");`), "the engine refuses: frozen"],
    ["Node is older", `Object.defineProperty(process.versions, "node", { value: "22.23.3" });`, "it needs Node.js 24 to 26"],
    [
      "Node is newer than what was tried",
      `Object.defineProperty(process.versions, "node", { value: "31.0.0" });`,
      "it needs Node.js 24 to 26",
    ],
    ["it is Bun", `Object.defineProperty(process.versions, "bun", { value: "1.4.0" });`, "it needs Node.js 24 to 26"],
    ["it is Deno", `Object.defineProperty(process.versions, "deno", { value: "2.9.0" });`, "it needs Node.js 24 to 26"],
    ["there is no process", `delete globalThis.process;`, "it needs Node.js 24 to 26"],
    ["the engine computes something else", miscompiles(0), "the engine computes something else"],
  ])("falls back, with the same bits, when %s", (_, prelude, obstacle) => {
    const { backend, narrow, asked, deterministic } = inNode(prelude);
    expect(backend).toMatchObject({ build: "relaxed", wide: expect.stringContaining(obstacle) });
    expect(asked).toBe(narrow);
    expect(deterministic).toBe("simd");
  });

  it("leaves a family out that the engine gets wrong, and says which", () => {
    const { backend, narrow, asked } = inNode(miscompiles(4000));
    expect(asked).toBe(narrow);
    if (major >= 24 && major <= 26) expect(backend.wide).toBe("on, except matmul: the engine computes something else with it");
  });
});
