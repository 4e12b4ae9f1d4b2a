import { pow } from "../math/index.ts";
import type { Views } from "../memory/views.ts";
import type { Binary, BinaryKernels, Where } from "./binary.ts";

/** Broadcasting functions of two elements in plain loops: the definition. */
export function reference(views: Views): BinaryKernels {
  const real = { items: () => views.real(), shift: views.shift };
  const int = { items: () => views.i32(), shift: 2 };
  const byte = { items: () => views.u8(), shift: 0 };
  return {
    add: pairs(real, real, (a, b) => a + b),
    sub: pairs(real, real, (a, b) => a - b),
    mul: pairs(real, real, (a, b) => a * b),
    div: pairs(real, real, (a, b) => a / b),
    maximum: pairs(real, real, Math.max),
    minimum: pairs(real, real, Math.min),
    pow: pairs(real, real, pow),
    addInt: pairs(int, int, (a, b) => a + b),
    subInt: pairs(int, int, (a, b) => a - b),
    mulInt: pairs(int, int, Math.imul),
    maximumInt: pairs(int, int, Math.max),
    minimumInt: pairs(int, int, Math.min),
    ...comparisons(real, byte, ""),
    ...comparisons(int, byte, "Int"),
    logicalAnd: pairs(byte, byte, (a, b) => Number(a !== 0 && b !== 0)),
    logicalOr: pairs(byte, byte, (a, b) => Number(a !== 0 || b !== 0)),
    logicalXor: pairs(byte, byte, (a, b) => Number((a !== 0) !== (b !== 0))),
    where: choice(real, byte),
    whereInt: choice(int, byte),
    whereBytes: choice(byte, byte),
    logicalNot(x, out, n) {
      const u8 = views.u8();
      for (let i = 0; i < n; i++) u8[out + i] = Number(u8[x + i] === 0);
    },
    axpy(x, y, n, alpha) {
      const items = views.real();
      const [from, to] = [x >>> views.shift, y >>> views.shift];
      const factor = views.shift === 2 ? Math.fround(alpha) : alpha;
      for (let i = 0; i < n; i++) items[to + i] = items[to + i]! + factor * items[from + i]!;
    },
  };
}

/** Typed arrays over the memory, and log₂ of the bytes of an item. */
interface Kind {
  items(): Float32Array | Float64Array | Int32Array | Uint8Array;
  shift: number;
}

function pairs(from: Kind, to: Kind, one: (a: number, b: number) => number): Binary {
  return (a, aOuter, aInner, b, bOuter, bInner, out, outer, inner) => {
    const [source, target] = [from.items(), to.items()];
    const [aStart, bStart, start] = [a >>> from.shift, b >>> from.shift, out >>> to.shift];
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < inner; j++) {
        target[start + i * inner + j] = one(source[aStart + i * aOuter + j * aInner]!, source[bStart + i * bOuter + j * bInner]!);
      }
    }
  };
}

type Comparison = "greater" | "greaterEqual" | "less" | "lessEqual" | "equal" | "notEqual";

function comparisons<S extends "" | "Int">(from: Kind, byte: Kind, suffix: S): Record<`${Comparison}${S}`, Binary> {
  const all: Record<Comparison, Binary> = {
    greater: pairs(from, byte, (a, b) => Number(a > b)),
    greaterEqual: pairs(from, byte, (a, b) => Number(a >= b)),
    less: pairs(from, byte, (a, b) => Number(a < b)),
    lessEqual: pairs(from, byte, (a, b) => Number(a <= b)),
    equal: pairs(from, byte, (a, b) => Number(a === b)),
    notEqual: pairs(from, byte, (a, b) => Number(a !== b)),
  };
  return Object.fromEntries(Object.entries(all).map(([name, kernel]) => [name + suffix, kernel])) as Record<`${Comparison}${S}`, Binary>;
}

function choice(kind: Kind, byte: Kind): Where {
  return (cond, cOuter, cInner, a, aOuter, aInner, b, bOuter, bInner, out, outer, inner) => {
    const [items, flags] = [kind.items(), byte.items()];
    const [aStart, bStart, start] = [a >>> kind.shift, b >>> kind.shift, out >>> kind.shift];
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < inner; j++) {
        const flag = flags[cond + i * cOuter + j * cInner]!;
        items[start + i * inner + j] = flag === 0 ? items[bStart + i * bOuter + j * bInner]! : items[aStart + i * aOuter + j * aInner]!;
      }
    }
  };
}
