import { createReadStream, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FormatError } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readLines } from "../index.ts";
import { atomFeatureNames, bondFeatureNames, parseSmiles } from "./index.ts";

const shared = (path: string) => fileURLToPath(new URL(`../../../../../shared/data/molecules/${path}`, import.meta.url));
const namesOf = (row: readonly number[], names: readonly string[]) => names.filter((_, i) => row[i] === 1);

describe("parseSmiles", () => {
  it("reads atoms and bonds: acetic acid", () => {
    const { atomCount, elements, edgeIndex, atomFeatures, bondFeatures } = parseSmiles("CC(=O)O");
    expect([atomCount, elements]).toEqual([4, ["C", "C", "O", "O"]]);
    const [sources, targets] = edgeIndex.toArray() as number[][];
    const pairs = sources!.map((source, e) => [source, targets![e]!]);
    expect(pairs.slice(3)).toEqual(pairs.slice(0, 3).map(([from, to]) => [to, from]));
    const atoms = (atomFeatures.toArray() as number[][]).map((row) => namesOf(row, atomFeatureNames));
    expect(atoms).toEqual([
      ["C", "1 neighbour", "charge 0", "3 hydrogens", "0 π electrons"],
      ["C", "3 neighbours", "charge 0", "0 hydrogens", "1 π electron"],
      ["O", "1 neighbour", "charge 0", "0 hydrogens", "1 π electron"],
      ["O", "1 neighbour", "charge 0", "1 hydrogen", "0 π electrons"],
    ]);
    const bonds = (bondFeatures.toArray() as number[][]).map((row) => namesOf(row, bondFeatureNames));
    const of = (from: number, to: number) => bonds[pairs.findIndex(([a, b]) => a === from && b === to)];
    expect([of(0, 1), of(1, 2), of(2, 1), of(1, 3)]).toEqual([["single"], ["double"], ["double"], ["single"]]);
  });

  it("knows rings, aromaticity, charges and salts", () => {
    const phenol = parseSmiles(" c1ccccc1O ");
    const rows = phenol.atomFeatures.toArray() as number[][];
    expect(rows.map((row) => row[atomFeatureNames.indexOf("aromatic")])).toEqual([1, 1, 1, 1, 1, 1, 0]);
    expect(rows.map((row) => row[atomFeatureNames.indexOf("in a ring")])).toEqual([1, 1, 1, 1, 1, 1, 0]);
    expect((phenol.bondFeatures.toArray() as number[][]).filter((row) => row[3] === 1)).toHaveLength(12);
    const salt = parseSmiles("[Na+].[Cl-]");
    expect([salt.elements, salt.edgeIndex.shape]).toEqual([
      ["Na", "Cl"],
      [2, 0],
    ]);
    const charged = (salt.atomFeatures.toArray() as number[][]).map((row) => namesOf(row, atomFeatureNames));
    expect(charged.map(([element, , charge]) => [element, charge])).toEqual([
      ["other element", "charge +1"],
      ["Cl", "charge −1"],
    ]);
  });

  it("places atoms a bond apart", () => {
    const { positions, edgeIndex } = parseSmiles("c1ccccc1", { layout: true });
    const [sources, targets] = edgeIndex.toArray() as number[][];
    sources!.forEach((source, e) => {
      const [a, b] = [positions![source]!, positions![targets![e]!]!];
      expect(Math.hypot(a[0] - b[0], a[1] - b[1])).toBeCloseTo(1, 3);
    });
    expect(parseSmiles("C").positions).toBeUndefined();
  });

  it.each([
    ["", /has an atom; got text ""/],
    ["   ", /has an atom/],
    ["xyz", /every character .* got text "xyz", at 0/],
    ["C C", /got text "C C", at 1, character " "/],
    ["C\u0000C", /at 1/],
    ["C1CC", /rings are closed; got text "C1CC", open "1"/],
    ["C%12CC", /open "12"/],
    ["C%1", /every character .* at 1/],
    ["CC(", /branches are closed/],
    ["CC)(", /branches that close were opened; .* at 2/],
    ["[CH4", /every character .* at 0/],
    ["[*]C", /brackets hold/],
    ["*C", /at 0, character "\*"/],
    ["[Xx]", /SMILES; got text "\[Xx\]"/],
    ["=", /has an atom/],
    ["C".repeat(10_001), /at most 10,000 characters; got text "C{200}…"/],
  ])("refuses %j and quotes it", (text, message) => {
    expect(() => parseSmiles(text)).toThrow(FormatError);
    expect(() => parseSmiles(text)).toThrow(message);
  });

  it("ends with a molecule or a FormatError whatever the text", () => {
    const piece = fc.constantFrom("C", "c", "1", "2", "(", ")", "=", "#", "[", "]", "N", "n", "+", "-", "@", "H", "%", "10", "Cl", "Br", ".", "/", "o", "S", "P", "[nH]", "[O-]", " ", "*"); // prettier-ignore
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 12 }).map((parts) => parts.join("")),
          fc.string(),
        ),
        (text) => {
          try {
            const { atomCount, edgeIndex } = parseSmiles(text);
            expect(atomCount).toBeGreaterThan(0);
            expect(edgeIndex.shape[1]! % 2).toBe(0);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.skipIf(!existsSync(shared("tox21.csv.gz")))(
    "reads every molecule of Tox21 and ESOL (needs ../shared/data/molecules)",
    async () => {
      const counts: number[] = [];
      for (const name of ["tox21.csv.gz", "delaney-processed.csv"]) {
        let read = 0;
        for await (const { text, number } of readLines(createReadStream(shared(name)))) {
          if (number === 1 || text === "") continue;
          expect(parseSmiles(text.slice(text.lastIndexOf(",") + 1)).atomCount).toBeGreaterThan(0);
          read++;
        }
        counts.push(read);
      }
      expect(counts).toEqual([8014, 1128]);
    },
    60_000,
  );
});
