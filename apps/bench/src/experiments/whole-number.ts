/** The value of an option that is a count. */
export function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error("must be a whole number from 1 on");
  return Number(text);
}
