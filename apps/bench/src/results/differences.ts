import type { Json, JsonObject } from "../experiment.ts";

export interface Difference {
  /** `options.models` */
  readonly key: string;
  readonly before: string;
  readonly now: string;
}

/** Where two plain objects differ, leaf by leaf, in the order of the keys. */
export function differences(before: JsonObject, now: JsonObject, path = ""): Difference[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...keys].flatMap((key): Difference[] => {
    const [a, b] = [before[key], now[key]];
    if (isObject(a) && isObject(b)) return differences(a, b, `${path}${key}.`);
    const [shownA, shownB] = [show(a), show(b)];
    return shownA === shownB ? [] : [{ key: path + key, before: shownA, now: shownB }];
  });
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: Json | undefined): string {
  return value === undefined ? "not given" : typeof value === "string" ? value : JSON.stringify(value);
}
