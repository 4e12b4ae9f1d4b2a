/**
 * Errors that say where, which rule, what came, and what to do:
 * `attention: key and value must share length S (axis -2); got key [2, 4, 23, 16], value [2, 4, 19, 16]. Slice or pad both alike.`
 *
 * @param where the public function that was called
 * @param rule the rule that the call broke
 * @param received what came, by name; arrays of numbers print as shapes
 * @param fix what to do instead
 */
export class HeedError extends Error {
  override name = "HeedError";
  constructor(where: string, rule: string, received: Readonly<Record<string, unknown>> = {}, fix = "") {
    const came = Object.entries(received).map(([name, value]) => `${name} ${show(value)}`);
    super(`${where}: ${rule}${came.length > 0 ? `; got ${came.join(", ")}` : ""}.${fix === "" ? "" : ` ${fix}`}`);
  }
}

/** Shapes that do not fit one another or the operation. */
export class ShapeError extends HeedError {
  override name = "ShapeError";
}

/** A dtype that the operation does not take, or two that do not mix. */
export class DTypeError extends HeedError {
  override name = "DTypeError";
}

/** A tensor or a recording whose scope has ended, or a scope used where it cannot work. */
export class ScopeError extends HeedError {
  override name = "ScopeError";
}

/** A file or a value from outside that does not have the promised form. */
export class FormatError extends HeedError {
  override name = "FormatError";
}

/** A combination that is meaningful but not available here. */
export class UnsupportedError extends HeedError {
  override name = "UnsupportedError";
}

/** Of a text that is shown whole: files from outside may hold longer ones. */
const longest = 200;

function show(value: unknown): string {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return `[${Array.from(value as ArrayLike<unknown>, show).join(", ")}]`;
  }
  if (typeof value !== "string") return String(value);
  return value.length <= longest ? `"${value}"` : `"${value.slice(0, longest)}…" (${value.length} characters)`;
}
