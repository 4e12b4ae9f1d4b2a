import type { Tool } from "../../tool.ts";

export const conformance: Tool = {
  name: "conformance",
  summary: "the test vectors of ONNX's operators, passed, failed and unsupported",
  description: `Runs every vector of the folder ONNX_VECTORS (default: ../shared/conformance/onnx, beside the repository)
whose operator maps onto a function of the packages, within the tolerances that the folder's README states, and prints a scoreboard.
Where ONNX aligns or divides otherwise than our laws, the mapping is printed. Exit code 1 where a vector fails.`,
  options: [
    { flags: "--only <operators>", description: "of these operators alone, separated by commas: Attention,LinearAttention" },
    { flags: "--json <file>", description: "writes the scoreboard there as JSON" },
  ],
  run: async (options) => (await import("./run.ts")).run(options),
};
