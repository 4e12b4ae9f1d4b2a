import type { Views } from "../memory/views.ts";
import type { BinaryKernels } from "./binary.ts";
import { pairs } from "./pairs.ts";

/** Broadcasting arithmetic of two elements in plain loops: the definition. */
export function reference(views: Views): BinaryKernels {
  const real = { items: () => views.real(), shift: views.shift };
  const int = { items: () => views.i32(), shift: 2 };
  return {
    add: pairs(real, real, (a, b) => a + b),
    sub: pairs(real, real, (a, b) => a - b),
    mul: pairs(real, real, (a, b) => a * b),
    div: pairs(real, real, (a, b) => a / b),
    maximum: pairs(real, real, Math.max),
    minimum: pairs(real, real, Math.min),
    addInt: pairs(int, int, (a, b) => a + b),
    subInt: pairs(int, int, (a, b) => a - b),
    mulInt: pairs(int, int, Math.imul),
    maximumInt: pairs(int, int, Math.max),
    minimumInt: pairs(int, int, Math.min),
    axpy(x, y, n, alpha) {
      const items = views.real();
      const [from, to] = [x >>> views.shift, y >>> views.shift];
      const factor = views.shift === 2 ? Math.fround(alpha) : alpha;
      for (let i = 0; i < n; i++) items[to + i] = items[to + i]! + factor * items[from + i]!;
    },
  };
}
