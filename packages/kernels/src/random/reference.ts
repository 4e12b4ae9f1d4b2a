import type { Views } from "../memory/views.ts";
import type { RandomKernels } from "./random.ts";
import { threefry } from "./threefry.ts";

/** Random masks in plain loops: the definition. */
export function reference(views: Views): RandomKernels {
  return {
    mask(k0, k1, out, n, limit, value) {
      const reals = views.real();
      const at = out >>> views.shift;
      const words = new Uint32Array(2);
      for (let i = 0; i < n; i++) {
        if (i % 2 === 0) threefry(k0, k1, i / 2, 0, words, 0);
        reals[at + i] = words[i % 2] <= limit >>> 0 ? value : 0;
      }
    },
  };
}
