import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findFaults } from "./check-imports.ts";
import { layers, mayImport } from "./layers.ts";

const exportsOf = (...subpaths: string[]) => Object.fromEntries([".", ...subpaths].map((each) => [each, { default: "./dist/index.js" }]));
const manifest = (name: string, dependencies: string[] = [], more: object = {}) =>
  JSON.stringify({
    name: `@heed/${name}`,
    exports: exportsOf(),
    dependencies: Object.fromEntries(dependencies.map((each) => [each, "1.0.0"])),
    ...more,
  });
const tsconfig = (...names: string[]) => JSON.stringify({ references: names.map((name) => ({ path: `../${name}` })) });

let root: string;
const write = (path: string, content: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
};

// A house without fault: every test plants one.
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "heed-imports-"));
  write("package.json", JSON.stringify({ name: "heed", devDependencies: { vitest: "1.0.0" } }));
  write("packages/kernels/package.json", manifest("kernels", [], { imports: { "#wasm/*": "./dist/wasm/*.js" } }));
  write("packages/kernels/tsconfig.json", tsconfig());
  write("packages/kernels/src/index.ts", 'import { wasm } from "#wasm/matmul";\nexport const k = wasm;\n');
  write("packages/tensor/package.json", manifest("tensor", ["@heed/kernels"], { exports: exportsOf("./terms") }));
  write("packages/tensor/tsconfig.json", tsconfig("kernels"));
  write("packages/tensor/src/terms.ts", "export interface Mask {}\n");
  write("packages/tensor/src/index.ts", 'export * from "./terms.ts";\nexport { k } from "@heed/kernels";\n');
  for (const name of ["masks", "scoring"]) {
    write(`packages/${name}/package.json`, manifest(name, ["@heed/tensor"]));
    write(`packages/${name}/tsconfig.json`, tsconfig("tensor"));
    write(`packages/${name}/src/index.ts`, 'import type { Mask } from "@heed/tensor/terms";\nexport type M = Mask;\n');
    write(
      `packages/${name}/src/index.test.ts`,
      'import { it } from "vitest";\nimport { m } from "@heed/masks";\nit(m);\n'.replace("masks", name),
    );
  }
});
afterEach(() => rmSync(root, { recursive: true }));

it("finds nothing in a house without fault", () => {
  expect(findFaults(root)).toEqual([]);
});

it.each([
  ["an undeclared neighbour", "packages/masks/src/a.ts", 'import { k } from "@heed/kernels";', "is not declared in dependencies"],
  ["an undeclared module from outside", "packages/masks/src/a.ts", 'import x from "left-pad";', "is not declared in dependencies"],
  ["a development dependency in a source", "packages/masks/src/a.ts", 'import { it } from "vitest";', "is not declared in dependencies"],
  [
    "an arrow to the same row",
    "packages/masks/src/a.ts",
    'export * from "@heed/scoring";',
    "does not point down: masks must not know scoring",
  ],
  [
    "an arrow that points up",
    "packages/kernels/src/a.ts",
    'import type { Mask } from "@heed/tensor/terms";',
    "does not point down: kernels must not know tensor",
  ],
  ["a dynamic import that points up", "packages/kernels/src/a.ts", 'await import("@heed/tensor");', "does not point down"],
  ["a path into a neighbour", "packages/masks/src/a.ts", 'import "../../tensor/src/terms.ts";', "reaches into packages/tensor"],
  [
    "a path into a neighbour from a test",
    "packages/masks/src/a.test.ts",
    'import "../../tensor/src/terms.ts";',
    "reaches into packages/tensor",
  ],
  ["a path out of src", "packages/masks/src/a.ts", 'import "../package.json";', "leaves packages/masks/src"],
  [
    "a subpath that is not exported",
    "packages/masks/src/a.ts",
    'import "@heed/tensor/src/terms.ts";',
    "is not among the exports of @heed/tensor",
  ],
  ["a package that does not exist", "packages/masks/src/a.test.ts", 'import "@heed/nothing";', "is no package of this repository"],
  ["an unknown internal import", "packages/kernels/src/a.ts", 'import "#other";', "is not among the imports"],
  ["its own name", "packages/tensor/src/a.ts", 'import "@heed/tensor/terms";', "use a relative path"],
  ["a file that is not there", "packages/masks/src/a.ts", 'import "./b.ts";', "is no file"],
])("finds %s", (_what, path, code, message) => {
  write(path, code + "\n");
  const found = findFaults(root).filter((fault) => fault.startsWith(`${path}:1:`) && fault.includes(message));
  expect(found).toHaveLength(1);
});

it("finds what is declared and never imported", () => {
  write("packages/scoring/src/index.ts", "export const s = 1;\n");
  expect(findFaults(root)).toEqual(["packages/scoring/package.json: declares @heed/tensor, which nothing in src imports"]);
});

it("finds a declared dependency that tsconfig.json does not reference, and the reverse", () => {
  write("packages/masks/tsconfig.json", tsconfig("kernels"));
  expect(findFaults(root)).toEqual([
    "packages/masks/package.json: declares @heed/tensor, which tsconfig.json does not reference",
    "packages/masks/package.json: does not declare @heed/kernels, which tsconfig.json references",
  ]);
});

it("asks the README for the reason of a third-party dependency", () => {
  write("packages/masks/package.json", manifest("masks", ["@heed/tensor", "left-pad"]));
  write("packages/masks/src/a.ts", 'import "left-pad";\n');
  expect(findFaults(root)).toEqual(["packages/masks/package.json: depends on left-pad, and README.md does not say why"]);
  write("packages/masks/README.md", "`left-pad`: pads on the left, which is harder than it looks.\n");
  expect(findFaults(root)).toEqual([]);
});

it("lets attention import scores, and neither masks nor positions", () => {
  expect(["kernels", "tensor", "nn", "scoring"].every((name) => mayImport("attention", name))).toBe(true);
  expect(["masks", "positional", "transformer", "attention"].some((name) => mayImport("attention", name))).toBe(false);
});

it("puts every name into one row", () => {
  expect(new Set(layers.flat()).size).toBe(layers.flat().length);
});
