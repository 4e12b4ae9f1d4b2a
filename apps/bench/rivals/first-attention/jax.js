import { defaultDevice, init, nn, numpy } from "@jax-js/jax";
import { heads, length, operands, width } from "./operands.js";

await init("wasm");
defaultDevice("wasm");
const [query, key, value] = operands().map((data) => numpy.array(data, { shape: [1, length, heads, width] }));
console.log(nn.dotProductAttention(query, key, value).dataSync()[1]);
