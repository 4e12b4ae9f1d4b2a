import { createRequire } from "node:module";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { exportOf } from "./wasm-name.ts";

const builds = ["relaxed", "simd"] as const;
type Build = (typeof builds)[number] | "wide";

/**
 * Runs the kernel generators of one package and writes, for the `src/<family>/generate.ts` that export `wasm(build)`:
 *
 * - `dist/wasm/<family>.<build>.wasm`: the bytes as they are; the wide build's where they are its own;
 * - `dist/wasm/pages.js`: per family a function of the build that gives both builds in one compressed stream, for pages, where bytes count
 *   more than a few milliseconds at the first call; families that export the same `stream` by name share one, and who imports one has all of it;
 * - `dist/wasm/node.js`: the same functions over those files, the wide build's too, or the stream where a bundler left them behind;
 * - `dist/wasm/workerd.js`: the same over those files, for engines that refuse to compile bytes.
 *
 * One module for all families, since Node takes as long to find a small module as to read a large one; bundlers keep what is used. `imports` of
 * package.json chooses among the three under the name `#wasm`. Returns the families written.
 */
export async function buildWasm(packageFolder: string): Promise<string[]> {
  const out = join(packageFolder, "dist/wasm");
  rmSync(out, { recursive: true, force: true });
  const made: Made[] = [];
  for (const path of globSync("src/*/generate.ts", { cwd: packageFolder }).sort()) {
    const name = basename(dirname(path));
    const { wasm, stream = name } = (await import(pathToFileURL(join(packageFolder, path)).href)) as Generator;
    if (wasm === undefined) continue;
    mkdirSync(out, { recursive: true });
    const [relaxed, simd] = builds.map((build) => wasm(build)) as [Uint8Array, Uint8Array];
    writeFileSync(join(out, `${name}.relaxed.wasm`), relaxed);
    writeFileSync(join(out, `${name}.simd.wasm`), simd);
    const wide = wasm("wide");
    if (!Buffer.from(wide).equals(relaxed)) writeFileSync(join(out, `${name}.wide.wasm`), wide);
    made.push({ name, stream: exportOf(stream), relaxed, simd });
  }
  const streams = [...new Set(made.map(({ stream }) => stream))].map((name) =>
    packed(
      name,
      made.filter(({ stream }) => stream === name),
    ),
  );
  const families = streams.flatMap((stream) => stream.families);
  if (families.length > 0) {
    writeFileSync(join(out, "pages.js"), [...streams.map(streamConstant), ...families.map(pageFunction)].join("\n"));
    writeFileSync(join(out, "node.js"), nodeModule(streams));
    writeFileSync(join(out, "workerd.js"), families.map(workerdFunction).join("\n"));
  }
  assertImports(packageFolder, families);
  return made.map(({ name }) => name);
}

interface Generator {
  readonly wasm?: (build: Build) => Uint8Array;
  readonly stream?: string;
}

interface Made {
  readonly name: string;
  /** As modules call it. */
  readonly stream: string;
  readonly relaxed: Uint8Array;
  readonly simd: Uint8Array;
}

interface Stream {
  readonly name: string;
  /** Compressed. */
  readonly text: string;
  readonly families: readonly Family[];
}

interface Family {
  readonly name: string;
  /** As modules export it. */
  readonly exported: string;
  readonly stream: string;
  /** Where each build lies in what the stream unpacks to. */
  readonly relaxed: readonly [start: number, end: number];
  readonly simd: readonly [start: number, end: number];
}

const { LZMA } = createRequire(import.meta.url)("lzma-purejs") as {
  LZMA: {
    Encoder: new () => {
      setLcLpPb(literalContext: number, literalPosition: number, position: number): boolean;
      setNumFastBytes(count: number): boolean;
      setEndMarkerMode(marks: boolean): void;
      code(
        from: { readByte(): number; read(to: number[], offset: number, length: number): number },
        to: { writeByte(byte: number): void; flush(): void },
        length: number,
        most: number,
      ): void;
    };
  };
};

/** Without bits of position: WebAssembly is not aligned, and they cost 1 %. */
function compressed(bytes: Uint8Array): Uint8Array {
  const encoder = new LZMA.Encoder();
  if (!encoder.setLcLpPb(3, 0, 0) || !encoder.setNumFastBytes(64)) throw new Error("build-wasm: the encoder refuses its settings");
  encoder.setEndMarkerMode(false);
  let at = 0;
  const readByte = (): number => (at < bytes.length ? bytes[at++]! : -1);
  const read = (to: number[], offset: number, length: number): number => {
    const count = Math.min(length, bytes.length - at);
    for (let index = 0; index < count; index++) to[offset + index] = readByte();
    return count;
  };
  const out: number[] = [];
  encoder.code({ readByte, read }, { writeByte: (byte) => void out.push(byte), flush: () => undefined }, -1, -1);
  return Uint8Array.from(out);
}

/**
 * What `unpack` of `@heed/kernels` reads. A second build is like the first, so that it costs a tenth. Small families come first, since unpacking one
 * unpacks all before it.
 */
function packed(stream: string, together: readonly Made[]): Stream {
  const parts: Uint8Array[] = [];
  let length = 0;
  const append = (bytes: Uint8Array): [start: number, end: number] => {
    parts.push(bytes);
    length += bytes.length;
    return [length - bytes.length, length];
  };
  const families = together
    .toSorted((a, b) => a.relaxed.length - b.relaxed.length)
    .map(({ name, relaxed, simd }): Family => {
      const first = append(relaxed);
      return { name, exported: exportOf(name), stream, relaxed: first, simd: Buffer.from(relaxed).equals(simd) ? first : append(simd) };
    });
  const text = Buffer.from(compressed(Buffer.concat(parts))).toString("base64");
  return { name: stream, text, families };
}

const streamConstant = ({ name, text }: Stream): string => `const ${name}Packed = "${text}";`;

function inlineFunction({ stream, relaxed, simd }: Family, name: string): string {
  return `
function ${name}(build) {
  if (build === "relaxed") return { packed: ${stream}Packed, start: ${relaxed.join(", end: ")} };
  if (build === "simd") return { packed: ${stream}Packed, start: ${simd.join(", end: ")} };
}
`;
}

function pageFunction(family: Family): string {
  return inlineFunction(family, family.exported).replace("\nfunction", "\nexport function");
}

/** Node reads the file of the build that runs: neither does it read others, nor unpack. Bundled, it has the packed text only. */
function nodeModule(streams: readonly Stream[]): string {
  const families = streams.flatMap((stream) => stream.families);
  const functions = families.map(
    (family) => `${inlineFunction(family, `${family.exported}Inline`)}
export function ${family.exported}(build) {
  return bytesOf(\`./${family.name}.\${build}.wasm\`) ?? ${family.exported}Inline(build);
}
`,
  );
  return `function bytesOf(name) {
  // Deno would ask its user for leave to read.
  const files = globalThis.Deno === undefined ? globalThis.process?.getBuiltinModule?.("node:fs") : undefined;
  try {
    return new Uint8Array(files.readFileSync(new URL(name, import.meta.url)));
  } catch {
    return undefined;
  }
}

${[...streams.map(streamConstant), ...functions].join("\n")}`;
}

function workerdFunction({ name, exported }: Family): string {
  const [relaxed, simd] = builds.map((build) => `${exported}${build[0]!.toUpperCase()}${build.slice(1)}`);
  return `import ${relaxed} from "./${name}.relaxed.wasm";
import ${simd} from "./${name}.simd.wasm";

export function ${exported}(build) {
  return build === "relaxed" ? ${relaxed} : build === "simd" ? ${simd} : undefined;
}
`;
}

// Without this entry the build would pass, and the first user of the published package would see it fail.
function assertImports(packageFolder: string, families: readonly Family[]): void {
  const path = join(packageFolder, "package.json");
  if (families.length === 0 || !existsSync(path)) return;
  const { imports } = JSON.parse(readFileSync(path, "utf8")) as { imports?: Record<string, unknown> };
  const wanted = {
    "#wasm": { workerd: "./dist/wasm/workerd.js", node: "./dist/wasm/node.js", default: "./dist/wasm/pages.js" },
    "#wasm/*": { "@heed/source": "./src/*/generate.ts" },
  };
  if (JSON.stringify(imports) !== JSON.stringify(wanted)) {
    throw new Error(`build-wasm: a package with kernels needs "imports": ${JSON.stringify(wanted)} in ${path}`);
  }
}

if (import.meta.main) await buildWasm(resolve(process.argv[2] ?? "."));
