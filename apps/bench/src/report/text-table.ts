import type { Table } from "./outcome.ts";

/** A table for the terminal. Where it is wider than the terminal, one block of `label  value` lines per row instead. */
export function textTable({ columns, rows, note }: Table, width = Infinity): string {
  const widths = columns.map(({ label }, column) => Math.max(label.length, ...rows.map((row) => row[column]!.length)));
  const total = widths.reduce((sum, value) => sum + value + 2, -2);
  const lines = total <= width ? asGrid() : asBlocks();
  return [...lines, ...(note ? ["", note] : [])].join("\n");

  function asGrid(): string[] {
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, column) => (columns[column]!.align === "right" ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
        .join("  ")
        .trimEnd();
    return [line(columns.map(({ label }) => label)), widths.map((value) => "─".repeat(value)).join("  "), ...rows.map(line)];
  }

  function asBlocks(): string[] {
    const widest = Math.max(...columns.slice(1).map(({ label }) => label.length));
    return rows.flatMap((row, index) => [
      ...(index > 0 ? [""] : []),
      row[0]!,
      ...row.slice(1).map((cell, column) => `  ${columns[column + 1]!.label.padEnd(widest)}  ${cell}`),
    ]);
  }
}
