// Attention does not know order: positions are added to what it reads.
import { add, matmul, normal, randomKey, tensor, transpose } from "@heed/tensor";
import { LearnedGridPositions, LearnedPositions, sinCos2d, sinusoidal } from "@heed/positional";

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
