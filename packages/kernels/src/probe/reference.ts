import type { Views } from "../memory/views.ts";
import type { ProbeKernels } from "./probe.ts";
import { CHAINS, TILE_COLUMNS, TILE_ROWS } from "./sizes.ts";

/** The chains and the tile in plain loops: the definition. */
export function reference(views: Views): ProbeKernels {
  return {
    chains(turns, factor, term) {
      let x = 0;
      for (let turn = 0; turn < turns; turn++) x = x * factor + term;
      return CHAINS * x;
    },
    tile(steps, a, b, c) {
      const data = views.real();
      const [aStart, bStart, cStart] = [a >>> views.shift, b >>> views.shift, c >>> views.shift];
      for (let i = 0; i < TILE_ROWS; i++) {
        for (let j = 0; j < TILE_COLUMNS; j++) {
          let sum = 0;
          for (let p = 0; p < steps; p++) sum += data[aStart + p * TILE_ROWS + i] * data[bStart + p * TILE_COLUMNS + j];
          data[cStart + i * TILE_COLUMNS + j] = sum;
        }
      }
    },
  };
}
