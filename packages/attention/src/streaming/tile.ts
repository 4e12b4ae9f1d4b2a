import { i32, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";

const COPY = { source: "i32", sourceRow: "i32", rows: "i32", bytes: "i32", to: "i32", toRow: "i32", padding: "i32", flags: "i32" } as const;

/** Copies rows of `bytes`, each followed by `padding` bytes of 0. Rows whose byte at `flags` is 1 (0: there are none) become 0. */
export function defineCopyRows(m: ModuleBuilder): FunctionHandle<typeof COPY, undefined> {
  return m.internal("copyRows", { params: COPY }, (f, { source, sourceRow, rows, bytes, to, toRow, padding, flags }) => {
    const isBad = f.local("i32");
    f.forRange(0, rows, 1, (row) => {
      f.if(flags, () => isBad.set(i32.load8U(i32.add(flags, row))));
      f.if(
        isBad,
        () => f.memoryFill(to, 0, bytes),
        () => f.memoryCopy(to, source, bytes),
      );
      f.memoryFill(i32.add(to, bytes), 0, padding);
      f.increment(source, sourceRow);
      f.increment(to, toRow);
    });
  });
}
