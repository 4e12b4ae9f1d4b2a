import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { tensor, type Tensor } from "@heed/tensor";

/** What is used of onnxruntime-node. */
interface Runtime {
  InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<Record<string, { data: Float32Array; dims: number[] }>> }>;
  };
  Tensor: new (type: string, data: unknown, dims: readonly number[]) => object;
}

/**
 * ONNX Runtime, no dependency of heed (a native module of nearly 300 MB): found as `onnxruntime-node`, or at the path of its folder in the variable
 * ONNXRUNTIME; otherwise undefined.
 */
export async function loadRuntime(): Promise<Runtime | undefined> {
  const { ONNXRUNTIME } = process.env;
  const name = "onnxruntime-node";
  try {
    const module = (await import(
      ONNXRUNTIME === undefined ? name : pathToFileURL(createRequire(import.meta.url).resolve(ONNXRUNTIME)).href
    )) as Runtime & { default?: Runtime };
    return module.default ?? module;
  } catch (error) {
    // A path that was given and does not work is a mistake, not an absence.
    if (ONNXRUNTIME !== undefined) throw error;
    return undefined;
  }
}

export async function runInRuntime(
  { InferenceSession, Tensor }: Runtime,
  model: Uint8Array,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<Tensor> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 });
  const feeds = Object.entries(inputs).map(([name, x]) => [name, new Tensor(x.dtype, x.toTypedArray(), x.shape)]);
  const { output } = await session.run(Object.fromEntries(feeds) as object);
  return tensor(output.data, { shape: output.dims });
}
