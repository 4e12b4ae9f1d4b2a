import { expectTypeOf, it } from "vitest";
import { randomKey, zeros, type Tensor } from "@heed/tensor";
import type { Bias } from "@heed/tensor/terms";
import {
  alibi,
  ContinuousPositions,
  gridBias,
  LearnedPositions,
  quadraticBias,
  resizePositions,
  rope,
  rungeKutta4,
  shaw,
  sinusoidal,
  t5Bias,
  type RopeScaling,
} from "./index.ts";

// The compiler is the test: `pnpm typecheck` fails where one of these compiles, or does not.
it("refuses wrong names, missing sizes and excluded combinations when compiling", () => {
  const [key, x] = [randomKey(1), zeros([2, 2])];
  const wrong = () => {
    // @ts-expect-error the width is needed
    sinusoidal(6);
    // @ts-expect-error interleaved or halves
    sinusoidal(6, 8, { style: "halfSplit" });
    // @ts-expect-error interleaved or halfSplit
    rope(x, { style: "halves" });
    // @ts-expect-error it is called positions
    rope(x, { offset: 3 });
    // @ts-expect-error how long the training was must be said
    rope(x, { scaling: { kind: "yarn", factor: 4 } });
    // @ts-expect-error betas are yarn's
    rope(x, { scaling: { kind: "linear", factor: 4, betaFast: 32 } });
    // @ts-expect-error how many heads
    alibi({});
    // @ts-expect-error it is called weight, as in T5
    t5Bias({ table: x });
    // @ts-expect-error the grid is needed
    gridBias({ table: x });
    // @ts-expect-error alpha is needed
    quadraticBias({ centers: x, grid: [2, 2] });
    // @ts-expect-error the distance is the table's own
    shaw({ table: x, maxDistance: 4 });
    // @ts-expect-error drawing needs a key
    const table = () => new LearnedPositions(8, 4, {});
    // @ts-expect-error an interval, not a step size
    const flow = () => new ContinuousPositions(8, { key, stepSize: 0.1 });
    // @ts-expect-error the new grid
    resizePositions(x, { from: 14 });
    // @ts-expect-error there is a bicubic and a bilinear mode
    resizePositions(x, { from: 14, to: 16, mode: "nearest" });
    // @ts-expect-error the derivative gives a tensor
    rungeKutta4((time: number) => time, x, [0, 1]);
    return [table, flow];
  };
  expectTypeOf(wrong).toBeFunction();
  for (const make of [alibi, t5Bias, gridBias, quadraticBias, shaw]) expectTypeOf(make).returns.toEqualTypeOf<Bias>();
  expectTypeOf(rope).returns.toEqualTypeOf<Tensor>();
  expectTypeOf<RopeScaling["kind"]>().toEqualTypeOf<"linear" | "ntk" | "dynamic" | "yarn">();
});
