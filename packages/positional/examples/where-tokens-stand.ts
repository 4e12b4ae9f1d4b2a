// Attention does not know order: positions are added to what it reads.
import { add, matmul, normal, randomKey, tensor, transpose } from "@heed/tensor";
import {
  ContinuousPositions,
  LearnedGridPositions,
  LearnedPositions,
  RecurrentPositions,
  resizePositions,
  rope,
  ropeRates,
  sinCos2d,
  sinusoidal,
} from "@heed/positional";

const key = randomKey(7);
const x = normal(key.split("x"), [2, 6, 8]); // [B, L, width]

const fixed = sinusoidal(6, 8); // [L, width], nothing to learn
console.log(add(x, fixed).shape);
// Rows that stand near look alike: their products fall with the distance, at first.
const wide = sinusoidal(6, 64);
console.log(matmul(wide, transpose(wide)).slice(0, 0, 1).toString());

const learned = new LearnedPositions(128, 8, { key: key.split("positions") });
console.log(learned.forward(x).shape, learned.parameterCount);
console.log(learned.forward(x, tensor([5, 4, 3, 2, 1, 0], { dtype: "int32" })).shape); // where each element stands

// Patches of an image, 2 rows × 3 columns.
console.log(add(x, sinCos2d(2, 3, 8)).shape, new LearnedGridPositions(2, 3, 8, { key: key.split("grid") }).forward(x).shape);

// Made by a recurrent network, or as a flow (FLOATER): any length, and for the flow any place between positions.
console.log(new RecurrentPositions(8).forward(x).shape, new RecurrentPositions(8).parameterCount);
const flow = new ContinuousPositions(8, { key: key.split("flow") });
console.log(flow.forward(x).shape, flow.forward(x, [0, 0.5, 1, 1.5, 2, 2.5]).shape, flow.parameterCount);

// A table that was learned for 2 × 3 patches and a class token, for 4 × 6.
console.log(resizePositions(normal(key.split("table"), [1, 7, 8]), { from: [2, 3], to: [4, 6] }).shape);

// Rotations, and how those of a model trained on 4,096 positions slow down to read 16,384.
console.log(rope(x, { positions: 100 }).shape);
const rates = (scaling?: Parameters<typeof ropeRates>[1]) =>
  ropeRates(8, scaling)
    .rates.map((rate) => rate.toPrecision(3))
    .join(" ");
console.log(rates());
console.log(rates({ scaling: { kind: "ntk", factor: 4 } }));
console.log(rates({ scaling: { kind: "yarn", factor: 4, originalLength: 4096 } }));
