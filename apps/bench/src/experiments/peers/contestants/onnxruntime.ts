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
  readonly dims: readonly number[];
  dispose(): void;
}

interface Session {
  run(
    feeds: Readonly<Record<string, OnnxTensor>>,
    results?: Readonly<Record<string, OnnxTensor>>,
  ): Promise<Readonly<Record<string, OnnxTensor>>>;
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
  const prepare = async ({ bytes, feeds, canonical }: OnnxModel, reuses: boolean): Promise<Prepared> => {
    const session = await runtime.InferenceSession.create(bytes, options);
    const fed = Object.fromEntries(
      Object.entries(feeds).map(([name, { data, dims }]) => [
        name,
        new runtime.Tensor(data instanceof Int32Array ? "int32" : "float32", data, dims),
      ]),
    );
    let y: OnnxTensor | undefined;
    return {
      run: async () => {
        const results = await session.run(fed, ...(y === undefined ? [] : [{ y }]));
        if (reuses) y ??= new runtime.Tensor("float32", new Float32Array(results.y!.data.length), results.y!.dims);
        return results.y!.data;
      },
      ...(canonical && { canonical }),
      release: () => session.release(),
    };
  };
  return {
    about: { version: runtime.env.versions.common },
    routes: (work) =>
      onnxRoutes(work)?.flatMap(({ name, make }) => [
        { name, create: () => prepare(make(), false) },
        // In WebAssembly an output that is given is not written.
        ...(provider === "cpu" ? [{ name: `${name}, into one array`, create: () => prepare(make(), true) }] : []),
      ]) ?? {
        absent: "it runs fixed graphs and cannot train",
      },
  };
}
