import type { Build } from "../configure.ts";
import { AssemblerError } from "./assembler-error.ts";
import type { ValueType } from "./expression.ts";
import { FunctionBuilder, Local, type FunctionHandle, type Locals, type Parameters, type Signature } from "./function-builder.ts";
import { unsignedLeb128 } from "./leb128.ts";

const TYPE_CODES: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** Pages of 64 KiB: the whole of a wasm32 address space. */
const MAXIMUM_PAGES = 65536;

/**
 * A WebAssembly module of kernels: functions over one imported linear memory (`env.memory`), nothing else.
 * @example
 * const m = new ModuleBuilder("relaxed");
 * m.func("fill", { params: { out: "i32", n: "i32", value: "f32" } }, (f, { out, n, value }) => {
 *   f.forRange(0, n, 1, (i) => f.store(i32.add(out, i32.shl(i, 2)), value));
 * });
 * const bytes = m.toBytes();
 */
export class ModuleBuilder {
  readonly build: Build;
  readonly #types: string[] = [];
  readonly #functions: { typeIndex: number; body: number[] }[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  readonly #names = new Set<string>();
  #building: string | undefined;

  constructor(build: Build = "relaxed") {
    this.build = build;
  }

  /** Adds an exported function. `params` are in the order of the call from JavaScript. */
  func<const P extends Parameters, const R extends ValueType | undefined = undefined>(
    name: string,
    signature: Signature<P, R>,
    body: (f: FunctionBuilder<R>, params: Locals<P>) => void,
  ): FunctionHandle<P, R> {
    const handle = this.internal(name, signature, body);
    this.#exports.push({ name, index: handle.index });
    return handle;
  }

  /** Adds a function that only this module calls, with `f.call`. */
  internal<const P extends Parameters, const R extends ValueType | undefined = undefined>(
    name: string,
    signature: Signature<P, R>,
    body: (f: FunctionBuilder<R>, params: Locals<P>) => void,
  ): FunctionHandle<P, R> {
    if (this.#building !== undefined) {
      throw new AssemblerError(
        `func "${name}"`,
        `function "${this.#building}" is still being built`,
        "Define it before, and call it with f.call.",
      );
    }
    if (this.#names.has(name))
      throw new AssemblerError(`func "${name}"`, "the name is taken", "Give each function of a module its own name.");
    const entries = Object.entries(signature.params);
    // JavaScript moves keys that look like array indices to the front, which would silently reorder the parameters.
    const numeric = entries.find(([key]) => /^\d/.test(key));
    if (numeric)
      throw new AssemblerError(`func "${name}"`, `parameter "${numeric[0]}" begins with a digit`, "Name it with a letter first.");

    const f = new FunctionBuilder<R>(name, this.build, entries.length, signature.result);
    const locals = Object.fromEntries(entries.map(([key, type], index) => [key, new Local(f as FunctionBuilder, type, index, key)]));
    this.#building = name;
    try {
      body(f, locals as Locals<P>);
    } finally {
      this.#building = undefined;
    }
    this.#names.add(name);
    const typeIndex = this.#typeIndex(
      entries.map(([, type]) => type),
      signature.result,
    );
    this.#functions.push({ typeIndex, body: f.finish((type) => TYPE_CODES[type]) });
    return { name, index: this.#functions.length - 1, signature };
  }

  #typeIndex(params: readonly ValueType[], result: ValueType | undefined): number {
    const bytes = [
      0x60,
      ...vector(params.map((type) => [TYPE_CODES[type]])),
      ...vector(result === undefined ? [] : [[TYPE_CODES[result]]]),
    ];
    const key = bytes.join();
    const known = this.#types.indexOf(key);
    return known >= 0 ? known : this.#types.push(key) - 1;
  }

  /** The module, ready for `new WebAssembly.Module`. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const types = this.#types.map((key) => key.split(",").map(Number));
    const memory = [...text("env"), ...text("memory"), 0x02, LIMITS_WITH_MAXIMUM, ...unsignedLeb128(0), ...unsignedLeb128(MAXIMUM_PAGES)];
    return Uint8Array.from([
      ...MAGIC_AND_VERSION,
      ...section(1, vector(types)),
      ...section(IMPORT_SECTION, vector([memory])),
      ...section(3, vector(this.#functions.map(({ typeIndex }) => unsignedLeb128(typeIndex)))),
      ...section(7, vector(this.#exports.map(({ name, index }) => [...text(name), 0x00, ...unsignedLeb128(index)]))),
      ...section(10, vector(this.#functions.map(({ body }) => [...unsignedLeb128(body.length), ...body]))),
    ]);
  }
}

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const IMPORT_SECTION = 2;
const LIMITS_WITH_MAXIMUM = 0x01;

const vector = (items: readonly (readonly number[])[]): number[] => [...unsignedLeb128(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]): number[] => [id, ...unsignedLeb128(content.length), ...content];
const text = (value: string): number[] => {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsignedLeb128(bytes.length), ...bytes];
};
