import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { spawnChild } from "../../machine/children.ts";
import { conditions } from "../../machine/conditions.ts";
import { keepOnCores } from "../../machine/cores.ts";
import type { AdapterOptions } from "./contestants/adapter.ts";
import type { Answer, Question } from "./contestants/protocol.ts";
import type { Contestant } from "./roster.ts";

/** The longest that an answer may take: a rival that hangs must not hold up the rest. */
const patienceSeconds = 180;

const canStop = process.platform !== "win32";

type Reply = Answer | { readonly ready: { readonly version: string } } | { readonly error: string };

/** A contestant's process, which answers questions one at a time, until `end`. */
export class ContestantProcess {
  readonly version: string;
  readonly #child: ChildProcess;
  readonly #replies: Replies;

  private constructor(version: string, child: ChildProcess, replies: Replies) {
    this.version = version;
    this.#child = child;
    this.#replies = replies;
  }

  /** @throws {Error} saying why the library does not run here */
  static async start({ program }: Contestant, options: AdapterOptions, python: string): Promise<ContestantProcess> {
    const file = (name: string) => fileURLToPath(new URL(`./contestants/${name}`, import.meta.url));
    const [command, words] =
      program === "torch"
        ? [python, [file("torch.py")]]
        : [process.execPath, [...conditions(), "--disable-warning=ExperimentalWarning", "--expose-gc", file("serve.ts"), program]];
    const child = spawnChild(command, [...words, JSON.stringify(options)], {
      stdio: ["pipe", "ignore", "pipe", "pipe"],
      env: { ...process.env, OMP_NUM_THREADS: String(options.threads), OPENBLAS_NUM_THREADS: String(options.threads) },
    });
    const replies = new Replies(child);
    const first = await replies.next();
    if (!("ready" in first)) {
      child.kill("SIGKILL");
      throw new Error("error" in first ? first.error : "internal: it answered before it was ready");
    }
    return new ContestantProcess(first.ready.version, child, replies);
  }

  /** @throws {Error} with what went wrong there */
  async ask(question: Question): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify(question)}\n`);
    const reply = await this.#replies.next();
    if ("error" in reply) throw new Error(reply.error);
    if ("ready" in reply) throw new Error("internal: it said twice that it is ready");
    return reply;
  }

  /**
   * Stops it until `resume`, while others are timed: threads of some libraries keep a core busy for a while after their work, waiting for more, and
   * engines go on compiling. Windows has no such signal; there it runs on.
   */
  pause(): void {
    if (canStop) this.#child.kill("SIGSTOP");
  }

  resume(): void {
    if (canStop) this.#child.kill("SIGCONT");
  }

  /** One core per thread; none: wherever the system puts it. */
  keepOn(cores: readonly number[]): void {
    keepOnCores(cores, this.#child.pid!);
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Lines of descriptor 3 as they are waited for. */
class Replies {
  readonly #child: ChildProcess;
  readonly #lines: Reply[] = [];
  #waiting: ((reply: Reply) => void) | undefined;
  #said = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdio[3] as Readable }).on("line", (line) => this.#give(JSON.parse(line) as Reply));
    child.stderr!.on("data", (data: Buffer) => void (this.#said = (this.#said + data.toString()).slice(-2000)));
    child.stdin!.on("error", () => {}); // That it has ended is said below.
    child.on("error", (error) => this.#give({ error: error.message }));
    child.on("close", (code, signal) => this.#give({ error: `its process ended (${signal ?? code}): ${lastLine(this.#said)}` }));
  }

  next(): Promise<Reply> {
    const ready = this.#lines.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#child.kill("SIGKILL");
        this.#give({ error: `no answer within ${patienceSeconds} s` });
      }, patienceSeconds * 1000);
      this.#waiting = (reply) => {
        clearTimeout(late);
        resolve(reply);
      };
    });
  }

  #give(reply: Reply): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting(reply);
    else this.#lines.push(reply);
  }
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";
