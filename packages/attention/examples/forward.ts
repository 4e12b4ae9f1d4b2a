// Attention in a page that does not train: the same numbers in less than half the bytes.
import { attention as complete } from "@heed/attention";
import { attention } from "@heed/attention/forward";
import { causal } from "@heed/masks";
import { normal, randomKey } from "@heed/tensor";

const x = normal(randomKey(7), [1, 4, 64, 32]); // [B, H, L, D]
const { output, lse } = attention(x, x, x, { mask: causal(), returns: ["lse"] });
console.log(output.shape, lse.shape); // [1, 4, 64, 32] [1, 4, 64]

const same = complete(x, x, x, { mask: causal() }).toTypedArray();
console.log(output.toTypedArray().every((value, i) => value === same[i])); // true

try {
  attention(x, x, x, { returns: ["weights"] as never });
} catch (error) {
  console.log((error as Error).message); // says that @heed/attention has them
}
