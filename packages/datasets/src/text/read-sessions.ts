import { FormatError, HeedError } from "@heed/tensor";
import { readLines, type TextOptions } from "./read-lines.ts";
import type { Source } from "./source.ts";

export interface SessionOptions extends TextOptions {
  /** Names of the columns: which session a row belongs to, and what was clicked on. */
  readonly session: string;
  readonly item: string;
  /** Columns whose text is wanted of each session's first row, such as a date. */
  readonly first?: readonly string[];
  /** Columns whose text is wanted of every click, such as what is known of its item. */
  readonly each?: readonly string[];
  /** Between fields. Default ",". Fields may be in double quotes, on one line. */
  readonly separator?: string;
}

export interface Session {
  readonly id: string;
  /** In the order of the file. */
  readonly items: readonly string[];
  /** The columns asked for, from the session's first row. */
  readonly first: Readonly<Record<string, string>>;
  /** The columns asked for, of each click; empty if there are none. */
  readonly each: readonly Readonly<Record<string, string>>[];
  readonly line: number;
}

/**
 * Click sessions of a table with a header line, plain or gzip, one after the other. The rows of a session stand together, in the order of the clicks.
 * @throws {FormatError} with line and offset for a missing column, a row with another number of fields, an empty session or item, a session that
 * comes back after another one, an open quote, bad encoding or gzip. {HeedError} for a separator that is empty or a quote.
 *
 * Time O(bytes). Memory: at most 32 times the bytes of the longest session and of the names of those before, beside what `readLines` holds.
 * @see Elementary: a table with a header line
 */
export async function* readSessions(source: Source, options: SessionOptions): AsyncGenerator<Session, void> {
  const { separator = ",", first: wanted = [], each = [] } = options;
  if (separator === "" || separator.includes('"'))
    throw new HeedError("readSessions", "separator is no quote and not empty", { separator });
  const file = options.name === undefined ? {} : { file: options.name };
  const fail = (rule: string, at: { number: number; offset: number }, got: Readonly<Record<string, unknown>>, fix?: string): never => {
    throw new FormatError("readSessions", rule, { ...file, line: at.number, offset: at.offset, ...got }, fix);
  };
  let columns: string[] | undefined;
  let [sessionAt, itemAt] = [0, 0];
  let [firstAt, eachAt]: number[][] = [[], []];
  const seen = new Set<string>();
  const named = (names: readonly string[], at: readonly number[], fields: readonly string[]) =>
    Object.fromEntries(names.map((name, i) => [name, fields[at[i]]]));
  let open: { id: string; items: string[]; first: Record<string, string>; each: Record<string, string>[]; line: number } | undefined;
  for await (const line of readLines(source, options)) {
    if (line.text === "") continue;
    const fields = fieldsOf(line.text, separator);
    if (fields === undefined) return fail("a quote is open at the end of the line", line, {});
    if (columns === undefined) {
      columns = fields;
      const place = (name: string): number => {
        const at = fields.indexOf(name);
        return at >= 0
          ? at
          : fail("the header names no such column", line, { column: name, columns: fields.slice(0, 20) }, "Is the separator right?");
      };
      [sessionAt, itemAt] = [place(options.session), place(options.item)];
      [firstAt, eachAt] = [wanted.map(place), each.map(place)];
      continue;
    }
    if (fields.length !== columns.length)
      fail("a row has as many fields as the header", line, { fields: fields.length, columns: columns.length });
    const [id, item] = [fields[sessionAt], fields[itemAt]];
    if (id === "" || item === "") fail("a row names its session and its item", line, { session: id, item });
    if (open === undefined || id !== open.id) {
      if (open !== undefined) yield open;
      if (seen.has(id)) fail("the rows of a session stand together", line, { session: id }, "Sort the table by session.");
      seen.add(id);
      open = { id, items: [], first: named(wanted, firstAt, fields), each: [], line: line.number };
    }
    open.items.push(item);
    if (each.length > 0) open.each.push(named(each, eachAt, fields));
  }
  if (open !== undefined) yield open;
}

/** Fields of a row; `undefined` when a quote stays open. A quote inside quotes is doubled. */
function fieldsOf(text: string, separator: string): string[] | undefined {
  if (!text.includes('"')) return text.split(separator);
  const fields: string[] = [];
  for (let at = 0; ;) {
    if (text[at] === '"') {
      let field = "";
      for (at++; ;) {
        const quote = text.indexOf('"', at);
        if (quote < 0) return undefined;
        field += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        field += '"';
        at++;
      }
      const end = text.indexOf(separator, at);
      fields.push(field + text.slice(at, end < 0 ? undefined : end));
      if (end < 0) return fields;
      at = end + separator.length;
    } else {
      const end = text.indexOf(separator, at);
      fields.push(text.slice(at, end < 0 ? undefined : end));
      if (end < 0) return fields;
      at = end + separator.length;
    }
  }
}
