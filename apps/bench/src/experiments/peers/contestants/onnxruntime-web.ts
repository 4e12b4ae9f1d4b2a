import { importRival } from "../../../../rivals/import-rival.js";
import type { Adapter, AdapterOptions } from "./adapter.ts";
import { onnxRuntime, type OnnxRuntime } from "./onnxruntime.ts";

export async function setup({ threads }: AdapterOptions): Promise<Adapter> {
  const runtime = (await importRival("onnxruntime-web")) as OnnxRuntime;
  runtime.env.wasm.numThreads = threads;
  return onnxRuntime(runtime, threads, "wasm");
}
