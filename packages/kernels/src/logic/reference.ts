import type { Binary } from "../binary/binary.ts";
import { pairs, type Kind } from "../binary/pairs.ts";
import type { Views } from "../memory/views.ts";
import type { LogicKernels, Where } from "./logic.ts";

/** Comparisons, logic and choices in plain loops: the definition. */
export function reference(views: Views): LogicKernels {
  const real = { items: () => views.real(), shift: views.shift };
  const int = { items: () => views.i32(), shift: 2 };
  const byte = { items: () => views.u8(), shift: 0 };
  return {
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
