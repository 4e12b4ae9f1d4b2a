import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findFaults } from "./check-docs.ts";

let root: string;
const write = (path: string, content: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
};
const file = "packages/masks/src/score.ts";
const good = {
  meaning: "`⟨query, key⟩`: query `[…, L, D]`, key `[…, S, D]` → `[…, L, S]`.",
  legend: "Letters: L queries, S keys, D width.",
  odd: "@throws {ShapeError} when widths differ.",
  cost: "Time O(L S D).",
  source: "@see Luong, Pham, Manning 2015 (arXiv:1508.04025)",
};
const doc = (lines: Partial<Record<keyof typeof good, string>> = {}) =>
  ["/**", ...Object.values({ ...good, ...lines }).map((line) => ` * ${line}`), " */"].join("\n");
const score = "export function score(query: Tensor, key: Tensor): Tensor {\n  return query;\n}\n";
const faults = () => findFaults(root, ["masks"]).faults;

// A house without fault: every test plants one.
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "heed-docs-"));
  const entry = (name: string) => ({ "@heed/source": `./src/${name}.ts`, default: `./dist/${name}.js` });
  const exports = { ".": entry("index"), "./more": entry("more"), "./package.json": "./package.json" };
  write("packages/masks/package.json", JSON.stringify({ name: "@heed/masks", exports }));
  write("packages/masks/src/index.ts", 'export { score, type Options } from "./score.ts";\nexport { tensor } from "@heed/tensor";\n');
  write("packages/masks/src/more.ts", 'export * from "./layer.ts";\n');
  write(file, `export interface Options {}\n${doc()}\n${score}function helper() {}\n`);
  const layer =
    "export class Layer {\n  /** @throws {ShapeError} for another width. Time O(L). */\n  forward(x: Tensor): Tensor {\n    return x;\n  }\n}\n";
  write(
    "packages/masks/src/layer.ts",
    `/**\n * \`x\`, any shape → the same.\n * @see Elementary: the identity\n */\n${layer}export class BadError {}\n`,
  );
});
afterEach(() => rmSync(root, { recursive: true }));

it("finds nothing in a house without fault, where the members of a class count with it, and types and errors not at all", () => {
  expect(findFaults(root, ["masks"])).toEqual({ count: 2, faults: [] });
});

it.each([
  ["no docstring", "", "docstring"],
  ["a comment that is no docstring", "/* `a` */", "docstring"],
  ["a docstring of something else", `${doc()}\nconst other = 1;\n`, "docstring"],
  ["no meaning", doc({ meaning: "@param query `[L, S, D]`" }), "meaning"],
  ["a tensor without formula or shape", doc({ meaning: "Scores.", legend: "Of all." }), "meaning, shapes"],
  ["no legend", doc({ legend: "" }), "legend"],
  ["a letter that the legend leaves out", doc({ legend: "Letters: L queries, S keys." }), "legend"],
  ["a letter that is explained elsewhere", doc({ legend: "D is the width.\n *\n * Letters: L queries, S keys." }), "legend"],
  ["no odd case", doc({ odd: "" }), "odd cases"],
  ["no cost", doc({ cost: "" }), "cost"],
  ["a cost in another form", doc({ cost: "Cost: O(L S D)." }), "cost"],
  ["no source", doc({ source: "" }), "source"],
  ["a source that is not marked", doc({ source: "Luong, Pham, Manning 2015 (arXiv:1508.04025)" }), "source"],
  ["a paper without a year", doc({ source: "@see Luong (arXiv:1508.04025)" }), "source"],
  ["a paper without number or title", doc({ source: "@see Luong 2015" }), "source"],
  ["several at once", doc({ cost: "", source: "" }), "cost, source"],
])("finds %s", (_what, before, lacks) => {
  write(file, `${before}\n${score}`);
  const line = before.split("\n").length + 1;
  expect(faults()).toEqual([`${file}:${line} score: lacks ${lacks}`]);
});

it.each([
  ["a paper by its title", '@see Watson 1964, "Smooth Regression Analysis"'],
  ["a function of PyTorch", "@see PyTorch's `torch.nn.functional.pad`"],
  ["an operator of ONNX", "@see ONNX's `Attention`"],
  ["an address", "@see https://onnx.ai"],
  ["what every textbook has", "@see Elementary: the complement of a set"],
])("takes %s as a source", (_what, source) => {
  write(file, `${doc({ source })}\n${score}`);
  expect(faults()).toEqual([]);
});

it("asks for no shapes where no tensor comes or goes", () => {
  const plain =
    "/**\n * The next power of two; 1 for zero. Time O(1).\n * @see Elementary: rounding\n */\nexport const score = (n: number): number => n;\n";
  write(file, plain);
  expect(faults()).toEqual([]);
});

it("reads the docstring of any overload, and says where the first one is", () => {
  const overload = "export function score(query: Tensor): Tensor;\n";
  write(file, `${doc()}\n${overload}${score}`);
  expect(faults()).toEqual([]);
  write(file, `${overload}${score}`);
  expect(faults()).toEqual([`${file}:1 score: lacks docstring`]);
});

it("follows renamed exports to where they are declared, and lets no member stand in for the docstring of a class", () => {
  write("packages/masks/src/index.ts", 'export { score as points } from "./score.ts";\n');
  write("packages/masks/src/layer.ts", "export class Layer {\n  /** `x`. Time O(1). */\n  forward() {}\n}\n");
  write(file, score);
  expect(faults()).toEqual(["packages/masks/src/layer.ts:1 Layer: lacks docstring", `${file}:1 score: lacks docstring`]);
});

it("names the constant functions too", () => {
  write(file, "export const score = (query: Tensor): Tensor => query;\n");
  expect(faults()).toEqual([`${file}:1 score: lacks docstring`]);
});
