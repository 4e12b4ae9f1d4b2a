/** The ONNX graphs that ONNX Runtime is given: for each work the routes that its users have. */
import { type Attribute, encodeModel, type Initializer, type Node, type ValueInfo } from "@heed/onnx";
import { attentionInputs, blockParameters, type Parameter, recurrentParameters, unit, values, vitParameters } from "../inputs.ts";
import { type AttentionShape, type BlockShape, type RecurrentShape, tokensOf, type VitShape, windowKeys, type Work } from "../work.ts";
import { additiveMask, swapMiddle } from "./adapter.ts";

export interface OnnxRoute {
  readonly name: string;
  readonly make: () => OnnxModel;
}

export interface OnnxModel {
  readonly bytes: Uint8Array;
  /** Fed at every run, the output is `y`. */
  readonly feeds: Readonly<Record<string, { readonly data: Float32Array | Int32Array; readonly dims: readonly number[] }>>;
  readonly canonical?: (result: Float32Array) => Float32Array;
}

/** ONNX Runtime's own operators. */
const contrib = "com.microsoft";
const irVersion = 10;
/** The first with Gelu. */
const opset = 20;

/** @returns undefined for what a fixed graph cannot do: train. */
export function onnxRoutes(work: Work): readonly OnnxRoute[] | undefined {
  switch (work.kind) {
    case "matmul": {
      const { m, k, n } = work;
      const route = (name: string, constant: boolean): OnnxRoute => ({
        name,
        make: () => {
          const graph = new Graph();
          const a = graph.feed("a", values(1, m * k), [m, k]);
          const b = constant ? graph.constant("b", values(2, k * n), [k, n]) : graph.feed("b", values(2, k * n), [k, n]);
          return graph.model(graph.add("MatMul", [a, b], "y"), [m, n]);
        },
      });
      return [route("both fed", false), route("B constant", true)];
    }
    case "attention":
      return attentionRoutes(work);
    case "softmax":
    case "layerNorm":
    case "gelu":
      return [{ name: "one node", make: () => rowModel(work.kind, work.rows, work.columns) }];
    case "block":
      return attentionForms.map((name) => ({ name, make: () => blockModel(work, name) }));
    case "vit":
      return attentionForms.map((name) => ({ name, make: () => vitModel(work, name) }));
    case "lstm":
    case "gru":
      return [{ name: "one node", make: () => recurrentModel(work.kind as "lstm" | "gru", work) }];
    case "convolution":
      return [{ name: "weights constant", make: () => convolutionModel(work) }];
    case "vitTraining":
    case "lstmTraining":
      return undefined;
  }
}

function attentionRoutes(shape: AttentionShape): OnnxRoute[] {
  const { B, H, L, D, mask } = shape;
  const [query, key, value] = attentionInputs(shape);
  const dims = [B, H, L, D];
  const scale = 1 / Math.sqrt(D);
  const decomposed: OnnxRoute = {
    name: "decomposed",
    make: () => {
      const graph = new Graph();
      const [q, k, v] = [graph.feed("q", query, dims), graph.feed("k", key, dims), graph.feed("v", value, dims)];
      const scaled = graph.add("Mul", [q, graph.constant("scale", Float32Array.of(scale), [1])], "scaled");
      let scores = graph.add("MatMul", [scaled, graph.add("Transpose", [k], "kT", { perm: { ints: [0, 1, 3, 2] } })], "scores");
      if (mask !== "full") scores = graph.add("Add", [scores, graph.constant("mask", additiveMask(L, mask, windowKeys), [L, L])], "masked");
      return graph.model(graph.add("MatMul", [graph.add("Softmax", [scores], "weights", { axis: { int: -1 } }), v], "y"), dims);
    },
  };
  const fused: OnnxRoute = {
    name: "Attention",
    make: () => {
      const graph = new Graph();
      const inputs = [graph.feed("q", query, dims), graph.feed("k", key, dims), graph.feed("v", value, dims)];
      if (mask === "window") inputs.push(graph.constant("mask", additiveMask(L, mask, windowKeys), [L, L]));
      const attributes: Record<string, Attribute> = mask === "causal" ? { is_causal: { int: 1 } } : {};
      return graph.model(graph.add("Attention", inputs, "y", attributes), dims, { opset: 23, irVersion: 11 });
    },
  };
  // The operators below take [B, L, H · D]; they get their operands so from the start.
  const flat = [B, L, H * D];
  const flatFeeds = (graph: Graph) =>
    (
      [
        ["q", query],
        ["k", key],
        ["v", value],
      ] as const
    ).map(([name, data]) => graph.feed(name, swapMiddle(data, B, H, L, D), flat));
  const canonical = (result: Float32Array) => swapMiddle(result, B, L, H, D);
  const multiHead: OnnxRoute = {
    name: "MultiHeadAttention",
    make: () => {
      const graph = new Graph();
      const attributes: Record<string, Attribute> = { num_heads: { int: H } };
      if (mask === "causal") attributes.unidirectional = { int: 1 };
      return graph.model(graph.add("MultiHeadAttention", flatFeeds(graph), "y", attributes, contrib), flat, {}, canonical);
    },
  };
  const grouped: OnnxRoute = {
    name: "GroupQueryAttention",
    make: () => {
      const graph = new Graph();
      const attributes: Record<string, Attribute> = { num_heads: { int: H }, kv_num_heads: { int: H } };
      if (mask === "window") attributes.local_window_size = { int: windowKeys };
      const lengths = graph.constant("lengths", new Int32Array(B).fill(L - 1), [B]);
      const total = graph.constant("total", Int32Array.of(L), [1]);
      const inputs = [...flatFeeds(graph), "", "", lengths, total];
      return graph.model(graph.add("GroupQueryAttention", inputs, "y", attributes, contrib), flat, {}, canonical);
    },
  };
  if (mask === "full") return [decomposed, fused, multiHead];
  return mask === "causal" ? [decomposed, fused, multiHead, grouped] : [decomposed, fused, grouped];
}

function rowModel(kind: "softmax" | "layerNorm" | "gelu", rows: number, columns: number): OnnxModel {
  const graph = new Graph();
  const x = graph.feed("x", values(1, rows * columns, 2 * unit), [rows, columns]);
  const y = {
    softmax: () => graph.add("Softmax", [x], "y", { axis: { int: -1 } }),
    layerNorm: () => {
      const parameters = [2, 3].map((seed) => graph.constant(`p${seed}`, values(seed, columns), [columns]));
      return graph.add("LayerNormalization", [x, ...parameters], "y", { axis: { int: -1 }, epsilon: { float: 1e-5 } });
    },
    gelu: () => graph.add("Gelu", [x], "y"),
  }[kind]();
  return graph.model(y, [rows, columns]);
}

const attentionForms = ["decomposed", "MultiHeadAttention"] as const;
type AttentionForm = (typeof attentionForms)[number];

function blockModel(shape: BlockShape, form: AttentionForm): OnnxModel {
  const graph = new Graph();
  const dims = [1, shape.L, shape.embedDim];
  const x = graph.feed("x", values(1, shape.L * shape.embedDim, unit), dims);
  return graph.model(addBlock(graph, x, "y", shape, 1, byName(blockParameters(shape.embedDim, 100)), "", form), dims);
}

function vitModel(shape: VitShape, form: AttentionForm): OnnxModel {
  const { batch: B, imageSize, patchSize, embedDim: E, depth, numHeads, numClasses } = shape;
  const L = tokensOf(shape);
  const parameters = byName(vitParameters(shape));
  const graph = new Graph();
  const constant = (name: string) => graph.parameter(parameters(name));
  const images = graph.feed("x", values(2, B * 3 * imageSize ** 2, unit), [B, 3, imageSize, imageSize]);
  const [weight, bias] = [constant("patch_embed.proj.weight"), constant("patch_embed.proj.bias")];
  const side = { ints: [patchSize, patchSize] };
  const grid = graph.add("Conv", [images, weight, bias], "grid", { kernel_shape: side, strides: side });
  const columns = graph.add("Reshape", [grid, graph.sizes("patches.size", [B, E, L - 1])], "columns");
  const patches = graph.add("Transpose", [columns], "patches", { perm: { ints: [0, 2, 1] } });
  const tokens = graph.add("Concat", [constant("cls_token"), patches], "tokens", { axis: { int: 1 } });
  let x = graph.add("Add", [tokens, constant("pos_embed")], "placed");
  for (let i = 0; i < depth; i++) x = addBlock(graph, x, `block.${i}`, { L, embedDim: E, numHeads }, B, parameters, `blocks.${i}.`, form);
  const first = graph.add("Gather", [x, graph.size("zero", 0)], "first", { axis: { int: 1 } });
  const normed = addNorm(graph, first, "normed", constant, "norm");
  const y = graph.add("Gemm", [normed, constant("head.weight"), constant("head.bias")], "y", { transB: { int: 1 } });
  return graph.model(y, [B, numClasses]);
}

function addNorm(graph: Graph, x: string, output: string, constant: (name: string) => string, name: string): string {
  const attributes = { axis: { int: -1 }, epsilon: { float: 1e-6 } };
  return graph.add("LayerNormalization", [x, constant(`${name}.weight`), constant(`${name}.bias`)], output, attributes);
}

function addBlock(
  graph: Graph,
  x: string,
  output: string,
  { L, embedDim: E, numHeads: H }: BlockShape,
  B: number,
  parameters: (name: string) => Parameter,
  prefix: string,
  form: AttentionForm,
): string {
  const D = E / H;
  const at = (name: string) => `${output}.${name}`;
  const constant = (name: string) => graph.parameter(parameters(`${prefix}${name}`));
  /** A MatMul by the transpose, which is stored: ONNX Runtime packs it once. */
  const linear = (from: string, name: string, to: string) =>
    graph.add(
      "Add",
      [
        graph.add("MatMul", [from, graph.transposedParameter(parameters(`${prefix}${name}.weight`))], `${to}.product`),
        constant(`${name}.bias`),
      ],
      to,
    );
  const qkv = linear(addNorm(graph, x, at("norm1"), constant, "norm1"), "attn.qkv", at("qkv"));
  const parts = ["q", "k", "v"].map(at);
  graph.split(qkv, parts, -1);
  let mixed: string;
  if (form === "MultiHeadAttention") {
    mixed = graph.add("MultiHeadAttention", parts, at("mixed"), { num_heads: { int: H } }, contrib);
  } else {
    const size = graph.sizes("heads.size", [B, L, H, D]);
    const [q, k, v] = parts.map((part, i) =>
      graph.add("Transpose", [graph.add("Reshape", [part, size], `${part}.split`)], `${part}.heads`, {
        perm: { ints: i === 1 ? [0, 2, 3, 1] : [0, 2, 1, 3] },
      }),
    );
    const scaled = graph.add("Mul", [q!, graph.constant("scale", Float32Array.of(1 / Math.sqrt(D)), [1])], at("scaled"));
    const weights = graph.add("Softmax", [graph.add("MatMul", [scaled, k!], at("scores"))], at("weights"), { axis: { int: -1 } });
    const heads = graph.add("Transpose", [graph.add("MatMul", [weights, v!], at("sum"))], at("joined"), { perm: { ints: [0, 2, 1, 3] } });
    mixed = graph.add("Reshape", [heads, graph.sizes("flat.size", [B, L, E])], at("mixed"));
  }
  const y = graph.add("Add", [x, linear(mixed, "attn.proj", at("proj"))], at("attended"));
  const hidden = graph.add("Gelu", [linear(addNorm(graph, y, at("norm2"), constant, "norm2"), "mlp.fc1", at("fc1"))], at("hidden"));
  return graph.add("Add", [y, linear(hidden, "mlp.fc2", at("fc2"))], output);
}

/** ONNX runs over [T, B, I], and orders gates i o f c and z r h, where PyTorch has i f g o and r z n. */
function recurrentModel(kind: "lstm" | "gru", shape: RecurrentShape): OnnxModel {
  const { B, T, I, H } = shape;
  const order = kind === "lstm" ? [0, 3, 1, 2] : [1, 0, 2];
  const gates = order.length;
  const parameter = byName(recurrentParameters(shape, gates as 3 | 4));
  const reordered = (name: string, columns: number): Float32Array => {
    const { data } = parameter(name);
    const out = new Float32Array(data.length);
    order.forEach((from, to) => out.set(data.subarray(from * H * columns, (from + 1) * H * columns), to * H * columns));
    return out;
  };
  const graph = new Graph();
  const x = graph.feed("x", swapMiddle(values(1, B * T * I, unit), 1, B, T, I), [T, B, I]);
  const bias = new Float32Array(2 * gates * H);
  bias.set(reordered("bias_ih_l0", 1));
  bias.set(reordered("bias_hh_l0", 1), gates * H);
  const constants = [
    graph.constant("W", reordered("weight_ih_l0", I), [1, gates * H, I]),
    graph.constant("R", reordered("weight_hh_l0", H), [1, gates * H, H]),
    graph.constant("b", bias, [1, 2 * gates * H]),
  ];
  const attributes: Record<string, Attribute> = { hidden_size: { int: H } };
  if (kind === "gru") attributes.linear_before_reset = { int: 1 };
  const y = graph.add(kind.toUpperCase(), [x, ...constants], "y", attributes);
  return graph.model(y, [T, 1, B, H], {}, (result) => swapMiddle(result, 1, T, B, H));
}

function convolutionModel({ channels: C, size, kernel }: Work & { kind: "convolution" }): OnnxModel {
  const graph = new Graph();
  const x = graph.feed("x", values(1, C * size * size, unit), [1, C, size, size]);
  const weight = graph.constant("w", values(2, C * C * kernel * kernel, unit / Math.sqrt(C * kernel * kernel)), [C, C, kernel, kernel]);
  const around = (kernel - 1) / 2;
  const y = graph.add("Conv", [x, weight], "y", {
    kernel_shape: { ints: [kernel, kernel] },
    pads: { ints: [around, around, around, around] },
  });
  return graph.model(y, [1, C, size, size]);
}

function byName(parameters: readonly Parameter[]): (name: string) => Parameter {
  const map = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  return (name) => map.get(name)!;
}

/** Collects nodes, constants and feeds. A node is called like its output. */
class Graph {
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #feeds: Record<string, { readonly data: Float32Array; readonly dims: readonly number[] }> = {};

  feed(name: string, data: Float32Array, dims: readonly number[]): string {
    this.#feeds[name] = { data, dims };
    return name;
  }

  constant(name: string, data: Initializer["data"], dims: readonly number[]): string {
    this.#initializers.set(name, { name, data, dims });
    return name;
  }

  parameter({ name, shape, data }: Parameter): string {
    return this.constant(name, data, shape);
  }

  /** Of a weight `[out, in]`. */
  transposedParameter({ name, shape, data }: Parameter): string {
    const [out, inn] = shape as readonly [number, number];
    return this.constant(`${name}.T`, swapMiddle(data, 1, out, inn, 1), [inn, out]);
  }

  sizes(name: string, list: readonly number[]): string {
    return this.constant(name, BigInt64Array.from(list, BigInt), [list.length]);
  }

  size(name: string, value: number): string {
    return this.constant(name, BigInt64Array.of(BigInt(value)), []);
  }

  add(opType: string, inputs: readonly string[], output: string, attributes: Record<string, Attribute> = {}, domain?: string): string {
    this.#nodes.push({ name: output, opType, inputs, outputs: [output], attributes, ...(domain !== undefined && { domain }) });
    return output;
  }

  split(x: string, outputs: readonly string[], axis: number): void {
    const attributes = { axis: { int: axis }, num_outputs: { int: outputs.length } };
    this.#nodes.push({ name: `${x}.parts`, opType: "Split", inputs: [x], outputs, attributes });
  }

  model(
    output: string,
    dims: readonly number[],
    versions: { opset?: number; irVersion?: number } = {},
    canonical?: OnnxModel["canonical"],
  ): OnnxModel {
    const inputs = Object.entries(this.#feeds).map(([name, feed]): ValueInfo => ({ name, dataType: "float32", dims: feed.dims }));
    const outputs: ValueInfo[] = [{ name: output, dataType: "float32", dims }];
    const graph = { name: "bench", nodes: this.#nodes, inputs, outputs, initializers: [...this.#initializers.values()] };
    const bytes = encodeModel({ irVersion, opset, domains: { [contrib]: 1 }, ...versions, graph });
    return { bytes, feeds: this.#feeds, ...(canonical && { canonical }) };
  }
}
