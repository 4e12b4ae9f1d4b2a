import { duration, percent, whole } from "../format.ts";
import type { Reference, Table } from "./outcome.ts";
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
    ...Object.entries(settings.options).map(([key, value]): [string, string] => [inWords(key), show(value)]),
    ["data", data.name],
    ...Object.entries(rest).map(([key, value]): [string, string] => [`data: ${inWords(key)}`, show(value)]),
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

/** `trainImages` → "train images". */
const inWords = (key: string): string => key.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Accuracies to compare with. */
function isReferences(value: unknown): value is readonly Reference[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((one: Partial<Reference>) => typeof one?.label === "string" && typeof one.value === "number")
  );
}

function show(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? whole(value) : String(value);
  if (typeof value === "string") return value;
  if (isReferences(value)) return value.map((one) => `${one.label} ${percent(one.value)}`).join(", ");
  return JSON.stringify(value);
}
