import { HeedError } from "../errors.ts";

/** A kernel generator used the assembler wrongly. The message says where, which rule, and what to do. */
export class AssemblerError extends HeedError {
  override name = "AssemblerError";

  constructor(where: string, rule: string, fix: string) {
    super(`internal: ${where}`, rule, {}, fix);
  }
}
