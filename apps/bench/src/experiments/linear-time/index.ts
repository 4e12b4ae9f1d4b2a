import type { Tool } from "../../tool.ts";

export const linearTime: Tool = {
  name: "linear-time",
  summary: "the length from which attention in linear time beats exact streaming attention",
  description: `Times linear attention, performer, linformer, reformer and the delta rule against exact attention of the streaming kernel,
full and causal, 8 heads of 64, by turns in one process, and reports the length at which each becomes the faster one. Those that
approximate softmax attention show how far off they are on the same operands; the others compute a function of their own, whose
quality only a training can tell.`,
  options: [
    {
      flags: "--lengths <list>",
      description: "powers of two or not, separated by commas",
      default: "256,512,1024,2048,4096,8192",
      parse: (text) => {
        const lengths = text.split(",").map(Number);
        if (lengths.some((length) => !Number.isInteger(length) || length < 1))
          throw new Error("must be whole numbers, separated by commas");
        return lengths;
      },
    },
    { flags: "--json <file>", description: "writes times and crossings there as JSON" },
  ],
  run: async (options) => (await import("./run.ts")).run(options),
};
