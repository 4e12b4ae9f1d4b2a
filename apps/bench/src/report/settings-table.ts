import { duration, whole } from "../format.ts";
import type { Table } from "./outcome.ts";
import type { Report } from "./report.ts";

/** Settings, data, machine and versions as a table of two columns. */
export function settingsTable({ settings, seeds, threads, data, machine, versions, date, seconds, experiment }: Report): Table {
  const { name: _name, fingerprint, classes, ...rest } = data;
  const rows: [string, string][] = [
    ["experiment", settings.experiment],
    ["profile", `${settings.profile}: ${experiment.profiles[settings.profile].summary}`],
    ["seeds", seeds.join(", ")],
    ["precision", settings.precision],
    ["runs side by side", String(threads)],
    ...Object.entries(settings.options).map(([key, value]): [string, string] => [key, show(value)]),
    ["data", data.name],
    ...Object.entries(rest).map(([key, value]): [string, string] => [`data: ${key}`, show(value)]),
    ...(classes ? [["data: classes", `${classes.length}`] as [string, string]] : []),
    ...(fingerprint !== undefined ? [["data: fingerprint", fingerprint] as [string, string]] : []),
    ["machine", `${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB, ${machine.os}`],
    [
      "versions",
      Object.entries(versions)
        .map(([key, value]) => `${key} ${show(value)}`)
        .join(", "),
    ],
    ["date", date],
    ["took", duration(seconds)],
  ];
  return { columns: [{ label: "setting" }, { label: "value" }], rows };
}

function show(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? whole(value) : String(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
