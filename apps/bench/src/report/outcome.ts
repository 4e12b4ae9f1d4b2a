/**
 * What an experiment has to say, as plain data. The shell turns it into the terminal's table, JSON, Markdown and HTML,
 * so that every experiment's report has the same look, and none of them draws.
 */
import type { JsonObject } from "../experiment.ts";

export interface Outcome {
  /** One or two sentences: what came out. */
  readonly headline: string;
  /** The JSON's `models`: one object per model, `name` first. */
  readonly models: readonly ModelSummary[];
  /** The final table. */
  readonly table: Table;
  readonly sections: readonly Section[];
  /** Further top-level members of the JSON (`peak`, `kernels`, `rows` …). */
  readonly extra?: JsonObject;
}

export interface ModelSummary extends JsonObject {
  readonly name: string;
}

export interface Table {
  readonly columns: readonly Column[];
  /** Text, ready to print. */
  readonly rows: readonly (readonly string[])[];
  /** Below the table: units, what a dash means. */
  readonly note?: string;
}

export interface Column {
  readonly label: string;
  /** Numbers go to the right. */
  readonly align?: "left" | "right";
}

export type Section =
  | TextSection
  | TableSection
  | CurvesSection
  | ScoresSection
  | ConfusionSection
  | AttentionSection
  | GraphSection
  | WeightsSection
  | WordsSection
  | DurationSection;

interface SectionBase {
  readonly title: string;
  /** What the reader sees, and how to read it. */
  readonly caption: string;
}

export interface TextSection extends SectionBase {
  readonly kind: "text";
}

export interface TableSection extends SectionBase {
  readonly kind: "table";
  readonly table: Table;
}

/** Line plots side by side; one line per name, with a band of ± one standard deviation over its runs. */
export interface CurvesSection extends SectionBase {
  readonly kind: "curves";
  readonly plots: readonly {
    readonly title: string;
    readonly x: string;
    readonly y: string;
    readonly percent?: boolean;
    /** Logarithmic y axis. */
    readonly log?: boolean;
    /** Logarithmic x axis, by powers of two. */
    readonly logX?: boolean;
    readonly series: readonly { readonly name: string; readonly runs: readonly (readonly (readonly [x: number, y: number])[])[] }[];
    readonly references?: readonly Reference[];
  }[];
}

export interface Reference {
  readonly label: string;
  readonly value: number;
}

/** A score per model: mean, deviation and the single runs on one axis, with reference lines. */
export interface ScoresSection extends SectionBase {
  readonly kind: "scores";
  readonly label: string;
  readonly percent?: boolean;
  readonly rows: readonly { readonly name: string; readonly values: readonly number[] }[];
  readonly references?: readonly Reference[];
}

/** One matrix per model; `counts[true class][predicted class]`. */
export interface ConfusionSection extends SectionBase {
  readonly kind: "confusion";
  readonly classes: readonly string[];
  readonly matrices: readonly { readonly name: string; readonly counts: readonly (readonly number[])[] }[];
}

/** Pictures with the weights of the class token over their patches. */
export interface AttentionSection extends SectionBase {
  readonly kind: "attention";
  readonly samples: readonly AttentionSample[];
}

export interface AttentionSample {
  readonly title: string;
  /** "predicted ketch, 94 %" */
  readonly subtitle?: string;
  /** The picture as `data:image/png;base64,…`. Left out of the JSON. */
  readonly png: string;
  /** What the picture is; "the picture" if absent. */
  readonly picture?: string;
  /** Patches, row-major. */
  readonly grid: readonly [rows: number, columns: number];
  /** Height of the picture by its width; absent: patches are squares. */
  readonly aspect?: number;
  readonly maps: readonly { readonly label: string; readonly weights: readonly number[] }[];
}

/** Drawn graphs; the more weight a node or an edge has, the stronger it is drawn. */
export interface GraphSection extends SectionBase {
  readonly kind: "graphs";
  readonly samples: readonly GraphSample[];
}

export interface GraphSample {
  readonly title: string;
  readonly subtitle?: string;
  /** Places in units of an edge's length, y downwards; weights as shares of the largest, 0 … 1. */
  readonly nodes: readonly { readonly x: number; readonly y: number; readonly label: string; readonly weight: number }[];
  readonly edges: readonly { readonly from: number; readonly to: number; readonly weight: number; readonly lines?: number }[];
}

/** Who looks at what: matrices of attention weights, with words on both sides. */
export interface WeightsSection extends SectionBase {
  readonly kind: "weights";
  readonly samples: readonly WeightsSample[];
}

export interface WeightsSample {
  readonly title: string;
  readonly subtitle?: string;
  /** What looks, downwards, and what is looked at. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** `[row][column]`, 0 … 1 */
  readonly weights: readonly (readonly number[])[];
}

/** Texts whose words are the stronger coloured the more weight they have. */
export interface WordsSection extends SectionBase {
  readonly kind: "words";
  readonly samples: readonly WordsSample[];
}

export interface WordsSample {
  readonly title: string;
  readonly subtitle?: string;
  readonly words: readonly string[];
  /** Of each word, 0 … 1, together 1. */
  readonly weights: readonly number[];
}

/** Distribution of durations per model. */
export interface DurationSection extends SectionBase {
  readonly kind: "durations";
  readonly label: string;
  readonly rows: readonly { readonly name: string; readonly values: readonly number[] }[];
}
