/** What the command line and the profile choose. */
import type { ProfileSettings, Settings } from "../../experiment.ts";
import { rivals } from "./roster.ts";
import { groups, type Task, tasks } from "./work.ts";

const words = (text: string): string[] => text.split(",").map((word) => word.trim());

/** `--only`: names of works and groups. */
export function parseWorks(text: string): string[] {
  const known = [...groups, ...tasks.map(({ id }) => id)] as string[];
  const unknown = words(text).find((word) => !known.includes(word));
  if (unknown !== undefined) throw new Error(`must name works or groups that \`bench peers --help\` lists, and "${unknown}" is none`);
  return words(text);
}

/** `--rivals`: names, or "none". */
export function parseNames(text: string): string[] {
  if (text === "none") return [];
  const known = rivals.map(({ name }) => name);
  const unknown = words(text).find((word) => !known.includes(word));
  if (unknown !== undefined) throw new Error(`must name rivals (${known.join(", ")}) or be none, and "${unknown}" is none of them`);
  return words(text);
}

/** `--thread-counts`. */
export function parseThreads(text: string): number[] {
  const counts = words(text).map(Number);
  if (!counts.every((count) => Number.isInteger(count) && count >= 1 && count <= 16))
    throw new Error("must list whole numbers from 1 to 16");
  return [...new Set(counts)];
}

export function chosenTasks({ options }: Settings, profile: ProfileSettings): Task[] {
  const chosen = (options.only ?? profile.works) as readonly string[];
  return tasks.filter(({ id, group }) => chosen.includes(id) || chosen.includes(group));
}

export const chosenThreads = ({ options }: Settings, profile: ProfileSettings): readonly number[] =>
  (options.threadCounts ?? profile.threads) as readonly number[];

export const chosenWait = ({ options }: Settings, profile: ProfileSettings): number => (options.wait ?? profile.waitSeconds) as number;

/** The rivals asked for. */
export function chosenNames({ options }: Settings, profile: ProfileSettings): string[] {
  const chosen = (options.rivals ?? profile.rivals) as readonly string[];
  return rivals.map(({ name }) => name).filter((name) => chosen.includes(name));
}
