import { f32, i32, select, type Expression, type FunctionBuilder, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { jobOf, workOf, type Int, type Work } from "./work.ts";

/** Moves to a sample and a head: the sequence's place and lengths, the head of its keys, its scale. */
export function definePlace(m: ModuleBuilder): FunctionHandle<{ work: "i32"; b: "i32"; h: "i32" }, undefined> {
  return m.internal("place", { params: { work: "i32", b: "i32", h: "i32" } }, (f, { work, b, h }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    w.set("b", b);
    w.set("h", h);
    w.set("headOfKey", i32.divU(i32.mul(h, job.int("Hkv")), job.int("H")));
    w.set("firstQuery", 0);
    w.set("firstKey", 0);
    w.set("L", job.int("L"));
    w.set("S", job.int("S"));
    const starts = f.local("i32");
    f.if(job.int("cuSeqlensQuery"), () => {
      starts.set(i32.add(job.int("cuSeqlensQuery"), i32.shl(b, 2)));
      w.set("firstQuery", i32.load(starts));
      w.set("L", i32.sub(i32.load(starts, 4), i32.load(starts)));
      starts.set(i32.add(job.int("cuSeqlensKey"), i32.shl(b, 2)));
      w.set("firstKey", i32.load(starts));
      w.set("S", i32.sub(i32.load(starts, 4), i32.load(starts)));
    });
    f.if(
      job.int("scales"),
      () => w.setReal("scale", f32.load(job.address("scales", [h, "scalesHead"]))),
      () => w.setReal("scale", job.real("scale")),
    );
  });
}

/** Bytes between rows of a strip beyond its columns, so that rows do not begin in the same cache sets: 5 % of a product with them. */
export const STRIP_PADDING = 64;

/** Address of the flags of rows that are not finite, from a row (counted among all of the operand) on; 0 where none are. */
export function flagsOf(
  w: Work,
  job: ReturnType<typeof jobOf>,
  operand: "Query" | "Key" | "Value",
  row: Expression<"i32">,
): Expression<"i32"> {
  const head = w.int(operand === "Query" ? "h" : "headOfKey");
  const ofHead = i32.add(i32.mul(w.int("b"), job.int(`bad${operand}Batch`)), i32.mul(head, job.int(`bad${operand}Head`)));
  const flags = i32.add(job.int(`bad${operand}`), i32.add(ofHead, row));
  return select(job.int(`bad${operand}`), flags, i32.const(0));
}

/** The byte offset of what is saved of a row (counted within the sequence). */
export function savedAt(w: Work, job: ReturnType<typeof jobOf>, row: Int): ReturnType<typeof i32.shl> {
  const ofHead = i32.add(i32.mul(w.int("b"), job.int("savedBatch")), i32.mul(w.int("h"), job.int("savedHead")));
  return i32.shl(i32.add(ofHead, i32.mul(i32.add(w.int("firstQuery"), row), job.int("savedRow"))), 2);
}

/** Cuts scratch space: each call gives an address, aligned to 64. */
export function cutter(f: FunctionBuilder, start: Int): (bytes: ReturnType<typeof i32.mul>) => Int {
  const next = f.let(start);
  return (bytes) => {
    const at = f.let(next);
    next.set(i32.and(i32.add(i32.add(next, bytes), 63), -64));
    return at;
  };
}
