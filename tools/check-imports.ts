import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { parseSync } from "oxc-parser";
import { mayImport, rowOf } from "./layers.ts";

interface Manifest {
  readonly private?: boolean;
  name: string;
  exports?: Record<string, unknown>;
  imports?: Record<string, unknown>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}
interface Package {
  /** From the root, as in `packages/masks`. */
  folder: string;
  name: string;
  manifest: Manifest;
}
interface Import {
  specifier: string;
  line: number;
}

/**
 * Reads every source of every package and app below `root`, and returns one sentence for each import or manifest that breaks a rule:
 *
 * - what is imported is declared, what is declared is imported, and tsconfig.json references exactly the declared packages;
 * - arrows point down only (`layers.ts`), through a neighbour's `exports`, never into its folder;
 * - a third-party dependency of a package stands in that package's README, where the reason belongs.
 *
 * Tests, benches and examples may import what `devDependencies` (of the package or the root) declare as well.
 */
export function findFaults(root: string): string[] {
  const rootDev = Object.keys(readJson<Manifest>(join(root, "package.json")).devDependencies ?? {});
  const packages = globSync("{packages,apps}/*/package.json", { cwd: root })
    .sort()
    .map((path): Package => ({ folder: dirname(path), name: basename(dirname(path)), manifest: readJson<Manifest>(join(root, path)) }));
  return packages.flatMap((self) => [...manifestFaults(root, self), ...importFaults(root, self, packages, rootDev)]);
}

function importFaults(root: string, self: Package, packages: Package[], rootDev: string[]): string[] {
  const faults: string[] = [];
  const runTime = new Set(Object.keys(runTimeDependencies(self.manifest)));
  const development = new Set([...runTime, ...Object.keys(self.manifest.devDependencies ?? {}), ...rootDev]);
  const used = new Set<string>();

  for (const file of globSync(`${self.folder}/{src,bench,examples,test}/**/*.{ts,tsx}`, { cwd: root, exclude: ["**/dist/**"] }).sort()) {
    const isSource = file.startsWith(join(self.folder, "src/")) && !/\.(test|bench|test-d)\.tsx?$/.test(file);
    const declared = isSource ? runTime : development;
    const code = readFileSync(join(root, file), "utf8");
    if (file.endsWith(".tsx") && isSource) used.add(readJsxSource(root, self));

    for (const { specifier, line } of importsOf(file, code)) {
      const fault = (sentence: string) => faults.push(`${file}:${line}: "${specifier}" ${sentence}`);
      if (specifier.startsWith(".")) {
        const target = relative(".", join(dirname(file), specifier));
        const inOwnSource = target.startsWith(join(self.folder, "src/"));
        const neighbour = packages.find((other) => other !== self && target.startsWith(other.folder + "/"));
        if (neighbour !== undefined) fault(`reaches into ${neighbour.folder}; import it by its name, ${neighbour.manifest.name}`);
        else if (isSource && !inOwnSource && self.manifest.private !== true)
          fault(`leaves ${self.folder}/src, and would not be in the published package`);
        else if (isSource && !existsSync(join(root, target.replace(/\?.*$/, "")))) fault("is no file");
        continue;
      }
      if (specifier.startsWith("node:")) continue;
      if (specifier.startsWith("#")) {
        if (!matches(specifier, self.manifest.imports)) fault("is not among the imports of package.json");
        continue;
      }
      const [dependency, subpath] = split(specifier);
      if (isSource) used.add(dependency);
      if (dependency === self.manifest.name) {
        if (isSource) fault("is this package; use a relative path");
        else if (!matches(subpath, self.manifest.exports)) fault(`is not among the exports of ${dependency}`);
        continue;
      }
      if (!declared.has(dependency))
        fault(`is not declared in ${isSource ? "dependencies" : "dependencies or devDependencies"} of ${self.folder}`);
      if (!dependency.startsWith("@heed/")) continue;
      const target = packages.find((other) => other.manifest.name === dependency);
      if (target === undefined) fault("is no package of this repository");
      else {
        if (isSource && !mayImport(self.name, target.name)) fault(`does not point down: ${self.name} must not know ${target.name}`);
        if (!matches(subpath, target.manifest.exports)) fault(`is not among the exports of ${dependency}`);
      }
    }
  }
  for (const dependency of runTime) {
    if (!used.has(dependency)) faults.push(`${self.folder}/package.json: declares ${dependency}, which nothing in src imports`);
  }
  return faults;
}

function manifestFaults(root: string, self: Package): string[] {
  const faults: string[] = [];
  const fault = (sentence: string) => faults.push(`${self.folder}/package.json: ${sentence}`);
  const dependencies = Object.keys(runTimeDependencies(self.manifest));
  const ours = dependencies.filter((name) => name.startsWith("@heed/"));

  if (rowOf(self.name) < 0) fault(`${self.name} is not on the map; give it a row in tools/layers.ts`);
  for (const name of ours) {
    if (!mayImport(self.name, name.slice("@heed/".length))) fault(`declares ${name}, which does not point down`);
  }
  for (const name of Object.keys(self.manifest.peerDependencies ?? {})) {
    if (name.startsWith("@heed/")) fault(`${name} is a peerDependency: a small bump of it would turn its dependents major`);
  }
  if (self.folder.startsWith("packages/")) {
    const readme = join(root, self.folder, "README.md");
    const text = existsSync(readme) ? readFileSync(readme, "utf8") : "";
    for (const name of dependencies.filter((each) => !each.startsWith("@heed/"))) {
      if (!text.includes(name)) fault(`depends on ${name}, and README.md does not say why`);
    }
  }
  const tsconfig = join(root, self.folder, "tsconfig.json");
  if (existsSync(tsconfig)) {
    const references = (readJson<{ references?: { path: string }[] }>(tsconfig).references ?? []).map(
      ({ path }) => `@heed/${basename(path)}`,
    );
    for (const name of ours) if (!references.includes(name)) fault(`declares ${name}, which tsconfig.json does not reference`);
    for (const name of references) if (!ours.includes(name)) fault(`does not declare ${name}, which tsconfig.json references`);
  }
  return faults;
}

const runTimeDependencies = (manifest: Manifest) => ({
  ...manifest.dependencies,
  ...manifest.peerDependencies,
  ...manifest.optionalDependencies,
});

function importsOf(file: string, code: string): Import[] {
  const { module, errors } = parseSync(file, code);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`);
  const lineAt = (offset: number) => code.slice(0, offset).split("\n").length;
  const requests = [
    ...module.staticImports.map((each) => each.moduleRequest),
    ...module.staticExports.flatMap((each) => each.entries.flatMap((entry) => entry.moduleRequest ?? [])),
  ].map(({ value, start }) => ({ specifier: value, line: lineAt(start) }));
  const dynamic = module.dynamicImports.flatMap(({ moduleRequest: { start, end } }) => {
    const literal = /^["'`]([^"'`$]*)["'`]$/.exec(code.slice(start, end));
    return literal === null ? [] : [{ specifier: literal[1]!, line: lineAt(start) }];
  });
  const seen = new Set<string>();
  return [...requests, ...dynamic].filter(({ specifier, line }) => !seen.has(`${line} ${specifier}`) && seen.add(`${line} ${specifier}`));
}

/** `@heed/tensor/terms` is the subpath `./terms` of the package `@heed/tensor`. */
function split(specifier: string): [name: string, subpath: string] {
  const parts = specifier.split("/");
  const length = specifier.startsWith("@") ? 2 : 1;
  return [parts.slice(0, length).join("/"), [".", ...parts.slice(length)].join("/")];
}

function matches(key: string, map: Record<string, unknown> | undefined): boolean {
  return Object.keys(map ?? {}).some((pattern) => {
    const [start, end] = pattern.split("*");
    return end === undefined ? key === pattern : key.startsWith(start!) && key.endsWith(end) && key.length > start!.length + end.length;
  });
}

function readJsxSource(root: string, self: Package): string {
  const { compilerOptions } = readJson<{ compilerOptions?: { jsxImportSource?: string } }>(join(root, self.folder, "tsconfig.json"));
  return compilerOptions?.jsxImportSource ?? "";
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

if (import.meta.main) {
  const faults = findFaults(join(import.meta.dirname, ".."));
  for (const fault of faults) console.error(fault);
  console.log(faults.length === 0 ? "Imports match the declared dependencies and point down." : `${faults.length} faults in imports.`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
