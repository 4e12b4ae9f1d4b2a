import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { prepareMolecules } from "./data.ts";
import { rocAuc } from "./roc-auc.ts";

describe("rocAuc", () => {
  it("is the chance that a positive scores above a negative, half of ties", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.boolean()), { maxLength: 30 }), (pairs) => {
        const [scores, positive] = [pairs.map(([score]) => score), pairs.map(([, yes]) => yes)];
        let [wins, all] = [0, 0];
        for (const [a, yes] of pairs) {
          for (const [b, alsoYes] of pairs) {
            if (!yes || alsoYes) continue;
            wins += a > b ? 1 : a === b ? 0.5 : 0;
            all++;
          }
        }
        const area = rocAuc(scores, positive);
        if (all === 0) expect(area).toBeNaN();
        else expect(area).toBeCloseTo(wins / all, 12);
      }),
    );
  });
});

describe("prepareMolecules", () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "heed-molecules-"))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const context = { progress: () => {}, checkStop: () => {} };
  const prepare = (task: string) =>
    prepareMolecules(
      { experiment: "molecules", profile: "quick", seed: 1, precision: "fast", data: folder, options: { tasks: [task] } },
      context,
    );
  const toxic = (text: string) => writeFileSync(join(folder, "tox21.csv.gz"), gzipSync(text));

  it("reads quoted names, blanks behind SMILES, and what was not measured", async () => {
    const header = "Compound ID,measured log solubility in mols per litre,smiles";
    writeFileSync(join(folder, "delaney-processed.csv"), `${header}\n"1,2-ethanediol",0.5,OCCO \nmethane,-0.9,C\n`);
    const { data } = await prepare("esol");
    expect(data.esol).toEqual({ smiles: ["OCCO", "C"], targets: [[0.5], [-0.9]], names: ["log solubility"] });
    toxic("NR-AR,SR-p53,mol_id,smiles\n0,,TOX1,CCO\n1,0,TOX2,C\n");
    const { data: of, description } = await prepare("tox21");
    expect(of.tox21).toEqual({ smiles: ["CCO", "C"], targets: [[0, NaN], [1, 0]], names: ["NR-AR", "SR-p53"] }); // prettier-ignore
    expect(description.counts).toEqual({ tox21: 2 });
  });

  it("says what is wrong with a file", async () => {
    toxic("NR-AR,mol_id\n0,TOX1\n");
    await expect(prepare("tox21")).rejects.toThrow(/tox21.csv.gz has no column "smiles"/);
    toxic("NR-AR,smiles\nyes,C\n");
    await expect(prepare("tox21")).rejects.toThrow(/record 1: "NR-AR" is "yes", which is no number/);
    toxic('NR-AR,smiles\n"0,C\n');
    await expect(prepare("tox21")).rejects.toThrow(/tox21.csv.gz is no table/);
    await expect(prepare("esol")).rejects.toThrow(/ENOENT/);
  });
});
