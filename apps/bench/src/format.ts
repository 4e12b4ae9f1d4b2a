/** How numbers read, in the terminal and in reports alike. */

export const percent = (fraction: number, digits = 1): string =>
  Number.isFinite(fraction) ? `${(fraction * 100).toFixed(digits)} %` : "–";

/** "71.3 ± 0.9 %"; without a deviation (one run) "71.3 %". */
export function percentWithDeviation(mean: number, deviation: number | null): string {
  if (!Number.isFinite(mean)) return "–";
  return deviation === null ? percent(mean) : `${(mean * 100).toFixed(1)} ± ${(deviation * 100).toFixed(1)} %`;
}

/** Three significant digits, with thousands separated: 12,345 · 98.7 · 0.00123. */
export function number(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  if (size < -4) return value.toExponential(digits - 1);
  const decimals = Math.max(0, digits - 1 - size);
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export const whole = (value: number): string => (Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "–");

/** 1.2 M, 340 k: parameters, FLOPs. */
export function compact(value: number): string {
  if (!Number.isFinite(value)) return "–";
  for (const [size, unit] of [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (Math.abs(value) >= size) return `${number(value / size)} ${unit}`;
  }
  return whole(value);
}

/** 42 s · 3:07 min · 2:15 h. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  const pad = (value: number) => String(value).padStart(2, "0");
  if (total < 3600) return `${Math.floor(total / 60)}:${pad(total % 60)} min`;
  return `${Math.floor(total / 3600)}:${pad(Math.floor((total % 3600) / 60))} h`;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? NaN : values.reduce((total, value) => total + value, 0) / values.length;
}

/** The sample standard deviation (n − 1); null for fewer than two values, where there is none. */
export function deviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const centre = mean(values);
  return Math.sqrt(values.reduce((total, value) => total + (value - centre) ** 2, 0) / (values.length - 1));
}

/** By linear interpolation between the nearest ranks. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!) * (at - low);
}
