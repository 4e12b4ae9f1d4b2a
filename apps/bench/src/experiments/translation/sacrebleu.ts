import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface LibraryScore {
  readonly score: number;
  /** As sacreBLEU states what it did: version, tokeniser, smoothing. */
  readonly signature: string;
}

/**
 * BLEU of the library that papers report it by (Post 2018, arXiv:1804.08771), of the Python given. `undefined` where that Python is not there, or has no
 * sacrebleu.
 */
export function sacreBleu(python: string, translations: readonly string[], references: readonly string[]): LibraryScore | undefined {
  const folder = mkdtempSync(join(tmpdir(), "heed-sacrebleu-"));
  try {
    const [said, wanted] = [join(folder, "translations"), join(folder, "references")];
    writeFileSync(said, lines(translations));
    writeFileSync(wanted, lines(references));
    const args = ["-m", "sacrebleu", wanted, "-i", said, "-m", "bleu", "-w", "4", "-f", "json"];
    const { status, stdout } = spawnSync(python, args, { encoding: "utf8" });
    if (status !== 0) return undefined;
    const { score, signature } = JSON.parse(stdout) as LibraryScore;
    return { score, signature };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const lines = (sentences: readonly string[]): string => sentences.map((sentence) => `${sentence}\n`).join("");
