/** One library in one way of running: a row's column. */
export interface Contestant {
  /** As the report calls it. */
  readonly name: string;
  readonly kind: "ours" | "webassembly" | "native";
  /** Its adapter in `contestants/`. */
  readonly program: string;
  readonly wide?: boolean;
  /** The library knows no more than this many threads in Node. */
  readonly mostThreads?: number;
}

export const ours: readonly Contestant[] = [
  { name: "heed", kind: "ours", program: "heed" },
  { name: "heed wide", kind: "ours", program: "heed", wide: true },
];

export const rivals: readonly Contestant[] = [
  { name: "onnxruntime-web", kind: "webassembly", program: "onnxruntime-web" },
  { name: "tfjs-wasm", kind: "webassembly", program: "tfjs", mostThreads: 1 },
  { name: "jax-js", kind: "webassembly", program: "jax" },
  { name: "onnxruntime-node", kind: "native", program: "onnxruntime-node" },
  { name: "pytorch", kind: "native", program: "torch" },
];

export const contestants: readonly Contestant[] = [...ours, ...rivals];

export function contestant(name: string): Contestant {
  const found = contestants.find((one) => one.name === name);
  if (found === undefined) throw new Error(`internal: no contestant is called ${name}`);
  return found;
}

/** Of every rival its version, or why it does not take part. */
export type Attendance = Readonly<Record<string, { readonly version: string } | { readonly absent: string }>>;
