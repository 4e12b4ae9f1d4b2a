import { attention } from "@heed/attention";
import { configure, tensor } from "@heed/tensor";
import { heads, length, operands, width } from "../../../rivals/first-attention/operands.js";

configure({ threads: 1 });
const [query, key, value] = operands().map((data) => tensor(data, { shape: [1, heads, length, width] }));
console.log(attention(query, key, value).toTypedArray()[1]);
