/** The map of the packages, lowest row first: a package imports from rows below its own, never from its own row or above. */
export const layers: readonly (readonly string[])[] = [
  ["kernels"],
  ["tensor"],
  ["nn"],
  ["scoring", "masks", "positional"],
  ["attention"],
  ["transformer", "datasets", "onnx"],
  ["vision-patches", "graph-attention", "rnn-baseline", "cnn-baseline"],
  ["bench", "playground"],
];

/** Below, and still not to be imported: `attention` states the terms that masks and positions satisfy, so that either may be left uninstalled. */
export const strangers: Readonly<Record<string, readonly string[]>> = { attention: ["masks", "positional"] };

export const rowOf = (name: string): number => layers.findIndex((row) => row.includes(name));

/** Whether the package called `from` (without `@heed/`) may import from the one called `to`. */
export function mayImport(from: string, to: string): boolean {
  return rowOf(to) >= 0 && rowOf(to) < rowOf(from) && strangers[from]?.includes(to) !== true;
}
