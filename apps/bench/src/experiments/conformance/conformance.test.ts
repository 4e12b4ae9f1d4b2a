import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { softmax, tensor, writeSafetensors, type Tensor } from "@heed/tensor";
import { parse } from "../../cli/program.ts";
import { difference } from "./compare.ts";
import { conformance } from "./index.ts";
import { run } from "./run.ts";
import { scoreboard } from "./scoreboard.ts";

const vectors = fileURLToPath(new URL("../../../../../../shared/conformance/onnx", import.meta.url));

describe.skipIf(!existsSync(vectors))("the vectors of ../shared/conformance/onnx (needed: where they are absent this is skipped)", () => {
  it.each([
    ["Attention", 82],
    ["LinearAttention", 14],
    ["FlexAttention", 12],
    ["RotaryEmbedding", 8],
  ])("%s passes all %i", (operator, count) => {
    expect(scoreboard(vectors, [operator])).toMatchObject([{ operator, vectors: count, passed: count, failed: [], unsupported: [] }]);
  });
});

describe("difference", () => {
  const one = (...values: number[]): Tensor => tensor([values], { dtype: "float64" });
  it("allows tolerance · (1 + |want|)", () => {
    expect(difference(one(1 + 1.9e-6), one(1), 1e-6)).toBeUndefined();
    expect(difference(one(1 + 2.1e-6), one(1), 1e-6)).toMatch(/element 0 is .* not 1/);
  });
  it("wants infinities, NaN and rows of zeros exactly", () => {
    expect(difference(one(-Infinity, 1), one(-Infinity, 1), 1e-6)).toBeUndefined();
    expect(difference(one(-1e30, 1), one(-Infinity, 1), 1e-6)).toMatch(/not -Infinity/);
    expect(difference(one(NaN, 1), one(0, 1), 1e-6)).toMatch(/is NaN/);
    expect(difference(one(0, 1e-9), one(0, 0), 1e-6)).toMatch(/element 1/);
    expect(difference(one(1e-9, 1), one(0, 1), 1e-6)).toBeUndefined();
  });
  it("wants the shape, and a result", () => {
    expect(difference(one(1, 2), one(1), 1e-6)).toMatch(/has the shape \[1, 2\], not \[1, 1\]/);
    expect(difference(undefined, one(1), 1e-6)).toBe("is missing");
  });
});

describe("another folder, by ONNX_VECTORS", () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "heed-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const x = tensor([[1, 2, 3]]);
  const put = (operator: string, name: string, y: Tensor) => {
    mkdirSync(join(folder, operator), { recursive: true });
    const metadata = { case: name, inputs: '["x"]', outputs: '["y"]', attributes: "{}", converted: "{}" };
    writeFileSync(join(folder, operator, `${name}.safetensors`), writeSafetensors({ x, y }, metadata));
  };
  const runIt = async (options = {}) => {
    let printed = "";
    const code = await run(options, (text) => void (printed += text), { ONNX_VECTORS: folder });
    return { code, printed, last: printed.trimEnd().split("\n").at(-1) };
  };

  it("gives 0 where all passes, and names what does not map", async () => {
    put("Softmax", "right", softmax(x));
    put("Unheard", "strange", x);
    const { code, printed, last } = await runIt({ json: join(folder, "board.json") });
    expect([code, last]).toEqual([0, "1 passed, 0 failed, 1 skipped"]);
    expect(printed).toContain("Unheard (1)");
    const { operators } = JSON.parse(readFileSync(join(folder, "board.json"), "utf8")) as { operators: { operator: string }[] };
    expect(operators.map(({ operator }) => operator)).toEqual(["Softmax", "Unheard"]);
  });

  it("gives 1 where one fails, with its name and how far off it is", async () => {
    put("Softmax", "right", softmax(x));
    put("Softmax", "wrong", x);
    const { code, printed, last } = await runIt();
    expect([code, last]).toEqual([1, "1 passed, 1 failed"]);
    expect(printed).toMatch(/wrong: y element \d is 0\.\d+, not \d/);
  });

  it("refuses a folder that is not there, and operators without vectors", async () => {
    put("Softmax", "right", softmax(x));
    await expect(runIt({ only: "Sofmax" })).rejects.toThrow(/no vectors of Sofmax/);
    rmSync(folder, { recursive: true });
    await expect(runIt()).rejects.toThrow(/which ONNX_VECTORS names, does not exist/);
  });
});

it("is a command of bench, with options of its own", () => {
  expect(parse(["conformance", "--only", "Softmax"], [], 100, [conformance])).toEqual({ tool: conformance, options: { only: "Softmax" } });
  expect(parse(["list"], [], 100, [conformance])).toEqual({ print: `conformance  ${conformance.summary}\n` });
  expect((parse(["conformance", "--help"], [], 100, [conformance]) as { print: string }).print).toContain("ONNX_VECTORS");
});
