import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError, hasCode } from "../errors.ts";
import type { DataDescription, JsonObject, RunPlan, Settings } from "../experiment.ts";
import { differences } from "./differences.ts";
import { writeAtomically } from "./write-atomically.ts";

const settingsFile = "settings.json";
const format = "heed-bench 1";
/** All that bench itself puts into a results folder. */
const owned = ["report.html", "report.json", "report.md", settingsFile, "checkpoints"];

/** What `--resume` compares: the settings, and the data they met. */
interface Identity extends JsonObject {
  readonly settings: JsonObject;
  readonly data: JsonObject;
}

/** Where results go when nobody says: `bench-results/vision-patchworks-quick`. */
export function defaultFolder({ experiment, profile }: Settings, data: DataDescription): string {
  const name = `${experiment}-${data.name}-${profile}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return join("bench-results", name.replaceAll(/^-|-$/g, ""));
}

/**
 * The folder of one experiment's results: `report.html`, `report.json`, `report.md`, `settings.json`, `checkpoints/`.
 * A lock keeps a second bench out while one is at work. A fresh start moves earlier results to `previous/`.
 */
export class ResultsFolder {
  readonly path: string;
  #locked = false;
  #created = false;

  constructor(path: string) {
    this.path = resolve(path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  checkpointFile(plan: RunPlan): string {
    return join(this.path, "checkpoints", `${plan.id}.checkpoint`);
  }

  /**
   * Creates the folder where it is missing, shows that it can be written to, and takes the lock.
   * @throws {UserError} when it is a file, not writable, another bench's, or somebody else's
   */
  open(): void {
    try {
      this.#created = mkdirSync(this.path, { recursive: true }) !== undefined;
    } catch (error) {
      if (hasCode(error, "EEXIST", "ENOTDIR"))
        throw new UserError(`--out: ${this.path} is a file, or in one; name a folder.`, { cause: error });
      throw notWritable(this.path, error);
    }
    for (const name of owned) {
      if (existsSync(this.file(name)) && this.#identity() === undefined) {
        throw new UserError(`--out: ${this.path} holds a ${name} that bench did not write; choose another folder.`);
      }
    }
    this.#lock();
  }

  close(): void {
    if (this.#locked) rmSync(this.file(".lock"), { force: true });
    this.#locked = false;
    // Whoever only mistyped should not find an empty folder.
    if (this.#created && readdirSync(this.path).length === 0) rmdirSync(this.path);
    this.#created = false;
  }

  /** Moves what an earlier bench left here to `previous/`, where the results before that one are replaced. */
  startAfresh(settings: Settings, data: JsonObject): "moved earlier results" | "empty" {
    const earlier = owned.filter((name) => existsSync(this.file(name)));
    const previous = this.file("previous");
    if (earlier.length > 0) {
      rmSync(previous, { recursive: true, force: true });
      mkdirSync(previous);
      // Settings go last: they mark the others as ours, should this be cut off.
      for (const name of [...earlier.filter((other) => other !== settingsFile), ...earlier.filter((other) => other === settingsFile)]) {
        renameSync(this.file(name), join(previous, name));
      }
    }
    writeAtomically(this.file(settingsFile), `${JSON.stringify({ format, ...identityOf(settings, data) }, null, 2)}\n`);
    mkdirSync(this.file("checkpoints"), { recursive: true });
    return earlier.length > 0 ? "moved earlier results" : "empty";
  }

  /**
   * Goes on with what is here.
   * @returns whether there was anything to go on with
   * @throws {UserError} when it was made with other settings or data, and says which
   */
  resume(settings: Settings, data: JsonObject): boolean {
    const before = this.#identity();
    if (before === undefined) {
      this.startAfresh(settings, data);
      return false;
    }
    const now = identityOf(settings, data);
    const [found] = [
      ...differences(before.settings, now.settings).map((difference) => ({ ...difference, key: asOption(difference.key) })),
      ...differences(before.data, now.data).map((difference) => ({ ...difference, key: `data: ${difference.key}` })),
    ];
    if (found) {
      throw new UserError(
        `${this.path} cannot be resumed: ${found.key} was ${found.before} then and is ${found.now} now; use the same again, or another --out.`,
      );
    }
    mkdirSync(this.file("checkpoints"), { recursive: true });
    for (const name of readdirSync(this.file("checkpoints"))) {
      if (name.endsWith(".tmp")) rmSync(join(this.path, "checkpoints", name), { force: true });
    }
    return true;
  }

  #identity(): Identity | undefined {
    let text;
    try {
      text = readFileSync(this.file(settingsFile), "utf8");
    } catch {
      return undefined;
    }
    try {
      const found = JSON.parse(text) as Identity;
      return found.format === format ? found : undefined;
    } catch {
      return undefined;
    }
  }

  #lock(): void {
    const path = this.file(".lock");
    const take = () => writeFileSync(path, `${process.pid}\n`, { flag: "wx" });
    try {
      take();
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw notWritable(this.path, error);
      const holder = Number(readFileSync(path, "utf8"));
      if (holder !== process.pid && isAlive(holder)) {
        throw new UserError(`another bench (process ${holder}) is writing to ${this.path}; wait for it, or choose another --out.`);
      }
      rmSync(path, { force: true }); // Left by one that was killed.
      take();
    }
    this.#locked = true;
  }
}

/** Shows, before hours of work, that `path` can be written later. */
export function checkWritableFile(option: string, path: string): void {
  const folder = dirname(resolve(path));
  if (existsSync(path) && statSync(path).isDirectory()) throw new UserError(`${option}: ${path} is a folder; name a file.`);
  try {
    mkdirSync(folder, { recursive: true });
    const probe = join(folder, `.heed-bench-${process.pid}.tmp`);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (error) {
    if (hasCode(error, "EEXIST", "ENOTDIR")) throw new UserError(`${option}: ${folder} is not a folder.`, { cause: error });
    throw notWritable(folder, error, option);
  }
}

function notWritable(path: string, error: unknown, option = "--out"): Error {
  if (hasCode(error, "EACCES", "EPERM", "EROFS")) return new UserError(`${option}: ${path} is not writable.`, { cause: error });
  return Object.assign(error as Error, { path });
}

function identityOf(settings: Settings, data: JsonObject): Identity {
  // A folder that has moved is the same data if its fingerprint is.
  const compared = data.fingerprint === undefined ? settings : { ...settings, data: undefined };
  // Through JSON, so that what was read back and what is new compare alike.
  return JSON.parse(JSON.stringify({ settings: compared, data: { name: data.name, fingerprint: data.fingerprint } })) as Identity;
}

function asOption(key: string): string {
  if (key === "experiment") return key;
  return `--${key.replace(/^options\./, "").replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}
