import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FormatError, randomKey, tensor, writeSafetensors, type Tensor } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dictionaryLookup, karateClub, parsePlanetoid, randomGraph } from "../index.ts";

const cora = fileURLToPath(new URL("../../../../../shared/data/cora/", import.meta.url));

/** Three nodes in a row, 0 – 1 – 2, with four features and two classes. */
function small(changed: Readonly<Record<string, Tensor | undefined>> = {}): Uint8Array {
  const ints = (...list: number[]) => tensor(Int32Array.from(list));
  const bits = (...list: number[]) => tensor(Uint8Array.from(list), { dtype: "bool" });
  const all: Record<string, Tensor | undefined> = {
    adj_indptr: ints(0, 1, 3, 4),
    adj_indices: ints(1, 0, 2, 1),
    features_indptr: ints(0, 2, 2, 3),
    features_indices: ints(0, 3, 1),
    features_values: tensor(Float32Array.of(1, 2, 3)),
    labels: ints(1, 0, -1),
    train_mask: bits(1, 0, 0),
    val_mask: bits(0, 0, 0),
    test_mask: bits(0, 1, 0),
    ...changed,
  };
  const kept = Object.entries(all).filter((entry): entry is [string, Tensor] => entry[1] !== undefined);
  return writeSafetensors(Object.fromEntries(kept));
}

describe("parsePlanetoid", () => {
  it("reads edges ordered by target, features, classes and the split", () => {
    const graph = parsePlanetoid(small(), JSON.stringify({ classNames: ["a", "b"], numFeatures: 6 }));
    expect(graph.edgeIndex.toArray()).toEqual([
      [1, 0, 2, 1],
      [0, 1, 1, 2],
    ]);
    expect(graph.features.shape).toEqual([3, 6]);
    expect([...graph.features.offsets, ...graph.features.columns]).toEqual([0, 2, 2, 3, 0, 3, 1]);
    expect(graph.features.values.toArray()).toEqual([1, 2, 3]);
    expect([graph.classCount, graph.classNames]).toEqual([2, ["a", "b"]]);
    expect([graph.train, graph.validation, graph.test].map((nodes) => [...nodes])).toEqual([[0], [], [1]]);
    expect(parsePlanetoid(small()).features.shape).toEqual([3, 4]);
    expect(parsePlanetoid(small({ features_values: undefined })).features.values.toArray()).toEqual([1, 1, 1]);
  });

  const ints = (...list: number[]) => tensor(Int32Array.from(list));
  it.each<[string, Record<string, Tensor | undefined>, RegExp]>([
    ["an edge from nowhere", { adj_indices: ints(1, 0, 3, 1) }, /"adj_indices" are below 3, and not negative; got entry 2 3/],
    ["a negative column", { features_indices: ints(0, -1, 1) }, /"features_indices" .* entry 1 -1/],
    ["offsets that fall", { adj_indptr: ints(0, 3, 1, 4) }, /"adj_indptr" does not fall; got entry 2 1, before 3/],
    ["offsets of another length", { features_indptr: ints(0, 3) }, /"features_indptr" has an entry per node and one more/],
    ["a class below −1", { labels: ints(1, -2, 0) }, /"labels" are classes .* entry 1 -2/],
    ["a huge class", { labels: ints(1, 2 ** 30, 0) }, /"labels" are classes .* entry 1 1073741824/],
    [
      "a node without class in the split",
      { test_mask: tensor(Uint8Array.of(0, 0, 1), { dtype: "bool" }) },
      /"test_mask" have a class; got node 2/,
    ],
    ["a node in two parts", { val_mask: tensor(Uint8Array.of(1, 0, 0), { dtype: "bool" }) }, /share no node; got node 0/],
    ["a mask of another length", { val_mask: tensor(Uint8Array.of(1, 0), { dtype: "bool" }) }, /"val_mask" of BOOL with a bit per node/],
    ["values that are not finite", { features_values: tensor(Float32Array.of(1, NaN, 3)) }, /finite; got entry 1 NaN/],
    ["values of another length", { features_values: tensor(Float32Array.of(1, 2)) }, /a value per entry/],
    ["labels of floats", { labels: tensor(Float32Array.of(1, 0, 0)) }, /"labels" of I32/],
    ["no adjacency", { adj_indptr: undefined }, /"adj_indptr" of I32/],
  ])("names %s", (_, changed, message) => {
    expect(() => parsePlanetoid(small(changed))).toThrow(FormatError);
    expect(() => parsePlanetoid(small(changed))).toThrow(message);
  });

  it("refuses descriptions that are none", () => {
    expect(() => parsePlanetoid(small(), "{")).toThrow(/the description is JSON/);
    expect(() => parsePlanetoid(small(), '{"classNames": 3}')).toThrow(/classNames is a list of texts/);
    expect(() => parsePlanetoid(small(), '{"numFeatures": 1e9}')).toThrow(/numFeatures is a whole number/);
    expect(() => parsePlanetoid(small(), '{"numFeatures": 2}')).toThrow(/"features_indices" are below 2/);
    expect(() => parsePlanetoid(small(), '{"classNames": ["a"]}')).toThrow(/"labels" are classes 0 … 0/);
  });

  it("ends with a graph or a FormatError whatever the bytes", () => {
    const whole = small();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(whole.length),
        (changes, cut) => {
          const bytes = whole.slice(0, cut % 3 === 0 ? cut : whole.length);
          for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
          try {
            const { edgeIndex, nodeCount } = parsePlanetoid(bytes);
            expect([...edgeIndex.toTypedArray()].every((node) => Number(node) >= 0 && Number(node) < nodeCount)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it.skipIf(!existsSync(cora))("reads Cora (needs ../shared/data/cora)", () => {
    const read = (name: string) => readFileSync(`${cora}${name}`);
    const graph = parsePlanetoid(read("cora.safetensors"), read("cora.json").toString());
    expect([graph.nodeCount, graph.edgeIndex.shape, graph.features.shape]).toEqual([2708, [2, 10_556], [2708, 1433]]);
    expect([graph.train.length, graph.validation.length, graph.test.length, graph.classCount]).toEqual([140, 500, 1000, 7]);
    const sizes = graph.classNames!.map((_, label) => graph.labels.filter((one) => one === label).length);
    expect(sizes).toEqual([351, 217, 418, 818, 426, 298, 180]);
  });
});

describe("karateClub", () => {
  it("has the 34 members, 78 friendships and degrees of Zachary's figure", () => {
    const { nodeCount, edgeIndex, labels } = karateClub();
    const [sources, targets] = edgeIndex.toArray() as number[][];
    const pairs = new Set(sources!.map((source, e) => `${source} ${targets![e]}`));
    expect([nodeCount, edgeIndex.shape, pairs.size]).toEqual([34, [2, 156], 156]);
    expect(sources!.every((source, e) => pairs.has(`${targets![e]} ${source}`))).toBe(true);
    const degrees = Array.from({ length: 34 }, (_, node) => sources!.filter((source) => source === node).length);
    expect(degrees).toEqual([16, 9, 10, 6, 3, 4, 4, 4, 5, 2, 3, 1, 2, 5, 2, 2, 2, 2, 2, 3, 2, 2, 2, 5, 3, 3, 2, 4, 3, 4, 4, 6, 12, 17]);
    expect(labels.reduce((sum, label) => sum + label, 0)).toBe(17);
    expect([labels[0], labels[33]]).toEqual([0, 1]);
  });
});

describe("dictionaryLookup", () => {
  it("makes different dictionaries, each a permutation, whose answers are the values of the keys asked for", () => {
    const { nodeCount, edgeIndex, keys, values, answers } = dictionaryLookup({ size: 4, count: 12, key: randomKey(1) });
    expect([nodeCount, edgeIndex.shape, values.length]).toEqual([8, [2, 16], 12]);
    expect(new Set(answers.map(String)).size).toBe(12);
    values.forEach((list, d) => {
      for (let asks = 0; asks < 4; asks++) {
        expect(list[asks]).toBe(0);
        const entry = keys.indexOf(keys[asks]!, 4);
        expect(answers[d]![asks]).toBe(list[entry]! - 1);
      }
      expect([...list.subarray(4)].sort()).toEqual([1, 2, 3, 4]);
    });
    const [sources, targets] = edgeIndex.toArray() as number[][];
    expect(sources!.every((source) => source >= 4) && targets!.every((target) => target < 4)).toBe(true);
    expect(() => dictionaryLookup({ size: 3, count: 4, key: randomKey(1) })).toThrow(/at most half of the size!/);
    expect(() => dictionaryLookup({ size: 0, count: 1, key: randomKey(1) })).toThrow(/size must be/);
  });
});

describe("randomGraph", () => {
  it("draws edges between its nodes", () => {
    const { edgeIndex } = randomGraph({ nodeCount: 5, edgeCount: 2000, key: randomKey(2) });
    expect(edgeIndex.shape).toEqual([2, 2000]);
    expect(new Set(edgeIndex.toTypedArray())).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(randomGraph({ nodeCount: 0, edgeCount: 0, key: randomKey(2) }).edgeIndex.shape).toEqual([2, 0]);
    expect(() => randomGraph({ nodeCount: 0, edgeCount: 1, key: randomKey(2) })).toThrow(/edges need nodes/);
  });
});
