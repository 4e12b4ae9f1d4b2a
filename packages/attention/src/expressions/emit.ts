import {
  f32,
  f32x4,
  f64,
  f64x2,
  i32,
  i32x4,
  v128,
  type Expression as Code,
  type FunctionBuilder,
  type Local,
} from "@heed/kernels/assembler";
import { Constants, expBlock, logBlock, sigmoidBlock, tanhBlock } from "@heed/kernels/building-blocks";
import type { Expression, ExpressionOperation } from "@heed/tensor/terms";
import { jobOf, workOf, type Int } from "../streaming/work.ts";
import { PASS_TABLE, passLayout } from "./record.ts";
import { operandsOf, partsOf, type Lookup, type Structure } from "./structure.ts";

/** How often a part is computed in a pass over a strip: once, per row, or for every four pairs. */
export const ONCE = 0;
export const PER_ROW = 1;
export const PER_PAIRS = 2;

type Vector = Local<"v128">;

/** Where a lookup reads its table. */
interface Place {
  /** Elements from the start. */
  readonly flat: Vector;
  /** All ones where the indices are in range; undefined where others are clamped. */
  readonly inside: Vector | undefined;
}

/** The code of parts of an expression, four pairs to a vector. A float is a float32, an int an int32, a bool all ones or all zeros. */
export interface Emission {
  /** Set to the scores before `pairs`. */
  readonly score: Vector;
  /** Statements at the start of each row. */
  row(): void;
  /** Statements for the next four pairs of the row. */
  pairs(): void;
  of(part: Expression): Vector;
  placeOf(lookup: Lookup): Place;
  stageOf(part: Expression): number;
  /** A field of a table's record. */
  table(number: number, field: "pointer" | "gradient" | "gradientChunk"): Code<"i32">;
}

/**
 * Emits what is computed once, and gives the rest.
 * @param roots parts whose values are wanted
 * @param places lookups of which it is wanted where they read
 */
export function emission(
  f: FunctionBuilder,
  work: Int,
  structure: Structure,
  roots: readonly Expression[],
  places: readonly Lookup[] = [],
): Emission {
  const w = workOf(f, work);
  const job = jobOf(f, w.local("job"));
  const pass = job.local("pass");
  const { tables } = passLayout(structure.numbers, structure.ranks);
  const values = new Set(partsOf(structure, [...roots, ...places.flatMap(({ indices }) => indices)]));
  const parts = structure.parts.filter((x) => values.has(x) || places.includes(x as Lookup));

  const stages = new Map<Expression, number>();
  for (const x of parts) {
    const own = x.op !== "variable" || x.name === "b" || x.name === "h" ? ONCE : x.name === "score" || x.name === "j" ? PER_PAIRS : PER_ROW;
    stages.set(x, Math.max(own, ...operandsOf(x).map((operand) => stages.get(operand)!)));
  }
  const stageOf = (x: Expression) => stages.get(x)!;

  const k = new Constants(f);
  const operations = operationsOf(f, k, new Set(parts.map(({ op }) => op)));
  const made = new Map<Expression, Vector>();
  const found = new Map<Lookup, Place>();
  const of = (x: Expression) => made.get(x)!;
  const [score, j] = f.locals("v128", 2);
  const [four, zero] = [k.i32(4), k.i32(0)];
  const lanes = f.let(i32x4.const(0, 1, 2, 3));
  const row = f.let(i32.sub(w.int("row"), 1));
  const offset = job.local("queryOffset");
  f.if(job.int("queryOffsets"), () => offset.set(i32.load(i32.add(job.int("queryOffsets"), i32.shl(w.int("b"), 2)))));

  /** The last index of each axis of the tables, and what is needed of an index there. */
  const lasts = new Map<string, Vector>();
  for (const x of parts) {
    if (x.op !== "lookup") continue;
    x.indices.forEach((_, axis) => {
      const name = `${x.table} ${axis}`;
      if (!lasts.has(name))
        lasts.set(name, f.let(i32x4.splat(i32.sub(i32.load(pass, tables[x.table] + PASS_TABLE.extents + 4 * axis), 1))));
    });
  }
  const table = (number: number, field: "pointer" | "gradient" | "gradientChunk") => i32.load(pass, tables[number] + PASS_TABLE[field]);
  const pointers = structure.ranks.map((_, number) => f.let(table(number, "pointer")));

  const place = (x: Lookup): void => {
    const { flat, inside } = found.get(x)!;
    x.indices.forEach((part, axis) => {
      const [index, last] = [of(part), lasts.get(`${x.table} ${axis}`)!];
      if (inside !== undefined) {
        const within = v128.and(i32x4.geS(index, zero), i32x4.leS(index, last));
        inside.set(axis === 0 ? within : v128.and(inside, within));
      }
      const clamped = i32x4.minS(i32x4.maxS(index, zero), last);
      // Times the extent of the axis: its last index, and 1.
      flat.set(axis === 0 ? clamped : i32x4.add(i32x4.add(i32x4.mul(flat, last), flat), clamped));
    });
  };
  const read = (x: Lookup): void => {
    const to = of(x);
    const { flat, inside } = found.get(x)!;
    const at = (lane: number) => i32.add(pointers[x.table], i32.shl(i32x4.extractLane(flat, lane), x.type === "bool" ? 0 : 2));
    if (x.type === "bool") {
      to.set(i32x4.splat(i32.load8U(at(0))));
      if (stageOf(x) === PER_PAIRS) for (const lane of [1, 2, 3]) to.set(i32x4.replaceLane(to, lane, i32.load8U(at(lane))));
      to.set(i32x4.ne(to, zero));
    } else {
      to.set(stageOf(x) === PER_PAIRS ? v128.load32Zero(at(0)) : v128.load32Splat(at(0)));
      if (stageOf(x) === PER_PAIRS) for (const lane of [1, 2, 3]) to.set(v128.load32Lane(at(lane), to, lane));
    }
    if (inside !== undefined) to.set(v128.bitselect(to, outsides.get(x)!, inside));
  };
  const outsides = new Map<Lookup, Vector>();
  for (const x of parts) {
    if (x.op !== "lookup" || x.outside === undefined) continue;
    outsides.set(x, x.type === "float" ? k.f32(x.outside) : k.i32(x.type === "bool" ? -x.outside : x.outside));
  }

  const emit = (x: Expression): void => {
    if (x.op === "lookup") {
      place(x);
      if (values.has(x)) read(x);
      return;
    }
    const to = of(x);
    if (x.op === "constant") {
      const at = 8 * structure.numberOf.get(x)!;
      if (x.type === "float") to.set(f32x4.splat(f32.demoteF64(f64.load(pass, at))));
      else to.set(i32x4.splat(i32.truncSatF64S(f64.load(pass, at))));
      if (x.type === "bool") to.set(i32x4.ne(to, zero));
    } else if (x.op === "variable") {
      if (x.name === "b" || x.name === "h") to.set(i32x4.splat(w.int(x.name)));
      else if (x.name === "i") to.set(i32x4.splat(row));
      else if (x.name === "position") to.set(i32x4.splat(i32.add(row, offset)));
    } else to.set(operations(x, x.operands.map(of)));
  };
  const stage = (wanted: number) => parts.forEach((x) => stageOf(x) === wanted && emit(x));

  for (const x of parts) {
    if (x.op === "lookup") found.set(x, { flat: f.local("v128"), inside: x.outside === undefined ? undefined : f.local("v128") });
    if (x.op === "variable" && x.name === "score") made.set(x, score);
    else if (x.op === "variable" && x.name === "j") made.set(x, j);
    else made.set(x, f.local("v128"));
  }
  stage(ONCE);
  return {
    score,
    row() {
      f.increment(row, 1);
      stage(PER_ROW);
      j.set(i32x4.sub(i32x4.add(lanes, i32x4.splat(w.int("column"))), four));
    },
    pairs() {
      j.set(i32x4.add(j, four));
      stage(PER_PAIRS);
    },
    of,
    placeOf: (x) => found.get(x)!,
    stageOf,
    table,
  };
}

/** The instructions of an operation. What they need besides is emitted at once, for the operations that are used. */
function operationsOf(
  f: FunctionBuilder,
  k: Constants,
  used: ReadonlySet<Expression["op"]>,
): (x: Expression & { readonly op: ExpressionOperation }, operands: readonly Vector[]) => Code<"v128"> {
  const blocks = {
    exp: used.has("exp") ? expBlock(k) : undefined,
    log: used.has("log") ? logBlock(k) : undefined,
    tanh: used.has("tanh") ? tanhBlock(k) : undefined,
    sigmoid: used.has("sigmoid") ? sigmoidBlock(k) : undefined,
  };
  const [zero, minusOne] = [k.i32(0), k.i32(-1)];
  const quotient = (a: Vector, b: Vector) => {
    // A double tells quotients of ints from whole numbers, so rounding it down is exact.
    const half = (x: Vector, y: Vector) =>
      i32x4.truncSatF64x2SZero(f64x2.floor(f64x2.div(f64x2.convertLowI32x4S(x), f64x2.convertLowI32x4S(y))));
    const upper = (x: Vector) => f.let(f32x4.shuffle(x, x, [2, 3, 0, 1]));
    const [low, high] = [f.let(half(a, b)), f.let(half(upper(a), upper(b)))];
    const whole = v128.and(f32x4.shuffle(low, high, [0, 1, 4, 5]), i32x4.ne(b, zero));
    return v128.bitselect(i32x4.neg(a), whole, i32x4.eq(b, minusOne)); // −2³¹ / −1 wraps round
  };
  return (x, [a, b, c]) => {
    const isInt = x.operands[0].type === "int";
    switch (x.op) {
      case "add":
        return isInt ? i32x4.add(a, b) : f32x4.add(a, b);
      case "sub":
        return isInt ? i32x4.sub(a, b) : f32x4.sub(a, b);
      case "mul":
        return isInt ? i32x4.mul(a, b) : f32x4.mul(a, b);
      case "div":
        return f32x4.div(a, b);
      case "floorDiv":
      case "mod": {
        const [, divisor] = x.operands;
        const bits = divisor.op === "constant" && divisor.value > 0 ? 31 - Math.clz32(divisor.value) : 31;
        if (divisor.op === "constant" && divisor.value === 2 ** bits)
          return x.op === "mod" ? v128.and(a, i32x4.add(b, minusOne)) : i32x4.shrS(a, bits);
        return x.op === "floorDiv" ? quotient(a, b) : v128.and(i32x4.sub(a, i32x4.mul(quotient(a, b), b)), i32x4.ne(b, zero));
      }
      case "min":
        return isInt ? i32x4.minS(a, b) : f32x4.min(a, b);
      case "max":
        return isInt ? i32x4.maxS(a, b) : f32x4.max(a, b);
      case "neg":
        return isInt ? i32x4.neg(a) : f32x4.neg(a);
      case "abs":
        return isInt ? i32x4.abs(a) : f32x4.abs(a);
      case "exp":
        return blocks.exp!(a);
      case "log":
        return blocks.log!(a);
      case "tanh":
        return blocks.tanh!(a);
      case "sigmoid":
        return blocks.sigmoid!(a).value;
      case "sqrt":
        return f32x4.sqrt(a);
      case "floor":
        return f32x4.floor(a);
      case "toFloat":
        return f32x4.convertI32x4S(a);
      case "less":
        return isInt ? i32x4.ltS(a, b) : f32x4.lt(a, b);
      case "lessEqual":
        return isInt ? i32x4.leS(a, b) : f32x4.le(a, b);
      case "equal":
        return isInt ? i32x4.eq(a, b) : f32x4.eq(a, b);
      case "and":
        return v128.and(a, b);
      case "or":
        return v128.or(a, b);
      case "not":
        return v128.not(a);
      case "select":
        return v128.bitselect(b, c, a);
    }
  };
}
