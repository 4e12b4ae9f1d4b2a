import { f32, f32x4, i32, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, FunctionBuilder, Local } from "../assembler/index.ts";

/** The WebAssembly of gathering and scattering. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);

  m.func(
    "gatherRows",
    { params: { table: "i32", ids: "i32", out: "i32", count: "i32", width: "i32" } },
    (f, { table, ids, out, count, width }) => {
      const bytes = f.let(i32.shl(width, 2));
      const from = f.local("i32");
      f.forRange(0, count, 1, () => {
        from.set(i32.add(table, i32.mul(i32.load(ids), bytes)));
        f.increment(ids, 4);
        f.vectorLoop(
          width,
          () => {
            f.store(out, v128.load(from));
            advance(f, 16, from, out);
          },
          () => {
            f.store(out, i32.load(from));
            advance(f, 4, from, out);
          },
        );
      });
    },
  );

  m.func(
    "scatterAddRows",
    { params: { src: "i32", ids: "i32", out: "i32", count: "i32", width: "i32" } },
    (f, { src, ids, out, count, width }) => {
      const bytes = f.let(i32.shl(width, 2));
      const to = f.local("i32");
      f.forRange(0, count, 1, () => {
        to.set(i32.add(out, i32.mul(i32.load(ids), bytes)));
        f.increment(ids, 4);
        f.vectorLoop(
          width,
          () => {
            f.store(to, f32x4.add(v128.load(to), v128.load(src)));
            advance(f, 16, to, src);
          },
          () => {
            f.store(to, f32.add(f32.load(to), f32.load(src)));
            advance(f, 4, to, src);
          },
        );
      });
    },
  );

  const ALONG = { index: "i32", outer: "i32", n: "i32", m: "i32", inner: "i32" } as const;

  m.func(
    "gather",
    { params: { x: "i32", index: "i32", out: "i32", outer: "i32", n: "i32", m: "i32", inner: "i32" } },
    (f, { x, out, ...rest }) => {
      alongAxis(f, x, rest, (far) => {
        f.store(out, i32.load(far));
        f.increment(out, 4);
      });
    },
  );

  m.func(
    "scatterAdd",
    { params: { src: "i32", index: "i32", out: "i32", outer: "i32", n: "i32", m: "i32", inner: "i32" } },
    (f, { src, out, ...rest }) => {
      alongAxis(f, out, rest, (far) => {
        f.store(far, f32.add(f32.load(far), f32.load(src)));
        f.increment(src, 4);
      });
    },
  );

  /** Calls visit with the pointer to far[o, index[o, i, k], k] for all o, i, k in order; far is `[outer, n, inner]`. */
  function alongAxis(
    f: FunctionBuilder,
    far: Int,
    { index, outer, n, m: length, inner }: Record<keyof typeof ALONG, Int>,
    visit: (far: Int) => void,
  ): void {
    const rowBytes = f.let(i32.shl(inner, 2));
    const planeBytes = f.let(i32.mul(rowBytes, n));
    const target = f.local("i32");
    f.forRange(0, outer, 1, () => {
      f.forRange(0, length, 1, () => {
        f.forRange(0, rowBytes, 4, (k) => {
          target.set(i32.add(i32.add(far, k), i32.mul(i32.load(index), rowBytes)));
          f.increment(index, 4);
          visit(target);
        });
      });
      f.increment(far, planeBytes);
    });
  }

  return m.toBytes();
}

type Int = Local<"i32">;

function advance(f: FunctionBuilder, bytes: number, ...pointers: Int[]): void {
  for (const pointer of pointers) f.increment(pointer, bytes);
}
