// A kernel knows byte addresses in linear memory, lengths and strides: nothing of tensors.
import { float32View, matmulKernels, matmulScratchBytes, Region } from "@heed/kernels";

const [m, n, k] = [2, 3, 4];
const region = new Region();
const [a, b, c] = [m * k, k * n, m * n].map((elements) => region.allocate(4 * elements));
const scratch = region.allocate(matmulScratchBytes(m, n, k));

// Views are fetched anew after each allocation: growth of the memory empties old ones.
float32View().set([1, 2, 3, 4, 5, 6, 7, 8], a / 4);
float32View().set([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1], b / 4);
matmulKernels.on("float32").gemm(m, n, k, a, k, 1, b, n, 1, c, n, 0, scratch);

console.log(Array.from(float32View().subarray(c / 4, c / 4 + m * n))); // [5, 6, 7, 13, 14, 15]
region.end();
