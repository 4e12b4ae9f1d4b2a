import type { Report } from "./report.ts";
import { settingsTable } from "./settings-table.ts";
import type { Table } from "./outcome.ts";

/** The report's words and tables; pictures are in the HTML. */
export function markdownReport(report: Report): string {
  const { outcome, title } = report;
  const blocks = [
    `# ${title}`,
    ...(report.partial ? ["> **Partial**: the run was interrupted. Figures are of what was finished by then."] : []),
    outcome.headline,
    markdownTable(outcome.table),
    ...outcome.sections.flatMap((section) =>
      section.kind === "table"
        ? [`## ${section.title}`, section.caption, markdownTable(section.table)]
        : section.kind === "text"
          ? [`## ${section.title}`, section.caption]
          : [],
    ),
    "## How it was made",
    markdownTable(settingsTable(report)),
    `Again: \`${report.command}\``,
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

export function markdownTable({ columns, rows, note }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  const rule = columns.map(({ align }) => (align === "right" ? "---:" : "---"));
  return [line(columns.map(({ label }) => label)), line(rule), ...rows.map(line), ...(note ? ["", note] : [])].join("\n");
}
