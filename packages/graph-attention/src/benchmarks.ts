export { benchmarkEdges, type EdgesTiming } from "./benchmark.ts";
