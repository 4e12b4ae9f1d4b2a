import { sinCos2d, sinusoidal } from "@heed/positional";
import type { Operation, Operations } from "../operation.ts";

const sinusoidalTable: Operation<{ width: number; base: number; style: "interleaved" | "halves" }> = (
  { inputs: { positions }, dtype },
  { width, base, style },
) => ({
  table: sinusoidal(positions!.toTypedArray(), width, { base, style, dtype }),
});

interface GridOptions {
  height: number;
  width: number;
  embed: number;
  cls_token: boolean;
  base: number;
}
const gridTable: Operation<GridOptions> = ({ dtype }, { height, width, embed, cls_token: clsToken, base }) => ({
  table: sinCos2d(height, width, embed, { clsToken, base, dtype }),
});

/** Every `op` of the folder `positional` that is there. */
export const positionalOperations = { sinusoidal: sinusoidalTable, sincos_2d: gridTable } as unknown as Operations;
