import type { OutcomeContext, RunResult } from "../../experiment.ts";
import { compact, duration, number, whole } from "../../format.ts";
import type { Outcome, Section, Table } from "../../report/outcome.ts";
import { lengthClasses, type Direction, type ModelName, type TranslationDetails } from "./index.ts";
import { joinWords, wordCount, wordsOf, type Language } from "./sentence.ts";

const titles: Readonly<Record<ModelName, string>> = {
  attention: "GRU with attention",
  fixed: "GRU without attention",
  transformer: "Transformer",
  longer: "GRU with attention, longer",
};
const routes: Readonly<Record<Direction, string>> = { "fr-en": "French to English", "en-fr": "English to French" };
/** Words that a picture of weights has room for, both sides together. */
const most = 40;

interface Row {
  readonly direction: Direction;
  readonly model: ModelName;
  readonly run: RunResult;
  /** Of a finished run. */
  readonly details: TranslationDetails | undefined;
}

/** What the report shows: BLEU of all, by length, learning curves, examples, and where attention looks. */
export function translationOutcome({ results }: OutcomeContext): Outcome {
  const rows: readonly Row[] = results.map((run) => ({
    direction: run.config.direction as Direction,
    model: run.model as ModelName,
    run,
    details: run.details as unknown as TranslationDetails | undefined,
  }));
  const groups = [...new Set(rows.map(({ direction }) => direction))].map((direction) => ({
    direction,
    rows: rows.filter((row) => row.direction === direction),
  }));
  const models = [...new Set(rows.map(({ model }) => model))];
  return {
    headline: headline(groups),
    models: models.map((model) => ({
      name: titles[model],
      ...Object.fromEntries(rows.filter((row) => row.model === model).map((row) => [row.direction, summary(row)])),
    })),
    table: table(rows),
    sections: [...byLength(groups), learning(groups), ...groups.flatMap(examples), ...alignments(groups)],
  };
}

interface Group {
  readonly direction: Direction;
  readonly rows: readonly Row[];
}

function summary({ run, details }: Row) {
  const { facts, trainSeconds, examples: seen, state } = run;
  return {
    parameters: facts.parameters ?? null,
    bleu: details?.beam ?? null,
    greedy: details?.greedy ?? run.evaluations.at(-1)?.metrics.bleu ?? null,
    sacreBleu: (details?.library ?? null) as null | { score: number; signature: string },
    byLength: lengthClasses.map(({ label }, i) => ({ label, ...(details?.byLength[i] ?? { sentences: 0, bleu: null }) })),
    pairsPerSecond: seen > 0 ? seen / trainSeconds : null,
    trainSeconds: seen > 0 ? trainSeconds : null,
    done: state === "done",
  };
}

const bleuText = (value: number | null | undefined): string => (typeof value === "number" ? value.toFixed(1) : "–");
const sourceOf = (direction: Direction): Language => direction.split("-")[0] as Language;
const right = (label: string) => ({ label, align: "right" as const });

function headline(groups: readonly Group[]): string {
  const told = groups.map(({ direction, rows }) => {
    const scores = rows.map(
      ({ model, details, run }) => `${titles[model]} ${bleuText(details?.beam ?? run.evaluations.at(-1)?.metrics.bleu)}`,
    );
    return `${routes[direction]}: ${scores.join(", ")}`;
  });
  return told.length === 0 ? "Nothing was measured before the interruption." : `BLEU on sentences kept aside. ${told.join(". ")}.`;
}

function table(rows: readonly Row[]): Table {
  const signature = rows.find(({ details }) => details?.library)?.details?.library?.signature;
  const scorer =
    signature === undefined
      ? "BLEU as sacreBLEU computes it (tokens 13a, exponential smoothing, one reference), lower-case; no sacrebleu was at hand to compute it too."
      : `sacreBLEU: the library itself, ${signature}, one reference, lower-case, on the translations of beam search.`;
  return {
    columns: [
      { label: "direction" },
      { label: "model" },
      ...["epochs", "BLEU", "sacreBLEU", "greedy", "parameters", "pairs/s", "training"].map(right),
    ],
    rows: rows.map((row) => {
      const { parameters, bleu, greedy, sacreBleu, pairsPerSecond, trainSeconds, done } = summary(row);
      return [
        routes[row.direction],
        `${titles[row.model]}${done ? "" : " (unfinished)"}`,
        String(row.run.config.epochs),
        bleuText(bleu),
        sacreBleu === null ? "–" : sacreBleu.score.toFixed(1),
        bleuText(greedy as number | null),
        compact((parameters as number | null) ?? NaN),
        whole(pairsPerSecond ?? NaN),
        duration(trainSeconds ?? NaN),
      ];
    }),
    note: `BLEU on test sentences drawn from all, of beam search with 4 beams and of greedy search. ${scorer} Times are of this run, on a machine that others use too.`,
  };
}

function byLength(groups: readonly Group[]): Section[] {
  const finished = groups.map(({ direction, rows }) => ({ direction, rows: rows.filter(({ details }) => details) }));
  if (finished.every(({ rows }) => rows.length === 0)) return [];
  const of = ({ details }: Row) => details!.byLength;
  const middle = ({ least, most: last }: (typeof lengthClasses)[number]) => (least + last) / 2;
  const lines = finished.flatMap(({ direction, rows }) => {
    const each = rows.map((row) => [routes[direction], titles[row.model], ...of(row).map(({ bleu }) => bleuText(bleu))]);
    const [attention, fixed] = (["attention", "fixed"] as const).map((model) => rows.find((row) => row.model === model));
    if (attention === undefined || fixed === undefined) return each;
    const gains = of(attention).map(({ bleu }, i) => {
      const other = of(fixed)[i]!.bleu;
      return bleu === null || other === null
        ? "–"
        : `${bleu - other >= 0 ? "+" : "−"}${Math.abs(bleu - other).toFixed(1)} (× ${number(bleu / other, 2)})`;
    });
    return [...each, [routes[direction], "what attention adds", ...gains]];
  });
  const counted = finished.find(({ rows }) => rows.length > 0)!.rows[0]!;
  return [
    {
      kind: "curves",
      title: "BLEU by length",
      caption:
        "A point for each class of lengths, in the middle of the class. One vector for a whole sentence holds a short one; attention looks back, however long it is.",
      plots: finished.map(({ direction, rows }) => ({
        title: routes[direction],
        x: "words of the source",
        y: "BLEU",
        series: rows.map((row) => ({
          name: titles[row.model],
          runs: [of(row).flatMap(({ bleu }, i) => (bleu === null ? [] : [[middle(lengthClasses[i]!), bleu] as const]))],
        })),
      })),
    },
    {
      kind: "table",
      title: "What attention adds, by length",
      caption: `BLEU by how many words the source has, punctuation not counted; rare lengths have more test sentences than their share (${routes[counted.direction]}: ${of(
        counted,
      )
        .map(({ sentences }, i) => `${lengthClasses[i]!.label} words ${sentences}`)
        .join(", ")}). Beam search.`,
      table: {
        columns: [{ label: "direction" }, { label: "model" }, ...lengthClasses.map(({ label }) => right(`${label} words`))],
        rows: lines,
      },
    },
  ];
}

function learning(groups: readonly Group[]): Section {
  const plot = (title: string, y: string, key: string) =>
    groups.map(({ direction, rows }) => ({
      title: `${routes[direction]}: ${title}`,
      x: "epochs",
      y,
      series: rows.map(({ model, run }) => ({
        name: titles[model],
        runs: [run.evaluations.map(({ epoch, metrics }) => [epoch ?? 0, metrics[key] ?? NaN] as const)],
      })),
    }));
  return {
    kind: "curves",
    title: "Learning curves",
    caption:
      "Greedy search on the test part, and the loss on the validation part, each with the parameters that were best on the latter so far.",
    plots: [...plot("test BLEU", "BLEU", "bleu"), ...plot("validation", "cross-entropy of a piece", "validation")],
  };
}

function examples({ direction, rows }: Group): Section[] {
  const finished = rows.flatMap(({ model, details }) => (details ? [{ model, examples: details.examples }] : []));
  if (finished.length === 0) return [];
  return [
    {
      kind: "table",
      title: `Translations, ${routes[direction]}`,
      caption: "Test sentences of growing length, the same for all models, chosen by length alone.",
      table: {
        columns: [right("words"), { label: "source" }, { label: "reference" }, ...finished.map(({ model }) => ({ label: titles[model] }))],
        rows: finished[0]!.examples.map(({ source, reference }, i) => [
          String(wordCount(wordsOf(source, sourceOf(direction)))),
          source,
          reference,
          ...finished.map((one) => one.examples[i]!.said),
        ]),
      },
    },
  ];
}

function alignments(groups: readonly Group[]): Section[] {
  const samples = groups.flatMap(({ direction, rows }) => {
    // Of the two that look back, the one that was trained longer.
    const details = rows.flatMap((row) => (row.details && row.details.alignments.length > 0 ? [row.details] : [])).at(-1);
    return (details?.alignments ?? [])
      .filter(({ source, target }) => target.length > 0 && source.length + target.length <= most)
      .map(({ source, target, weights }) => ({
        title: joinWords(source, sourceOf(direction)),
        subtitle: routes[direction],
        rows: target,
        columns: source,
        weights,
      }));
  });
  if (samples.length === 0) return [];
  return [
    {
      kind: "weights",
      title: "Where attention looks",
      caption:
        "GRU with attention. Rows: the words that it writes; columns: the words that it reads. A row shows where it looked while it wrote that word: bright is much. Nobody taught it which word belongs to which.",
      samples,
    },
  ];
}
