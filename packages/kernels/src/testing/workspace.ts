import { features } from "../features.ts";
import type { Build, Family } from "../family.ts";
import { allocateBlock, freeBlock } from "../memory/allocator.ts";
import { viewsOf, type Views } from "../memory/views.ts";
import { allowWide } from "../wide/wide.ts";

/** One implementation of a family, as tests run it. */
export interface Implementation<K> {
  readonly name: string;
  readonly which: "reference" | Build;
  readonly dtype: "float32" | "float64";
  readonly kernels: K;
}

/** Every implementation of a family: the reference in both precisions, and each build; `wide` where it can run and is another one. */
export function implementationsOf<K extends object>(family: Family<K>): Implementation<K>[] {
  const { relaxedSimd } = features();
  const builds: Build[] = ["simd"];
  if (relaxedSimd) builds.push("relaxed");
  allowWide();
  if (relaxedSimd && family.implementation("wide") !== family.implementation("relaxed")) builds.push("wide");
  return [
    { name: "reference, float64", which: "reference", dtype: "float64", kernels: family.implementation("reference", "float64") },
    { name: "reference, float32", which: "reference", dtype: "float32", kernels: family.implementation("reference") },
    ...builds.map((build) => ({ name: build, which: build, dtype: "float32" as const, kernels: family.implementation(build) })),
  ];
}

const GUARD = 64;
const GUARD_BYTE = 0xa5;

/**
 * Arrays in linear memory for one test. Each lies between guard bytes, and `end` throws when a kernel wrote there.
 * Arrays start `4 · misaligned` bytes (8 for float64) after a multiple of 64, since kernels may not assume alignment.
 */
export class Workspace {
  readonly views: Views;
  readonly #blocks: { block: number; pointer: number; bytes: number }[] = [];

  constructor(dtype: "float32" | "float64") {
    this.views = viewsOf(dtype);
  }

  /** Reals of the precision: given values, or NaN `count` times, which a kernel must overwrite. */
  reals(values: ArrayLike<number> | number, misaligned = 0): number {
    const list = typeof values === "number" ? new Float64Array(values).fill(NaN) : values;
    const pointer = this.bytes(list.length << this.views.shift, misaligned << this.views.shift);
    this.views.real().set(list, pointer >>> this.views.shift);
    return pointer;
  }

  ints(values: ArrayLike<number> | number, misaligned = 0): number {
    const list = typeof values === "number" ? new Int32Array(values).fill(-77) : values;
    const pointer = this.bytes(list.length * 4, misaligned * 4);
    this.views.i32().set(list, pointer >>> 2);
    return pointer;
  }

  /** Bytes: given values, or 0 `count` times. */
  bytes(values: ArrayLike<number> | number, misaligned = 0): number {
    const bytes = typeof values === "number" ? values : values.length;
    const block = allocateBlock(bytes + misaligned + 2 * GUARD);
    const pointer = block + GUARD + misaligned;
    const u8 = this.views.u8();
    u8.fill(GUARD_BYTE, block, pointer + bytes + GUARD);
    if (typeof values === "number") u8.fill(0, pointer, pointer + bytes);
    else u8.set(values, pointer);
    this.#blocks.push({ block, pointer, bytes });
    return pointer;
  }

  readReals(pointer: number, count: number): number[] {
    return [...this.views.real().subarray(pointer >>> this.views.shift, (pointer >>> this.views.shift) + count)];
  }

  readInts(pointer: number, count: number): number[] {
    return [...this.views.i32().subarray(pointer >>> 2, (pointer >>> 2) + count)];
  }

  readBytes(pointer: number, count: number): number[] {
    return [...this.views.u8().subarray(pointer, pointer + count)];
  }

  end(): void {
    const u8 = this.views.u8();
    for (const { block, pointer, bytes } of this.#blocks) {
      for (let i = block; i < pointer + bytes + GUARD; i++) {
        if ((i < pointer || i >= pointer + bytes) && u8[i] !== GUARD_BYTE) {
          throw new Error(`internal: a kernel wrote byte ${i - pointer} of an array of ${bytes} bytes`);
        }
      }
      freeBlock(block);
    }
    this.#blocks.length = 0;
  }
}

/** Runs `body` with a workspace and checks its guards afterwards. */
export function inWorkspace<T>(dtype: "float32" | "float64", body: (workspace: Workspace) => T): T {
  const workspace = new Workspace(dtype);
  const result = body(workspace);
  workspace.end();
  return result;
}

/** `count` float32 numbers in [−1, 1), the same for the same seed (mulberry32). */
export function noise(count: number, seed: number): number[] {
  let state = seed + 0x6d2b79f5;
  return Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.fround(((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1);
  });
}

/** ε of a precision: half the distance from 1 to the next number. */
export function unitRoundoff(dtype: "float32" | "float64"): number {
  return dtype === "float32" ? 2 ** -24 : 2 ** -53;
}

/** Fails unless every |actual − expected| ≤ tolerance (one for all, or one each); NaN and ±∞ must agree exactly. */
export function expectNear(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number | ArrayLike<number>,
  what = "result",
): void {
  if (actual.length !== expected.length) throw new Error(`${what}: ${actual.length} numbers, expected ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const allowed = typeof tolerance === "number" ? tolerance : tolerance[i];
    const same = Object.is(actual[i], expected[i]) || actual[i] === expected[i];
    if (!same && !(Math.abs(actual[i] - expected[i]) <= allowed)) {
      throw new Error(`${what}[${i}]: got ${actual[i]}, expected ${expected[i]} ± ${allowed}`);
    }
  }
}

export function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
