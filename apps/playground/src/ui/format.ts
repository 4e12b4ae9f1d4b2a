/** A number as a reader writes it: fixed digits, a true minus sign, no negative zero. */
export function format(value: number, digits = 2): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** The same as an operand: a negative one in brackets. */
export function operand(value: number, digits = 2): string {
  const text = format(value, digits);
  return text.startsWith("−") ? `(${text})` : text;
}

export function formatPair([x, y]: readonly [number, number], digits = 2): string {
  return `(${format(x, digits)}, ${format(y, digits)})`;
}
