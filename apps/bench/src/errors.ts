/** Something the user can put right. The message is one sentence and is all that gets printed. */
export class UserError extends Error {
  override name = "UserError";
  readonly exitCode: number;
  constructor(message: string, { exitCode = 1, cause }: { exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** A wrong command line: exit code 2. */
export class UsageError extends UserError {
  override name = "UsageError";
  constructor(message: string) {
    super(message, { exitCode: 2 });
  }
}

/** An error as plain data, to cross from a worker thread to the main one. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly path?: string;
  readonly exitCode?: number;
}

export function errorData(thrown: unknown): ErrorData {
  if (!(thrown instanceof Error)) return { name: "Error", message: String(thrown) };
  const { code, path, exitCode } = thrown as Error & ErrorData;
  return {
    name: thrown.name,
    message: thrown.message,
    ...(thrown.stack !== undefined && { stack: thrown.stack }),
    ...(code !== undefined && { code: String(code) }),
    ...(path !== undefined && { path: String(path) }),
    ...(exitCode !== undefined && { exitCode }),
  };
}

/** Errors of the packages that blame input, not code. Matched by name, since they cross threads as data. */
const blameInput = new Set(["UserError", "UsageError", "HeedError", "FormatError", "UnsupportedError"]);

const systemMessages: Record<string, (path: string) => string> = {
  ENOSPC: (path) => `the disk is full: ${path} could not be written; what was there before is unharmed.`,
  EDQUOT: (path) => `the disk quota is used up: ${path} could not be written; what was there before is unharmed.`,
  EFBIG: (path) => `${path} became larger than this system allows; what was there before is unharmed.`,
  EACCES: (path) => `${path} is not accessible: permission denied.`,
  EPERM: (path) => `${path} is not accessible: operation not permitted.`,
  EROFS: (path) => `${path} is on a read-only file system.`,
  ENOENT: (path) => `${path} does not exist.`,
  ENOTDIR: (path) => `${path} is not in a folder: a part of that path is a file.`,
  EISDIR: (path) => `${path} is a folder, where a file is wanted.`,
  ENAMETOOLONG: (path) => `the name ${path} is too long for this system.`,
  EMFILE: () => "too many files are open.",
  ERR_WORKER_OUT_OF_MEMORY: () => "a training ran out of memory; use fewer --threads or a smaller profile.",
};

/** One sentence for a person. What is not the user's to put right begins with `internal:`. */
export function sentence(error: ErrorData): string {
  if (blameInput.has(error.name)) return oneLine(error.message);
  const known = error.code === undefined ? undefined : systemMessages[error.code];
  if (known) return known(error.path ?? "a file");
  return oneLine(`internal: ${error.message} (run again with --debug to see where).`);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").trim();
}

export function hasCode(thrown: unknown, ...codes: string[]): boolean {
  return thrown instanceof Error && codes.includes((thrown as { code?: string }).code ?? "");
}
