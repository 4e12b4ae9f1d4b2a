import { f32, f32x4, i32, i32x4, v128 } from "../assembler/index.ts";
import type { FunctionBuilder, Local, V128 } from "../assembler/index.ts";

type Int = Local<"i32">;
type Vector = Local<"v128">;

/**
 * For each element of a row of n float32: `outputs[k][i] = results(inputs[0][i], inputs[1][i] …)[k]`, in vectors; the last
 * n mod 4 elements one by one in the first lane (the other lanes then compute on zeros, and are dropped). An output may be
 * one of the inputs. The pointers stay as they are.
 */
export function mapRow(
  f: FunctionBuilder,
  n: Int,
  inputs: readonly Int[],
  outputs: readonly Int[],
  results: (values: Vector[]) => V128[],
): void {
  // One walking pointer per array, also where an output is an input.
  const walking = new Map([...inputs, ...outputs].map((pointer) => [pointer, pointer]));
  for (const pointer of walking.keys()) walking.set(pointer, f.let(pointer));
  const values = f.locals("v128", inputs.length);
  const turn = (load: (pointer: Int) => V128, store: (pointer: Int, result: V128) => void, bytes: number): void => {
    inputs.forEach((pointer, i) => values[i].set(load(walking.get(pointer)!)));
    const computed = results(values).map((result) => f.let(result));
    outputs.forEach((pointer, i) => store(walking.get(pointer)!, computed[i]));
    for (const pointer of walking.values()) f.increment(pointer, bytes);
  };
  // In pairs where the engine makes one vector of two: both are read before either is written.
  const rest = f.build === "wide" ? f.let(i32.and(n, 7)) : n;
  if (f.build === "wide") {
    f.forRange(0, i32.sub(n, rest), 8, () => {
      const sides = [0, 16].map((offset) => inputs.map((pointer) => f.let(v128.load(walking.get(pointer)!, offset))));
      const computed = sides.map((side) => results(side).map((result) => f.let(result)));
      outputs.forEach((pointer, i) => computed.forEach((side, index) => f.store(walking.get(pointer)!, side[i], 16 * index)));
      for (const pointer of walking.values()) f.increment(pointer, 32);
    });
  }
  f.vectorLoop(
    rest,
    () =>
      turn(
        (pointer) => v128.load(pointer),
        (pointer, result) => f.store(pointer, result),
        16,
      ),
    () =>
      turn(
        (pointer) => v128.load32Zero(pointer),
        (pointer, result) => f.store32Lane(pointer, result, 0),
        4,
      ),
  );
}

/** From values (one vector of each operand) and running sums to the new sums, one per sum. */
export type Update = (values: Vector[], sums: Vector[]) => V128[];

/** Vectors in one turn of a sum: independent chains of additions hide the latency of an addition. */
const CHAINS = 4;

/** Sums over rows of n elements, contiguous from each of the pointers, which stay as they are. */
export function sumRow(f: FunctionBuilder, n: Int, rows: readonly Int[], count: number, update: Update): Local<"f32">[] {
  const pointers = rows.map((row) => f.let(row));
  const values = f.locals("v128", rows.length);
  const zero = f.let(f32x4.const(0));
  const chains = Array.from({ length: CHAINS }, () => f.locals("v128", count));
  for (const sums of chains) for (const sum of sums) sum.set(zero);

  const turn = (chain: number, load: (pointer: Int) => V128, keep: (next: V128, sum: Vector) => V128): void => {
    pointers.forEach((pointer, i) => values[i].set(load(pointer)));
    update(values, chains[chain]).forEach((next, i) => chains[chain][i].set(keep(next, chains[chain][i])));
  };
  const advance = (bytes: number) => pointers.forEach((pointer) => f.increment(pointer, bytes));
  const wide = f.let(i32.and(n, -4 * CHAINS));
  f.forRange(0, wide, 4 * CHAINS, () => {
    for (let chain = 0; chain < CHAINS; chain++)
      turn(
        chain,
        (pointer) => v128.load(pointer, 16 * chain),
        (next) => next,
      );
    advance(16 * CHAINS);
  });
  const vectors = f.let(i32.and(n, -4));
  f.forRange(wide, vectors, 4, () => {
    turn(
      0,
      (pointer) => v128.load(pointer),
      (next) => next,
    );
    advance(16);
  });
  const first = f.let(i32x4.const(-1, 0, 0, 0));
  f.forRange(vectors, n, 1, () => {
    turn(
      0,
      (pointer) => v128.load32Zero(pointer),
      (next, sum) => v128.bitselect(next, sum, first),
    );
    advance(4);
  });

  return chains[0].map((_, i) => {
    const total = f.let(f32x4.add(f32x4.add(chains[0][i], chains[1][i]), f32x4.add(chains[2][i], chains[3][i])));
    const lanes = [0, 1, 2, 3].map((lane) => f32x4.extractLane(total, lane));
    return f.let(f32.add(f32.add(lanes[0], lanes[1]), f32.add(lanes[2], lanes[3])));
  });
}
