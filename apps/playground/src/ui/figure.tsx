import { format } from "./format.ts";

interface FigureProps {
  /** What it is, for tests: `score-0`. */
  readonly name: string;
  readonly value: number;
  readonly digits?: number;
}

/** A computed number. `data-value` holds it in full. */
export function Figure({ name, value, digits = 2 }: FigureProps) {
  return (
    <span class="figure" data-figure={name} data-value={value}>
      {format(value, digits)}
    </span>
  );
}

/** A computed vector. */
export function FigurePair({ name, value, digits = 2 }: Omit<FigureProps, "value"> & { readonly value: readonly [number, number] }) {
  return (
    <span class="pair">
      (<Figure name={`${name}-x`} value={value[0]} digits={digits} />, <Figure name={`${name}-y`} value={value[1]} digits={digits} />)
    </span>
  );
}
