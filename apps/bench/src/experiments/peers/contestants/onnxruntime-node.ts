import { importRival } from "../../../../rivals/import-rival.js";
import type { Adapter, AdapterOptions } from "./adapter.ts";
import { onnxRuntime, type OnnxRuntime } from "./onnxruntime.ts";

export async function setup({ threads }: AdapterOptions): Promise<Adapter> {
  return onnxRuntime((await importRival("onnxruntime-node")) as OnnxRuntime, threads, "cpu");
}
