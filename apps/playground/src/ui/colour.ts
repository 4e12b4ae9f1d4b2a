/**
 * Cividis, the map for weights: from dark blue at 0 to yellow at 1, readable without colour vision. The polynomial is that of
 * d3-scale-chromatic.
 * @see Nuñez, Anderton, Renslow 2018 (doi:10.1371/journal.pone.0199239)
 */
export function cividis(t: number): string {
  const at = Math.min(1, Math.max(0, t));
  const channels = [
    -4.54 - at * (35.34 - at * (2381.73 - at * (6402.7 - at * (7024.72 - at * 2710.57)))),
    32.49 + at * (170.73 + at * (52.82 - at * (131.46 - at * (176.58 - at * 67.37)))),
    81.24 + at * (442.36 - at * (2482.43 - at * (6167.24 - at * (6614.94 - at * 2475.67)))),
  ];
  return `rgb(${channels.map((each) => Math.round(Math.min(255, Math.max(0, each)))).join(" ")})`;
}

/** The weight at the light end of the scale: a half, or the largest weight if that is more, so that small weights differ too. */
export function topOf(weights: readonly number[]): number {
  return Math.max(0.5, ...weights);
}
