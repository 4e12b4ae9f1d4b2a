import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";
import type { PrepareContext, Prepared, Settings } from "../../experiment.ts";
import { UserError } from "../../errors.ts";
import { molecules, tasksOf, type TaskName } from "./index.ts";

/** What is known of molecules: one row of targets each, NaN where nothing was measured. */
export interface Table {
  readonly smiles: readonly string[];
  readonly targets: readonly (readonly number[])[];
  readonly names: readonly string[];
}
export type MoleculeData = Readonly<Partial<Record<TaskName, Table>>>;

const files: Readonly<Record<TaskName, string>> = { esol: "delaney-processed.csv", tox21: "tox21.csv.gz" };
const solubility = "measured log solubility in mols per litre";
const beside = fileURLToPath(new URL("../../../../../../shared/data/molecules", import.meta.url));

export async function prepareMolecules(settings: Settings, { progress }: PrepareContext): Promise<Prepared<MoleculeData>> {
  const folder = settings.data ?? beside;
  if (!existsSync(folder))
    throw new UserError("the molecules are not in ../shared/data/molecules: pass --data with the folder that holds them.");
  const limit = molecules.profiles[settings.profile].limit as number;
  const hash = createHash("sha256");
  const data: Partial<Record<TaskName, Table>> = {};
  for (const task of tasksOf(settings)) {
    progress(`read ${files[task]}`);
    const bytes = await readFile(join(folder, files[task]));
    hash.update(bytes);
    const text = (files[task].endsWith(".gz") ? gunzipSync(bytes, { maxOutputLength: 64 * bytes.length }) : bytes).toString("utf8");
    const rows = records(text, files[task]).slice(0, limit > 0 ? limit : undefined);
    data[task] = tableOf(task, rows);
  }
  return {
    description: {
      name: tasksOf(settings).join(" and "),
      counts: Object.fromEntries(Object.entries(data).map(([task, { smiles }]) => [task, smiles.length])),
      fingerprint: hash.digest("hex").slice(0, 16),
    },
    data,
  };
}

type Row = Readonly<Record<string, string>>;

function records(text: string, file: string): Row[] {
  try {
    return parse(text, { columns: true, skip_empty_lines: true, bom: true }) as Row[];
  } catch (error) {
    throw new UserError(`${file} is no table: ${(error as Error).message}`, { cause: error });
  }
}

function tableOf(task: TaskName, rows: readonly Row[]): Table {
  const columns = Object.keys(rows[0] ?? {});
  const names = task === "esol" ? [solubility] : columns.filter((name) => name !== "mol_id" && name !== "smiles");
  const missing = [...names, "smiles"].find((name) => !columns.includes(name));
  if (rows.length === 0 || missing !== undefined) throw new UserError(`${files[task]} has no column "${missing ?? "smiles"}".`);
  const targets = rows.map((row, i) =>
    names.map((name) => {
      const text = row[name]!.trim();
      const value = text === "" ? NaN : Number(text);
      if (text !== "" && !Number.isFinite(value))
        throw new UserError(`${files[task]}, record ${i + 1}: "${name}" is "${text}", which is no number.`);
      return value;
    }),
  );
  return {
    smiles: rows.map(({ smiles }) => smiles!.trim()),
    targets,
    names: names.map((name) => (name === solubility ? "log solubility" : name)),
  };
}
