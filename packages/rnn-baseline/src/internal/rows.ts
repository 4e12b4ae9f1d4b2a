import { i32, type FunctionBuilder, type Local } from "@heed/kernels/assembler";

type Int = Local<"i32">;

/** Pointers to the blocks of H numbers of a row. */
export function blocks(f: FunctionBuilder, row: Int, H: Int, count: number): Int[] {
  const bytes = f.let(i32.shl(H, 2));
  const pointers = [row];
  while (pointers.length < count) pointers.push(f.let(i32.add(pointers[pointers.length - 1], bytes)));
  return pointers;
}

/** To the next row. */
export function advance(f: FunctionBuilder, pointers: Int[], elements: Int): void {
  for (const pointer of pointers) f.increment(pointer, i32.shl(elements, 2));
}
