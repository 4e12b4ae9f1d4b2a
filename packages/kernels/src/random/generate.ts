import { f32x4, i32, i32x4, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build } from "../assembler/index.ts";

/** Rotations of the rounds; four rounds, then the key is added again. */
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;
/** Words of one turn of the loop: four pairs. */
const GROUP = 8;

/** The WebAssembly of random masks: `threefry` (threefry.ts) of four counters at a time. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const params = { k0: "i32", k1: "i32", out: "i32", n: "i32", limit: "i32", value: "f32" } as const;
  m.func("mask", { params }, (f, { k0, k1, out, n, limit, value }) => {
    const k2 = f.let(i32.xor(i32.xor(k0, k1), 0x1bd11bda));
    const keys = [k0, k1, k2].map((key) => f.let(i32x4.splat(key)));
    const shifted = [k2, k0, k1, k2, k0].map((key, i) => f.let(i32x4.splat(i32.add(key, i + 1))));
    const most = f.let(i32x4.splat(limit));
    const kept = f.let(f32x4.splat(value));
    const counter = f.let(i32x4.const(0, 1, 2, 3));
    const step = f.let(i32x4.const(4));
    const [x, y, low, high] = f.locals("v128", 4);
    const rest = f.let(n);
    f.forRange(0, n, GROUP, () => {
      x.set(i32x4.add(counter, keys[0]!));
      y.set(keys[1]!);
      for (let turn = 0; turn < 5; turn++) {
        for (const bits of ROTATIONS[turn % 2]!) {
          x.set(i32x4.add(x, y));
          y.set(v128.xor(v128.or(i32x4.shl(y, bits), i32x4.shrU(y, 32 - bits)), x));
        }
        x.set(i32x4.add(x, keys[(turn + 1) % 3]!));
        y.set(i32x4.add(y, shifted[turn]!));
      }
      counter.set(i32x4.add(counter, step));
      x.set(v128.and(i32x4.leU(x, most), kept));
      y.set(v128.and(i32x4.leU(y, most), kept));
      low.set(f32x4.shuffle(x, y, [0, 4, 1, 5]));
      high.set(f32x4.shuffle(x, y, [2, 6, 3, 7]));
      f.if(
        i32.geS(rest, GROUP),
        () => {
          f.store(out, low);
          f.store(out, high, 16);
        },
        () => {
          for (const lane of [0, 1, 2, 3] as const) {
            f.if(i32.gtS(rest, lane), () => f.store32Lane(out, low, lane, 4 * lane));
            f.if(i32.gtS(rest, 4 + lane), () => f.store32Lane(out, high, lane, 4 * (4 + lane)));
          }
        },
      );
      f.increment(out, 4 * GROUP);
      f.increment(rest, -GROUP);
    });
  });
  return m.toBytes();
}
