import type { OutcomeContext, RunResult } from "../../experiment.ts";
import { compact, deviation, duration, mean, number, percentWithDeviation } from "../../format.ts";
import type { ModelSummary, Outcome, Section } from "../../report/outcome.ts";
import { batchSize, framesPerMinute, modelsOf, tasks, windowed, type SpeechDetails, type TaskName } from "./plans.ts";
import type { SpeechShape } from "./models.ts";

const right = "right" as const;
const megabytes = (bytes: number): string => (Number.isFinite(bytes) ? `${number(bytes / 2 ** 20)} MiB` : "–");
const milliseconds = (seconds: number): string => number(seconds * 1000);
const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The report: who tells what apart, what that takes, and how it grows with the length of a recording. */
export function outcome({ results, settings, profile, data }: OutcomeContext): Outcome {
  const names = modelsOf(settings);
  const trained = (name: string, task: TaskName) => results.filter(({ model, config }) => model === name && config.task === task);
  const finals = (runs: readonly RunResult[], key: string) =>
    runs.flatMap(({ evaluations }) => (evaluations.length === 0 ? [] : [evaluations.at(-1)!.metrics[key]!]));
  const measured = (id: string, key: string) => finals(results.filter((run) => run.id === id), key)[0] ?? NaN; // prettier-ignore

  const models = names.map((name): ModelSummary => {
    const both = tasks.flatMap((task) => trained(name, task));
    const of = (task: TaskName) => finals(trained(name, task), "accuracy");
    return {
      name,
      parameters: both[0]?.facts.parameters ?? null,
      digitAccuracy: orNull(mean(of("digit"))),
      digitAccuracyDeviation: deviation(of("digit")),
      speakerAccuracy: orNull(mean(of("speaker"))),
      speakerAccuracyDeviation: deviation(of("speaker")),
      accuracies: { digit: of("digit"), speaker: of("speaker") },
      forwardSeconds: orNull(measured(`step-${name}`, "forward")),
      stepSeconds: orNull(measured(`step-${name}`, "step")),
      stepBytes: orNull(measured(`step-${name}`, "bytes")),
      trainSeconds: orNull(mean(both.map(({ trainSeconds }) => trainSeconds))),
      finishedRuns: both.filter(({ state }) => state === "done").length,
    };
  });
  const told = (model: ModelSummary, task: TaskName) =>
    percentWithDeviation((model[`${task}Accuracy`] as number | null) ?? NaN, model[`${task}AccuracyDeviation`] as number | null);
  const best = models.filter(({ digitAccuracy }) => digitAccuracy !== null).sort((a, b) => Number(b.digitAccuracy) - Number(a.digitAccuracy)); // prettier-ignore
  const minutes = profile.minutes as readonly number[];
  const long = windowed.filter((name) => names.includes(name));
  const longSeconds = (name: string, m: number) => measured(`long-${name}-${m * framesPerMinute}`, "seconds");
  const confusions = names.flatMap((name) => {
    const all = trained(name, "digit").flatMap(({ details }) =>
      details === undefined ? [] : [(details as unknown as SpeechDetails).confusion],
    );
    return all.length === 0
      ? []
      : [{ name, counts: all[0]!.map((row, i) => row.map((_, j) => all.reduce((sum, one) => sum + one[i]![j]!, 0))) }];
  });
  const samples = results.flatMap(({ details }) => (details as unknown as SpeechDetails | undefined)?.pictures ?? []);
  const most = Math.max(...minutes);
  const dense = (frames: number) => 4 * frames ** 2 * heads(results);

  const sections: Section[] = [
    ...tasks.map((task): Section => ({
      kind: "scores",
      title: task === "digit" ? "Which digit" : "Which speaker",
      label: "test accuracy",
      percent: true,
      caption: `${task === "digit" ? "Ten digits." : "Six speakers; they are the same in training, so this asks for their voices, not for strangers'."} Marker: mean over seeds; bar: ± one standard deviation; rings: single runs.`,
      rows: names.map((name) => ({ name, values: finals(trained(name, task), "accuracy") })).filter(({ values }) => values.length > 0),
      references: [
        { label: "by chance", value: task === "digit" ? 1 / 10 : 1 / Math.max(1, ((data.speakers ?? []) as readonly string[]).length) },
      ],
    })),
    {
      kind: "table",
      title: "How far a frame sees",
      caption:
        "The same network with attention to all frames, or to so many before and after each. A recording is some forty frames long, so a window saves little here; it does where a minute is one recording.",
      table: {
        columns: [{ label: "frames seen" }, ...["digit", "training step, ms", "forward, ms", "memory of a step", `forward, ${minutes[0]} min`, `memory, ${minutes[0]} min`].map((label) => ({ label, align: right }))], // prettier-ignore
        rows: long.map((name) => {
          const model = models.find((one) => one.name === name)!;
          const minute = `long-${name}-${minutes[0]! * framesPerMinute}`;
          return [
            name === "full" ? "all" : `± ${name.replace("window-", "")}`,
            told(model, "digit"),
            milliseconds(measured(`step-${name}`, "step")),
            milliseconds(measured(`step-${name}`, "forward")),
            megabytes(measured(`step-${name}`, "bytes")),
            `${milliseconds(measured(minute, "seconds"))} ms`,
            megabytes(measured(minute, "bytes")),
          ];
        }),
        note: `Steps are of ${batchSize} recordings of the usual length. Times are the shortest of several, on one thread, one model after the other; memory is the most that was in use at once, parameters, optimiser and activations together.`,
      },
    },
    {
      kind: "table",
      title: "Long recordings",
      caption: `Recordings joined to minutes, one forward pass without gradients. Full attention grows with the square of the length, truncated attention with the length. Neither keeps a matrix of weights: “dense” is what the weights of one layer, heads · frames² · 4 bytes, would have taken in a definition that does.`,
      table: {
        columns: [{ label: "model" }, ...["length", "frames", "time", "times real time", "peak memory", "dense: one layer's weights"].map((label) => ({ label, align: right }))], // prettier-ignore
        rows: minutes.flatMap((m) =>
          long.map((name) => [
            name,
            `${number(m, 2)} min`,
            compact(m * framesPerMinute),
            duration(longSeconds(name, m)),
            number((60 * m) / longSeconds(name, m)),
            megabytes(measured(`long-${name}-${m * framesPerMinute}`, "bytes")),
            name === "full" ? `${number(dense(m * framesPerMinute) / 1e9)} GB` : "–",
          ]),
        ),
        note: "Times are the shortest of two to four passes on one thread; “times real time” is how many seconds of sound a second handles. Peak memory is that of the linear memory: frames, parameters and the activations of one layer.",
      },
    },
    ...(minutes.length > 1
      ? [
          {
            kind: "curves" as const,
            title: "Time by length",
            caption: "The same times; the axis of time is logarithmic.",
            plots: [
              {
                title: "One forward pass",
                x: "minutes of sound",
                y: "seconds",
                log: true,
                series: long.map((name) => ({ name, runs: [minutes.map((m) => [m, longSeconds(name, m)] as const)] })),
              },
            ],
          },
        ]
      : []),
    {
      kind: "curves",
      title: "Learning curves",
      caption:
        "On the test part, by the parameters that were best on the validation part so far. Lines: mean over seeds; bands: ± one standard deviation.",
      plots: tasks.map((task) => ({
        title: task,
        x: "epochs",
        y: "test accuracy",
        percent: true,
        series: names
          .map((name) => ({
            name,
            runs: trained(name, task).map(({ evaluations }) =>
              evaluations.map(({ epoch, metrics }) => [epoch ?? 0, metrics.accuracy ?? NaN] as const),
            ),
          }))
          .filter(({ runs }) => runs.length > 0),
      })),
    },
    ...(samples.length > 0
      ? [
          {
            kind: "attention" as const,
            title: "Where attention lies in a recording",
            caption:
              "Test recordings. The spectrogram has time to the right and pitch upwards, bright is loud. On the copies beside it bright frames get much weight, dark ones little, and a frame is drawn round the one with most. In the matrices each row is a frame that looks, each column one that is looked at; a window leaves a band along the diagonal.",
            samples,
          },
        ]
      : []),
    ...(confusions.length > 0
      ? [
          {
            kind: "confusion" as const,
            title: "Which digit is taken for which",
            caption: "Rows are what was said, columns what was heard; the brighter, the larger the share of the row. Summed over seeds.",
            classes: Array.from({ length: 10 }, (_, digit) => String(digit)),
            matrices: confusions,
          },
        ]
      : []),
  ];
  const fullLong = longSeconds("full", most);
  const shortWindow = longSeconds("window-8", most);
  const compared =
    Number.isFinite(fullLong) && Number.isFinite(shortWindow)
      ? ` ${number(most, 2)} min of sound as one recording: full attention ${duration(fullLong)}, ± 8 frames ${duration(shortWindow)}.`
      : "";
  return {
    headline:
      best.length === 0
        ? "No model was evaluated before the interruption."
        : `Which digit, on recordings kept aside: ${best.map((model) => `${model.name} ${told(model, "digit")}`).join(", ")}.${compared}`,
    models,
    table: {
      columns: [{ label: "model" }, ...["digit", "speaker", "parameters", "forward, ms", "step, ms", "memory of a step", "training"].map((label) => ({ label, align: right }))], // prettier-ignore
      rows: models.map((model) => [
        model.name,
        told(model, "digit"),
        told(model, "speaker"),
        compact((model.parameters as number | null) ?? NaN),
        milliseconds((model.forwardSeconds as number | null) ?? NaN),
        milliseconds((model.stepSeconds as number | null) ?? NaN),
        megabytes((model.stepBytes as number | null) ?? NaN),
        duration((model.trainSeconds as number | null) ?? NaN),
      ]),
      note: `Accuracy on the ${testCount(data.counts)} official test recordings, mean ± standard deviation over seeds; a dash: not asked. Forward and step: ${batchSize} recordings of the usual length, the shortest of several on one thread, measured one model after the other. Training: mean wall time of a run, with others beside it.`,
    },
    sections,
    extra: { long: minutes.flatMap((m) => long.map((name) => ({ model: name, minutes: m, frames: m * framesPerMinute, seconds: orNull(longSeconds(name, m)), bytes: orNull(measured(`long-${name}-${m * framesPerMinute}`, "bytes")), denseWeightBytes: dense(m * framesPerMinute) }))) }, // prettier-ignore
  };
}

const heads = (results: readonly RunResult[]): number => (results[0]?.config.shape as SpeechShape | undefined)?.heads ?? NaN;

const testCount = (counts: unknown): number => (counts as Readonly<Record<string, number>> | undefined)?.test ?? NaN;
