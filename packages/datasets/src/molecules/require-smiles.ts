import { FormatError } from "@heed/tensor";

const LONGEST = 10_000;
/** An atom in brackets: isotope, element, chirality, hydrogens, charge, class. */
const BRACKET = /^\[\d{0,3}(?:[A-Z][a-z]?|[bcnops]|se|as|te)(?:@[A-Z@]*\d*)?(?:H\d*)?(?:\++\d*|-+\d*)?(?::\d+)?\]$/;
const TOKEN = /\[[^[\]]*\]|Br|Cl|[BCNOPSFI]|[bcnops]|[-=#$:/\\.]|[()]|%\d\d|\d/y;

/**
 * The text without blanks around it, if it has the form of SMILES: chemistry libraries read on where brackets stay open, and stop silently at what
 * they do not know.
 * @throws {FormatError} quoting the text, and where it goes wrong.
 */
export function requireSmiles(text: string): string {
  const fail = (rule: string, got: Readonly<Record<string, unknown>>, fix?: string): never => {
    const shown = typeof text === "string" && text.length > 200 ? `${text.slice(0, 200)}…` : text;
    throw new FormatError("parseSmiles", rule, { text: shown, ...got }, fix);
  };
  if (typeof text !== "string") return fail("a molecule is a text", {});
  const smiles = text.trim();
  if (smiles === "") return fail("a molecule has an atom", {});
  if (smiles.length > LONGEST) return fail("a molecule has at most 10,000 characters", { characters: smiles.length });
  const rings = new Set<string>();
  let [open, atoms] = [0, 0];
  for (let at = 0; at < smiles.length;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(smiles)?.[0];
    if (token === undefined) return fail("every character is part of an atom, a bond, a branch or a ring", { at, character: smiles[at] });
    if (token[0] === "[" && !BRACKET.test(token)) {
      return fail("brackets hold an isotope, an element, hydrogens and a charge", { at, atom: token }, "Wildcards are not molecules.");
    }
    if (token === "(") open++;
    if (token === ")" && --open < 0) return fail("branches that close were opened", { at });
    if (/[\d%]/.test(token[0]!)) {
      const ring = token.replace("%", "");
      if (!rings.delete(ring)) rings.add(ring);
    }
    if (/[A-Za-z[]/.test(token[0]!)) atoms++;
    at += token.length;
  }
  if (open > 0) return fail("branches are closed", { open });
  if (rings.size > 0) return fail("rings are closed", { open: [...rings].join(" ") });
  if (atoms === 0) return fail("a molecule has an atom", {});
  return smiles;
}
