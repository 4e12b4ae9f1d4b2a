// The smallest of ours: by the entry that computes and does not train, on one thread, as it is while nothing was configured.
import { attention } from "@heed/attention/forward";
import { tensor } from "@heed/tensor/light";
import { heads, length, operands, width } from "../../../rivals/first-attention/operands.js";

const [query, key, value] = operands().map((data) => tensor(data, { shape: [1, heads, length, width] }));
console.log(attention(query, key, value).toTypedArray()[1]);
