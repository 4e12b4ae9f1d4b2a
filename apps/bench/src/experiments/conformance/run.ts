import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { UsageError, UserError } from "../../errors.ts";
import type { Json } from "../../experiment.ts";
import { scoreboard, type Row } from "./scoreboard.ts";

/** Beside the repository. */
const standard = fileURLToPath(new URL("../../../../../../shared/conformance/onnx", import.meta.url));

/** Prints the scoreboard; the last line is `N passed, N failed[, N skipped]`. @returns 1 where a vector failed */
export async function run(
  options: Readonly<Record<string, Json>>,
  write: (text: string) => void = (text) => void process.stdout.write(text),
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  const chosen = environment.ONNX_VECTORS;
  const folder = chosen ?? standard;
  if (!existsSync(folder)) {
    if (chosen !== undefined) throw new UserError(`the folder ${chosen}, which ONNX_VECTORS names, does not exist.`);
    write("skipped: ../shared/conformance/onnx is not there. Set ONNX_VECTORS to a folder of its form.\n0 passed, 0 failed, 1 skipped\n");
    return 0;
  }
  const only = typeof options.only === "string" ? options.only.split(",") : undefined;
  const rows = scoreboard(folder, only);
  const missing = only?.find((name) => !rows.some(({ operator }) => operator === name));
  if (missing !== undefined) throw new UsageError(`there are no vectors of ${missing}.`);
  if (rows.length === 0) throw new UserError(`${folder} holds no folders of vectors.`);

  write(textOf(rows, chosen ?? "../shared/conformance/onnx"));
  if (typeof options.json === "string") {
    writeFileSync(options.json, `${JSON.stringify({ folder: chosen ?? "../shared/conformance/onnx", operators: rows }, null, 2)}\n`);
  }
  return rows.some(({ failed }) => failed.length > 0) ? 1 : 0;
}

function textOf(rows: readonly Row[], folder: string): string {
  const ran = rows.filter(({ mapping }) => mapping !== undefined);
  const rest = rows.filter(({ mapping }) => mapping === undefined);
  const lines = [`ONNX test vectors of ${folder}`, ""];
  const widest = Math.max(8, ...ran.map(({ operator }) => operator.length));
  lines.push(`${"operator".padEnd(widest)}  vectors  passed  failed  unsupported`);
  for (const { operator, vectors, passed, failed, unsupported } of ran) {
    const counts = [
      String(vectors).padStart(7),
      String(passed).padStart(6),
      String(failed.length).padStart(6),
      String(unsupported.length).padStart(11),
    ];
    lines.push(`${operator.padEnd(widest)}  ${counts.join("  ")}`);
  }
  for (const [title, list] of [
    ["Failed", ran.flatMap(({ failed }) => failed)],
    ["Unsupported", ran.flatMap(({ unsupported }) => unsupported)],
  ] as const) {
    if (list.length > 0) lines.push("", title, ...list.map(({ name, reason }) => `  ${name}: ${reason}`));
  }
  lines.push("", "How ONNX maps onto the packages, whose laws stay");
  for (const { operator, mapping } of ran) lines.push(`  ${operator}`, ...mapping!.map((line) => `    ${line}`));
  if (rest.length > 0)
    lines.push(
      "",
      `Not run, since no function of the packages maps onto them: ${rest.map((row) => `${row.operator} (${row.vectors})`).join(", ")}`,
    );
  const total = (count: (row: Row) => number) => rows.reduce((all, row) => all + count(row), 0);
  const skipped = total((row) => (row.mapping === undefined ? row.vectors : row.unsupported.length));
  const ends = `${total(({ passed }) => passed)} passed, ${total(({ failed }) => failed.length)} failed`;
  lines.push("", skipped === 0 ? ends : `${ends}, ${skipped} skipped`);
  return `${lines.join("\n")}\n`;
}
