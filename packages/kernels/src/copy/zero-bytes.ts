import { copy } from "./copy.ts";

/** Zeros over bytes of linear memory. A typed array's own `fill` goes byte by byte where that memory is shared: twenty times slower. */
export function zeroBytes(at: number, bytes: number): void {
  copy.on("float32").fillBytes(at, bytes, 0);
}
