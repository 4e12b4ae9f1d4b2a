import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  f32,
  f32x4,
  f64,
  f64x2,
  i16x8,
  i32,
  i32x4,
  i64,
  i64x2,
  i8x16,
  ModuleBuilder,
  select,
  v128,
  withSharedMemory,
  type Build,
  type Expression,
  type FunctionBuilder,
  type FunctionHandle,
  type Label,
  type Locals,
  type Parameters,
  type ValueType,
} from "./index.ts";

const BUILDS = ["relaxed", "simd"] as const;

/** Compiles a module over a fresh memory of one page. */
function load(m: ModuleBuilder): { exports: Record<string, (...args: number[]) => number>; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.toBytes()), { env: { memory } });
  return { exports: exports as never, memory };
}

/** A module of one exported function "run". */
function one<const P extends Parameters, const R extends ValueType | undefined = undefined>(
  params: P,
  result: R,
  body: (f: FunctionBuilder<R>, p: Locals<P>) => void,
  build: Build = "relaxed",
): ReturnType<typeof load> & { run: (...args: number[]) => number } {
  const m = new ModuleBuilder(build);
  m.func("run", { params, result: result as never }, body as never);
  const loaded = load(m);
  return { ...loaded, run: loaded.exports["run"]! };
}

describe("numbers in the binary format", () => {
  it("come back from i32.const, i64.const and f64.const for every value", () => {
    const integers = fc.oneof(
      fc.integer(),
      fc.constantFrom(0, 63, 64, -64, -65, 127, 128, 8191, 8192, -8192, -8193, 2 ** 31 - 1, -(2 ** 31)),
    );
    fc.assert(
      fc.property(integers, fc.double(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (integer, double, big) => {
        expect(one({}, "i32", (f) => f.return(i32.const(integer))).run()).toBe(integer);
        expect(one({}, "f64", (f) => f.return(f64.const(double))).run()).toBe(double);
        expect(one({}, "i64", (f) => f.return(i64.const(big))).run() as unknown).toBe(big);
      }),
      { numRuns: 60 },
    );
  });

  it("take an i32 literal above 2^31 as its bits", () => {
    expect(one({}, "i32", (f) => f.return(0x80000000)).run()).toBe(-(2 ** 31));
    expect(one({}, "i32", (f) => f.return(0xffffffff)).run()).toBe(-1);
  });

  it("encode static offsets of every length", () => {
    for (const offset of [0, 1, 127, 128, 16383, 16384, 65532]) {
      const { run, memory } = one({ p: "i32" }, "f32", (f, { p }) => f.return(f32.load(p, offset)));
      new DataView(memory.buffer).setFloat32(offset, 3.5, true);
      expect(run(0)).toBe(3.5);
    }
  });

  it("refuse what has no encoding", () => {
    expect(() => i32.const(1.5)).toThrow(/integer in \[-2\^31, 2\^32\), got 1.5/);
    expect(() => i32.const(2 ** 32)).toThrow(/got 4294967296/);
    expect(() => f32.load(0, -4)).toThrow(/unsigned number of bytes, got -4\. Subtract from the pointer/);
    expect(() => f32.load(0, 2 ** 32)).toThrow(/\[0, 2\^32\)/);
  });
});

describe("modules", () => {
  it.each(BUILDS)("import env.memory with minimum 0 and maximum 65536, and nothing else (%s)", (build) => {
    const m = new ModuleBuilder(build);
    m.func("nothing", { params: {} }, () => {});
    const module = new WebAssembly.Module(m.toBytes());
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
    const memory = new WebAssembly.Memory({ initial: 0, maximum: 65536 });
    expect(() => new WebAssembly.Instance(module, { env: { memory } })).not.toThrow();
  });

  it("become modules of shared memory by one flag, even when the types before it are long", () => {
    const m = new ModuleBuilder();
    for (let arity = 0; arity < 40; arity++) {
      m.func(`f${arity}`, { params: Object.fromEntries(Array.from({ length: arity }, (_, i) => [`p${i}`, "i32" as const])) }, () => {});
    }
    const shared = withSharedMemory(m.toBytes());
    const memory = new WebAssembly.Memory({ initial: 0, maximum: 65536, shared: true });
    expect(() => new WebAssembly.Instance(new WebAssembly.Module(shared), { env: { memory } })).not.toThrow();
    expect([...shared].filter((byte, i) => byte !== m.toBytes()[i])).toEqual([3]);
    expect(() => withSharedMemory(shared)).toThrow(/unshared env\.memory/);
    expect(() => new WebAssembly.Instance(new WebAssembly.Module(m.toBytes()), { env: { memory } })).toThrow(WebAssembly.LinkError);
  });

  it("export what func made, keep what internal made, and share equal types", () => {
    const m = new ModuleBuilder();
    const square = m.internal("square", { params: { x: "f32" }, result: "f32" }, (f, { x }) => f.return(f32.mul(x, x)));
    m.func("quartic", { params: { x: "f32" }, result: "f32" }, (f, { x }) => {
      f.return(f.call(square, { x: f.call(square, { x }) }));
    });
    const bytes = m.toBytes();
    expect(WebAssembly.Module.exports(new WebAssembly.Module(bytes)).map(({ name }) => name)).toEqual(["quartic"]);
    expect(bytes.slice(8, 12)).toEqual(Uint8Array.from([1, 6, 1, 0x60])); // type section, 6 bytes, one type
    expect(load(m).exports["quartic"]!(3)).toBe(81);
  });
});

describe("control flow", () => {
  it("forRange runs from start to below end, not at all when empty, in steps", () => {
    const { run } = one({ start: "i32", end: "i32", step: "i32" }, "i32", (f, { start, end, step }) => {
      const sum = f.local("i32");
      f.forRange(start, i32.add(end, 0), step, (i) => sum.set(i32.add(i32.mul(sum, 10), i)));
      f.return(sum);
    });
    expect(run(1, 5, 1)).toBe(1234);
    expect(run(1, 6, 2)).toBe(135);
    expect(run(5, 5, 1)).toBe(0);
    expect(run(5, -5, 1)).toBe(0);
  });

  it("vectorLoop visits every index once, in fours and then singly, for every n", () => {
    const { run, memory } = one({ n: "i32" }, undefined, (f, { n }) => {
      f.vectorLoop(
        n,
        (i) => f.store8(i, 4),
        (i) => f.store8(i, 1),
      );
    });
    for (let n = 0; n < 14; n++) {
      const bytes = new Uint8Array(memory.buffer, 0, 20).fill(0);
      run(n);
      const expected = Array.from({ length: 20 }, (_, i) => (i >= n ? 0 : i < n - (n % 4) ? (i % 4 === 0 ? 4 : 0) : 1));
      expect([...bytes]).toEqual(expected);
    }
  });

  it("if takes one branch, block is left by branch, loop is repeated by branch", () => {
    const { run } = one({ n: "i32" }, "i32", (f, { n }) => {
      const [count, parity] = [f.local("i32"), f.local("i32")];
      f.block((exit) => {
        f.branchIf(exit, i32.eqz(n));
        f.loop((again) => {
          f.increment(count, 3);
          f.if(
            i32.and(count, 1),
            () => parity.set(1),
            () => parity.set(2),
          );
          f.increment(n, -1);
          f.branchIf(exit, i32.gtS(count, 100));
          f.if(n, () => f.branch(again));
        });
      });
      f.return(i32.add(i32.mul(count, 10), parity));
    });
    expect(run(0)).toBe(0);
    expect(run(1)).toBe(31);
    expect(run(2)).toBe(62);
    expect(run(1000)).toBe(1022);
  });
});

describe("sideBySide", () => {
  it("computes each body by itself, statements in turn", () => {
    const order: number[] = [];
    const { run } = one({ n: "i32" }, "i32", (f, { n }) => {
      const results = f.sideBySide(3, (index) => {
        const x = f.let(i32.add(n, index));
        x.set(i32.mul(x, x));
        return i32.add(x, 1);
      });
      order.push(results.length);
      f.return(results.reduce((sum: Expression<"i32">, x) => i32.add(i32.mul(sum, 100), x), i32.const(0)));
    });
    expect(run(2)).toBe(5_10_17);
    expect(order).toEqual([3]);
    // The same bytes as statements written in turn.
    const m = (body: (f: FunctionBuilder, p: Locals<{ n: "i32" }>) => void) => {
      const module = new ModuleBuilder();
      module.func("run", { params: { n: "i32" } }, body as never);
      return [...module.toBytes()];
    };
    const together = m((f, { n }) => {
      const at = f.locals("i32", 2);
      f.sideBySide(2, (index) => {
        at[index].set(n);
        at[index].set(i32.add(at[index], 1));
        return at[index];
      });
    });
    const inTurn = m((f, { n }) => {
      const at = f.locals("i32", 2);
      const results = f.locals("i32", 2);
      at.forEach((local) => local.set(n));
      at.forEach((local) => local.set(i32.add(local, 1)));
      results.forEach((local, index) => local.set(at[index]));
    });
    expect(together).toEqual(inTurn);
  });
});

describe("a local that the next statement begins with", () => {
  const bytesOf = (body: (f: FunctionBuilder<"i32">, p: Locals<{ n: "i32" }>) => void) => {
    const module = new ModuleBuilder();
    module.func("run", { params: { n: "i32" }, result: "i32" }, body);
    return [...module.toBytes()];
  };

  it("is set and read by one instruction", () => {
    const body = (f: FunctionBuilder<"i32">, { n }: Locals<{ n: "i32" }>, isOne: boolean) => {
      const a = f.local("i32");
      if (!isOne) a.set(i32.add(n, 1));
      f.return(i32.mul(isOne ? a.tee(i32.add(n, 1)) : a, a));
    };
    expect(bytesOf((f, p) => body(f, p, false))).toEqual(bytesOf((f, p) => body(f, p, true)));
    expect(one({ n: "i32" }, "i32", (f, p) => body(f, p, false)).run(4)).toBe(25);
  });

  it("is read again where a block or a loop begins in between, or another local has the first byte of its number", () => {
    const { run } = one({ n: "i32" }, "i32", (f, { n }) => {
      const many = f.locals("i32", 300);
      const [a, total] = f.locals("i32", 2);
      a.set(n);
      f.doWhile(a, () => {
        total.set(i32.add(total, a));
        a.set(i32.sub(a, 1));
      });
      a.set(7);
      f.if(n, () => a.set(i32.add(a, 1)));
      // Numbers of two bytes: 0x80 | 1 and 1, 2.
      many[127].set(5);
      many[255].set(i32.add(many[127], 1));
      many[127].set(i32.add(many[255], 1));
      f.return(i32.add(i32.add(total, i32.mul(a, 100)), i32.add(i32.mul(many[127], 10_000), i32.mul(many[255], 100_000))));
    });
    expect(run(3)).toBe(6 + 800 + 70_000 + 600_000);
    expect(run(1)).toBe(1 + 800 + 70_000 + 600_000);
  });
});

describe("every instruction", () => {
  const param: Record<string, ValueType> = { i32: "i32", i64: "i64", f32: "f32", f64: "f64" };
  const spaces = { i32, i64, f32, f64, v128, i8x16, i16x8, i32x4, i64x2, f32x4, f64x2 } as Record<
    string,
    Record<string, (...args: never[]) => Expression>
  >;
  const scalarOf: Record<string, ValueType> = {
    i8x16: "i32",
    i16x8: "i32",
    i32x4: "i32",
    i64x2: "i64",
    f32x4: "f32",
    f64x2: "f64",
    v128: "v128",
    ...param,
  };

  /** The operands of an instruction, from its name: the same rule for all of them. */
  function operands(space: string, name: string, local: (type: ValueType) => unknown): unknown[] {
    if (name === "const") return [space === "i64" ? 7n : 7];
    if (name.endsWith("Lane") && name.startsWith("load")) return [local("i32"), local("v128"), 1, 16];
    if (name.startsWith("load")) return [local("i32"), 16];
    if (name === "splat") return [local(scalarOf[space]!)];
    if (name === "extractLane") return [local("v128"), 1];
    if (name === "replaceLane") return [local("v128"), 1, local(scalarOf[space]!)];
    if (name === "shuffle") {
      const lanes = Number(space.split("x")[1]);
      return [local("v128"), local("v128"), Array.from({ length: lanes }, (_, i) => 2 * i)];
    }
    if (space.includes("x") || space === "v128") {
      if (/^sh[lr]/.test(name)) return [local("v128"), local("i32")];
      return [local("v128"), local("v128"), local("v128")];
    }
    const source = /^(?:trunc|truncSat|convert|wrap|extend|promote|demote|reinterpret)([IF])(32|64)/.exec(name);
    const type = source ? (`${source[1]!.toLowerCase()}${source[2]}` as ValueType) : scalarOf[space]!;
    return [local(type), local(type)];
  }

  const all = Object.entries(spaces).flatMap(([space, instructions]) => Object.keys(instructions).map((name) => [space, name] as const));
  it.each(all)("%s.%s is valid", (space, name) => {
    const m = new ModuleBuilder("relaxed");
    m.func("run", { params: {} }, (f) => {
      const locals = new Map<ValueType, unknown>();
      const local = (type: ValueType): unknown => locals.get(type) ?? locals.set(type, f.local(type)).get(type);
      const args = operands(space, name, local) as never[];
      f.drop(spaces[space]![name]!(...args));
    });
    // Compiling, not validating, because its error names the instruction.
    expect(() => new WebAssembly.Module(m.toBytes())).not.toThrow();
  });

  it("computes what its name says, where one opcode is easily taken for another", () => {
    const x = Float32Array.of(1.5, -2.5, 3.25, NaN);
    const y = Float32Array.of(-1, 7, 3.25, 2);
    const binary: [keyof typeof f32x4 & string, (a: number, b: number) => number][] = [
      ["add", (a, b) => a + b],
      ["sub", (a, b) => a - b],
      ["mul", (a, b) => a * b],
      ["div", (a, b) => a / b],
      ["min", (a, b) => Math.min(a, b)],
      ["max", (a, b) => Math.max(a, b)],
      ["pmin", (a, b) => (b < a ? b : a)],
      ["pmax", (a, b) => (a < b ? b : a)],
      ["relaxedMin", (a, b) => (Number.isNaN(a) ? NaN : Math.min(a, b))],
      ["relaxedMax", (a, b) => (Number.isNaN(a) ? NaN : Math.max(a, b))],
    ];
    for (const [name, expected] of binary) {
      const { run, memory } = one({}, undefined, (f) =>
        f.store(32, (f32x4 as Record<string, unknown> as Record<string, typeof f32x4.add>)[name]!(v128.load(0), v128.load(16))),
      );
      new Float32Array(memory.buffer).set([...x, ...y]);
      run();
      const lanes = name.startsWith("relaxed") ? 3 : 4; // With a NaN, relaxed minima and maxima may differ by engine.
      const lanesExpected = [...x].slice(0, lanes).map((a, i) => Math.fround(expected(a, y[i]!)));
      expect([name, ...new Float32Array(memory.buffer, 32, lanes)]).toEqual([name, ...lanesExpected]);
    }
    const compare: [keyof typeof i32x4 & string, (a: number, b: number) => boolean][] = [
      ["ltS", (a, b) => a < b],
      ["ltU", (a, b) => a >>> 0 < b >>> 0],
      ["gtS", (a, b) => a > b],
      ["gtU", (a, b) => a >>> 0 > b >>> 0],
      ["leS", (a, b) => a <= b],
      ["leU", (a, b) => a >>> 0 <= b >>> 0],
      ["geS", (a, b) => a >= b],
      ["geU", (a, b) => a >>> 0 >= b >>> 0],
      ["eq", (a, b) => a === b],
      ["ne", (a, b) => a !== b],
    ];
    const [p, q] = [Int32Array.of(1, -1, 5, 0), Int32Array.of(-1, 1, 5, 9)];
    for (const [name, expected] of compare) {
      const { run, memory } = one({}, undefined, (f) =>
        f.store(32, (i32x4 as Record<string, unknown> as Record<string, typeof i32x4.eq>)[name]!(v128.load(0), v128.load(16))),
      );
      new Int32Array(memory.buffer).set([...p, ...q]);
      run();
      expect([name, ...new Int32Array(memory.buffer, 32, 4)]).toEqual([name, ...[...p].map((a, i) => (expected(a, q[i]!) ? -1 : 0))]);
    }
  });

  it("select and bitselect take the first where the condition holds, for vectors too", () => {
    expect(one({ c: "i32" }, "f32", (f, { c }) => f.return(select(c, f32.const(1), f32.const(2)))).run(5)).toBe(1);
    const { run, memory } = one({ c: "i32" }, undefined, (f, { c }) => {
      f.store(0, select(c, f32x4.const(1), f32x4.const(2)));
      f.store(16, v128.bitselect(f32x4.const(1), f32x4.const(2), i32x4.const(-1, 0, -1, 0)));
    });
    run(0);
    expect([...new Float32Array(memory.buffer, 0, 8)]).toEqual([2, 2, 2, 2, 1, 2, 1, 2]);
  });

  it.each(BUILDS)("madd is a·b + c and nmadd is c − a·b (%s)", (build) => {
    const { run, memory } = one(
      {},
      undefined,
      (f) => {
        f.store(0, f.madd(f32x4.const(2), f32x4.const(3), f32x4.const(4)));
        f.store(16, f.nmadd(f32x4.const(2), f32x4.const(3), f32x4.const(4)));
        f.store(32, f.maddF64(f64x2.const(2), f64x2.const(3), f64x2.const(4)));
      },
      build,
    );
    run();
    expect([...new Float32Array(memory.buffer, 0, 8)]).toEqual([10, 10, 10, 10, -2, -2, -2, -2]);
    expect([...new Float64Array(memory.buffer, 32, 2)]).toEqual([10, 10]);
  });

  it("store writes by the value's type, lanes singly, and memoryCopy and memoryFill move bytes", () => {
    const { run, memory } = one({}, undefined, (f) => {
      f.store(0, i32.const(1));
      f.store(4, f32.const(2));
      f.store(8, f64.const(3));
      const vector = f.let(f32x4.const(10, 11, 12, 13));
      f.store32Lane(16, vector, 2);
      f.store64Lane(24, vector, 1);
      f.store16(32, 0x12345);
      f.memoryCopy(64, 16, 16);
      f.memoryFill(96, 7, 2);
    });
    run();
    const view = new DataView(memory.buffer);
    expect([view.getInt32(0, true), view.getFloat32(4, true), view.getFloat64(8, true)]).toEqual([1, 2, 3]);
    expect([...new Float32Array(memory.buffer, 16, 4)]).toEqual([12, 0, 12, 13]);
    expect(view.getInt32(32, true)).toBe(0x2345);
    expect([...new Float32Array(memory.buffer, 64, 4)]).toEqual([12, 0, 12, 13]);
    expect([...new Uint8Array(memory.buffer, 95, 4)]).toEqual([0, 7, 7, 0]);
  });
});

describe("misuse ends with a sentence that says what to do", () => {
  const building =
    (body: (f: FunctionBuilder, p: Locals<{ x: "f32"; n: "i32" }>) => void, build: Build = "relaxed") =>
    () =>
      new ModuleBuilder(build).func("kernel", { params: { x: "f32", n: "i32" } }, body as never);

  it("a type that does not fit", () => {
    // @ts-expect-error the compiler says so too
    expect(building((f, { x }) => f.drop(i32.add(x, 1)))).toThrow(/takes i32, got f32\. Convert it/);
    // @ts-expect-error a local takes its own type only
    expect(building((f, { x, n }) => n.set(f32.add(x, 1)))).toThrow(/kernel: n\.set: takes i32, got f32/);
    expect(building((f) => f.drop(i32.add("1" as never, 1)))).toThrow(/takes an expression of type i32, got 1/);
  });

  it("an expression used twice", () => {
    expect(
      building((f, { n }) => {
        const twice = i32.add(n, 1);
        n.set(i32.mul(twice, twice));
      }),
    ).toThrow(/used already, so its code would run twice\. Keep it in a local: const x = f\.let/);
  });

  it("a local of another function", () => {
    const m = new ModuleBuilder();
    let stray: Expression<"i32"> | undefined;
    m.func("first", { params: { n: "i32" } }, (_, { n }) => void (stray = n));
    expect(() => m.func("second", { params: { n: "i32" } }, (f, { n }) => n.set(stray!))).toThrow(
      /second: n\.set: reads a local of function "first"\. Pass the value/,
    );
    expect(() => m.func("third", { params: { n: "i32" } }, (f, { n }) => n.set(i32.add(n, stray!)))).toThrow(
      /mixes locals of functions "third" and "first"/,
    );
  });

  it("a relaxed instruction in the plain build, however deep", () => {
    expect(building((f) => f.store(0, f32x4.neg(f32x4.relaxedMadd(f32x4.const(1), f32x4.const(1), f32x4.const(1)))), "simd")).toThrow(
      /the "simd" build holds no relaxed instruction\. Use f\.madd/,
    );
  });

  it("bodies side by side that are not alike, that branch, or that hold others", () => {
    expect(
      building((f, { n }) =>
        f.sideBySide(2, (index) => {
          if (index === 1) n.set(1);
          return i32.add(n, 1);
        }),
      ),
    ).toThrow(/the bodies have different numbers of statements\. Make what differs an operand/);
    expect(
      building((f, { n }) =>
        f.sideBySide(2, () => {
          f.if(n, () => n.set(1));
          return i32.add(n, 1);
        }),
      ),
    ).toThrow(/a body has control flow\. Use select or v128\.bitselect/);
    expect(
      building((f, { n }) =>
        f.block((exit) =>
          f.sideBySide(2, () => {
            f.branchIf(exit, n);
            return i32.add(n, 1);
          }),
        ),
      ),
    ).toThrow(/a body has control flow/);
    expect(building((f, { n }) => f.sideBySide(2, () => f.sideBySide(2, () => i32.add(n, 1))[0]))).toThrow(/it is inside another one/);
  });

  it("a branch to a block that is closed", () => {
    expect(
      building((f) => {
        let kept: Label | undefined;
        f.block((exit) => void (kept = exit));
        f.block(() => f.branch(kept!));
      }),
    ).toThrow(/the label's block is closed already/);
  });

  it("wrong arguments of a call, a result too many or too few, names taken or misleading", () => {
    const m = new ModuleBuilder();
    const helper: FunctionHandle<{ a: "i32" }, "i32"> = m.internal("helper", { params: { a: "i32" }, result: "i32" }, (f, { a }) =>
      f.return(a),
    );
    // @ts-expect-error no such parameter
    expect(() => m.func("f1", { params: {} }, (f) => f.drop(f.call(helper, { a: 1, b: 2 })))).toThrow(
      /there is no parameter "b"\. Its parameters: a\./,
    );
    // @ts-expect-error a is missing
    expect(() => m.func("f2", { params: {} }, (f) => f.drop(f.call(helper, {})))).toThrow(/argument "a" is missing/);
    // @ts-expect-error the signature has no result
    expect(() => m.func("f3", { params: {} }, (f) => f.return(1))).toThrow(/the signature has no result/);
    expect(() => m.func("helper", { params: {} }, () => {})).toThrow(/the name is taken/);
    expect(() => m.func("f4", { params: { 0: "i32" } }, () => {})).toThrow(/begins with a digit/);
    expect(() => m.func("f5", { params: {} }, () => void m.func("f6", { params: {} }, () => {}))).toThrow(
      /function "f5" is still being built/,
    );
    expect(() => f32x4.extractLane(f32x4.const(0), 4)).toThrow(/an index lies in \[0, 4\), got 4/);
  });
});
