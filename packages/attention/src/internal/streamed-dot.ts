import { ShapeError } from "@heed/tensor/light";
import type { Score } from "@heed/tensor/terms";

/** `scaledDot()` for kernels alone: its dense definition would bring the matrix product along. */
export function streamedDot(): Score {
  return {
    name: "scaledDot",
    dense() {
      throw new Error("internal: only kernels run here");
    },
    lower(query, key) {
      const D = query.shape[3];
      if (D !== key.shape[3]) {
        const both = { query: query.shape, key: key.shape };
        throw new ShapeError("scaledDot", "query and key must share width D (axis -1)", both, "Project one of them, or use another score.");
      }
      return { form: "dot", query, key, scale: D === 0 ? 1 : 1 / Math.sqrt(D) };
    },
  };
}
