import { i32 } from "../assembler/index.ts";
import type { FunctionBuilder, Local } from "../assembler/index.ts";

type Int = Local<"i32">;

export const REDUCTION = { x: "i32", out: "i32", outer: "i32", n: "i32", inner: "i32" } as const;

/**
 * Calls `body(width, byte offset)` for blocks of 16 and 4 columns, the last of which may overlap the one before; for fewer
 * than 4 columns, one by one.
 */
export function overColumns(f: FunctionBuilder, inner: Int, body: (width: 16 | 4 | 1, at: Int) => void): void {
  const at = f.local("i32", "at");
  f.if(
    i32.ltS(inner, 4),
    () =>
      f.forRange(0, inner, 1, (j) => {
        at.set(i32.shl(j, 2));
        body(1, at);
      }),
    () => {
      const whole = f.let(i32.and(inner, -16));
      f.forRange(0, whole, 16, (j) => {
        at.set(i32.shl(j, 2));
        body(16, at);
      });
      const last = f.let(i32.sub(inner, 4));
      f.forRange(whole, inner, 4, (j) => {
        at.set(i32.shl(i32.minS(j, last), 2));
        body(4, at);
      });
    },
  );
}
