import type { Attribute, Graph, Initializer, Node, ValueInfo } from "../model.ts";

/** Collects nodes and constants of a graph. A node is called like its output. */
export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<string, Initializer>();

  /** Adds a node. @returns `output`, to be an input of the next. */
  add(opType: string, inputs: readonly string[], output: string, attributes: Readonly<Record<string, Attribute>> = {}): string {
    this.#nodes.push({ name: output, opType, inputs, outputs: [output], attributes });
    return output;
  }

  /** Adds a Split of axis 0 into parts of the sizes that the constant `sizes` lists. */
  addSplit(x: string, sizes: string, outputs: readonly string[]): void {
    this.#nodes.push({ name: `${x}.split`, opType: "Split", inputs: [x, sizes], outputs, attributes: { axis: { int: 0 } } });
  }

  /** Adds a constant; one of the same name must be the same. @returns `name`. */
  constant(name: string, data: Initializer["data"], dims: readonly number[] = []): string {
    this.#initializers.set(name, { name, dims, data });
    return name;
  }

  float(name: string, value: number): string {
    return this.constant(name, Float32Array.of(value));
  }

  /** A scalar of a number, a vector of a list. */
  int64(name: string, value: number | readonly number[]): string {
    const list = typeof value === "number" ? [value] : value;
    return this.constant(name, BigInt64Array.from(list, BigInt), typeof value === "number" ? [] : [list.length]);
  }

  build(name: string, inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): Graph {
    return { name, nodes: this.#nodes, inputs, outputs, initializers: [...this.#initializers.values()] };
  }
}
