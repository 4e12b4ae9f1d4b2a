import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSync, type ClassElement, type Statement } from "oxc-parser";
import { layers } from "./layers.ts";

/** Whose public functions and classes are checked: all packages of the map but `kernels`, whose families stand on byte addresses and have interfaces. */
const packages = layers.slice(1, -1).flat();

/** Entries that hold tools for tests, benches and authors of operations; what `./light` has for users, the index has too. */
const apart = ["./testing", "./benchmarks", "./operation", "./reference", "./light"];

/** What a docstring must say, and how the check finds it. `of` is the signature, or the source of a class. */
const rules: readonly { readonly what: string; readonly holds: (doc: string, of: string) => boolean }[] = [
  // The first words are not a tag, and what takes or gives tensors shows a formula, a name or a shape in backticks.
  { what: "meaning", holds: (doc, of) => /^[^@\s]/.test(doc) && (!meetsTensors(of) || /`[^`]+`/.test(doc)) },
  { what: "shapes", holds: (doc, of) => !meetsTensors(of) || /\bshapes?\b|\bscalar\b/i.test(doc) || shapesOf(doc).length > 0 },
  {
    what: "legend",
    holds: (doc) =>
      shapesOf(doc)
        .flatMap(lettersOf)
        .every((letter) => legendOf(doc).includes(letter)),
  },
  {
    what: "odd cases",
    holds: (doc) =>
      /@throws|\b(empty|without|nothing|none|zeros?|NaN|never|infinit\w*|odd)\b|∞|\b[LS] [≠<>] [LS]\b|\bno [a-z]+s\b/i.test(doc),
  },
  { what: "cost", holds: (doc) => /\bTime\s(and\smemory\s)?O\(/.test(doc) },
  { what: "source", holds: (doc) => sourcesOf(doc).length > 0 && sourcesOf(doc).every(namesSource) },
];

const meetsTensors = (source: string) => /\b(Tensor|Parameter|Score|Mask|DrawableMask|Bias|Position|Rotation)\b/.test(source);

/** What stands in brackets in backticks: `[B, L, D]`, `[…, S]`. */
const shapesOf = (doc: string) => [...doc.matchAll(/`([^`]*)`/g)].flatMap(([, code]) => code!.match(/\[[^[\]]*\](?!\()/g) ?? []);

/** Sizes are single capitals, maybe with a small letter: B, L, Dq. Words (numHeads) explain themselves. */
const lettersOf = (shape: string) => shape.match(/(?<![\p{L}\d_.])[A-Z][a-z]?(?![\p{L}\d_])/gu) ?? [];

/** The words of every paragraph that begins a legend. */
const legendOf = (doc: string) => [...doc.matchAll(/\bLetters: ([^]*?)(?=\n\n|\n@|$)/g)].flatMap(([, text]) => text!.split(/[^\p{L}\d]+/u));

const sourcesOf = (doc: string) => [...doc.matchAll(/(?:^|\n)@see ([^]*?)(?=\n\n|\n@|$)/g)].map(([, text]) => text!.trim());

/** A paper by author, year and arXiv number or title; a function or format of others; or what every textbook has. */
const namesSource = (source: string) =>
  (/\p{Lu}\p{L}+.*\b(17|18|19|20)\d\d\b/su.test(source) && /\barXiv:\d{4}\.\d{4,5}|"[^"]+"/.test(source)) ||
  /\p{L}'s `[^`]+`|\bhttps?:\/\/\S+/u.test(source) ||
  /^Elementary\b/.test(source);

interface Public {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  /** All words of its docstrings, without stars: of a function its overloads', of a class its constructor's and methods' too. */
  readonly doc: string;
  /** Its signatures; of a class, all of it. */
  readonly source: string;
}

/**
 * Reads the docstrings of the public functions and classes of `names`, through the `@heed/source` entries of their `exports`, and returns how many there are,
 * and one sentence for each that leaves something out. Types, constants and errors need none of this.
 */
export function findFaults(root: string, names: readonly string[] = packages): { count: number; faults: string[] } {
  const found = new Map<string, Public>();
  for (const name of names) {
    const folder = join("packages", name);
    const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as { exports: Record<string, unknown> };
    for (const [subpath, entry] of Object.entries(manifest.exports)) {
      const source = (entry as { "@heed/source"?: string })["@heed/source"];
      if (source === undefined || apart.includes(subpath)) continue;
      for (const each of publicOf(root, join(folder, source))) found.set(`${each.file} ${each.line}`, each);
    }
  }
  const faults = [...found.values()].flatMap(({ name, file, line, doc, source }) => {
    const lacks = doc === "" ? ["docstring"] : rules.filter(({ holds }) => !holds(doc, source)).map(({ what }) => what);
    return lacks.length === 0 ? [] : [`${file}:${line} ${name}: lacks ${lacks.join(", ")}`];
  });
  return { count: found.size, faults: faults.sort() };
}

/** What a module exports, through relative re-exports; `only` names what of it. */
function publicOf(root: string, file: string, only?: string): Public[] {
  const code = readFileSync(join(root, file), "utf8");
  const { program, module, comments, errors } = parseSync(file, code);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`);
  const here = new Map<string, { start: number; docs: string[]; sources: string[] }>();
  const docBefore = (start: number): string => {
    const before = comments.filter(({ type, value, end }) => type === "Block" && value.startsWith("*") && end <= start).at(-1);
    return before === undefined || code.slice(before.end, start).trim() !== ""
      ? ""
      : before.value.replaceAll(/^[^\S\n]*\*+[^\S\n]?/gm, "").trim();
  };
  for (const statement of program.body) {
    const node = statement.type === "ExportNamedDeclaration" && statement.declaration !== null ? statement.declaration : statement;
    for (const { name, start, end, members } of declaredBy(node)) {
      const own = here.get(name) ?? { start: statement.start, docs: [], sources: [] };
      const doc = docBefore(statement.start);
      own.docs.push(doc, ...(doc === "" ? [] : members.map(docBefore)));
      own.sources.push(code.slice(start, end));
      here.set(name, own);
    }
  }

  const found: Public[] = [];
  const exported = module.staticExports.flatMap(({ entries }) => entries).filter(({ isType }) => !isType);
  for (const { exportName, importName, localName, moduleRequest } of exported) {
    if (only !== undefined && exportName.name !== only && exportName.kind === "Name") continue;
    if (moduleRequest !== null) {
      if (moduleRequest.value.startsWith("."))
        found.push(...publicOf(root, join(dirname(file), moduleRequest.value), importName.name ?? only));
      continue;
    }
    const own = localName.name === null ? undefined : here.get(localName.name);
    if (own === undefined) continue;
    const line = code.slice(0, own.start).split("\n").length;
    found.push({ name: exportName.name!, file, line, doc: own.docs.filter(Boolean).join("\n\n"), source: own.sources.join("\n") });
  }
  return found;
}

interface Declared {
  readonly name: string;
  /** Of the signature; of a class, of all of it. */
  readonly start: number;
  readonly end: number;
  /** Where the members of a class begin. */
  readonly members: readonly number[];
}

/** The functions and classes that a statement declares, but no errors; constants count where a function is written behind them. */
function declaredBy(node: Statement): Declared[] {
  if (node.type === "FunctionDeclaration" || node.type === "TSDeclareFunction") {
    return node.id === null ? [] : [{ name: node.id.name, start: node.start, end: node.body?.start ?? node.end, members: [] }];
  }
  if (node.type === "ClassDeclaration") {
    if (node.id === null || node.id.name.endsWith("Error")) return [];
    const { start, end, body } = node;
    const isPublic = (member: ClassElement) => member.type === "MethodDefinition" && member.accessibility !== "private";
    return [{ name: node.id.name, start, end, members: body.body.filter(isPublic).map((member) => member.start) }];
  }
  if (node.type !== "VariableDeclaration") return [];
  return node.declarations.flatMap(({ id, init, start }) =>
    id.type === "Identifier" && (init?.type === "ArrowFunctionExpression" || init?.type === "FunctionExpression")
      ? [{ name: id.name, start, end: init.body!.start, members: [] }]
      : [],
  );
}

if (import.meta.main) {
  const { count, faults } = findFaults(join(import.meta.dirname, ".."), process.argv.length > 2 ? process.argv.slice(2) : packages);
  for (const fault of faults) console.error(fault);
  console.log(`${count - faults.length} passed, ${faults.length} failed`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
