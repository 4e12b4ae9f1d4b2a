import type { Adapter, Prepared } from "./adapter.ts";
import { type OnnxModel, onnxRoutes } from "./onnx-models.ts";

/** What is used of `onnxruntime-node` and `onnxruntime-web`. */
export interface OnnxRuntime {
  readonly env: { readonly wasm: { numThreads?: number }; readonly versions: { readonly common: string } };
  readonly Tensor: new (type: "float32" | "int32", data: Float32Array | Int32Array, dims: readonly number[]) => OnnxTensor;
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
}

interface OnnxTensor {
  readonly data: Float32Array;
  dispose(): void;
}

interface Session {
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
  release(): Promise<void>;
}

/** ONNX Runtime in either of its forms: one session per work, with all of its graph optimisations. */
export function onnxRuntime(runtime: OnnxRuntime, threads: number, provider: "cpu" | "wasm"): Adapter {
  const options = {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    logSeverityLevel: 4, // Routes that fail are no news: the report names them.
  };
  const prepare = async ({ bytes, feeds, canonical }: OnnxModel): Promise<Prepared> => {
    const session = await runtime.InferenceSession.create(bytes, options);
    const fed = Object.fromEntries(
      Object.entries(feeds).map(([name, { data, dims }]) => [
        name,
        new runtime.Tensor(data instanceof Int32Array ? "int32" : "float32", data, dims),
      ]),
    );
    return {
      run: async () => (await session.run(fed)).y!.data,
      ...(canonical && { canonical }),
      release: () => session.release(),
    };
  };
  return {
    about: { version: runtime.env.versions.common },
    routes: (work) =>
      onnxRoutes(work)?.map(({ name, make }) => ({ name, create: () => prepare(make()) })) ?? {
        absent: "it runs fixed graphs and cannot train",
      },
  };
}
