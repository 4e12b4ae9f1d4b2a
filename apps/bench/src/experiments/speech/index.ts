import type { Experiment } from "../../experiment.ts";
import { outcome } from "./outcome.ts";
import { measurements, modelNames, trainings } from "./plans.ts";
import { someOf } from "../some-of.ts";

/** All recordings, unless a profile says less. */
const shared = { takes: 1e6, speakers: 1e6, bands: 40, width: 64 };

/** Which digit is said, and who says it. */
export const speech: Experiment = {
  name: "speech",
  summary: "attention over all frames, and over a window of them, tells digits and speakers",
  description: `Spoken digits (Free Spoken Digit Dataset): which digit, and which speaker, from log-mel frames of 25 ms every 10 ms.
Self-attention over the whole recording and truncated to ±4, ±8 and ±16 frames, a bidirectional LSTM, convolution, and a Conformer.
The official split: recordings 0 to 4 of each speaker and digit test; 5 and 6 choose the parameters, the others train, with frames cut at
either end, louder or softer, and stretches of time and bands blanked out. Then times and memory, one run after the other, and
recordings joined to minutes, full and truncated.
Without --data it looks into ../shared/data/fsdd beside the repository.`,
  data: "a folder with recordings named digit_speaker_number.wav, or with a folder recordings of such",
  profiles: {
    smoke: {
      ...shared,
      summary: "one seed, a few recordings of two speakers, 1 epoch: does it run?",
      seeds: 1,
      takes: 8,
      speakers: 2,
      digit: 1,
      speaker: 1,
      rounds: 1,
      minutes: [0.1],
      width: 16,
    },
    quick: { ...shared, summary: "one seed, fewer epochs; a few minutes", seeds: 1, digit: 12, speaker: 4, rounds: 4, minutes: [1, 2] },
    full: {
      ...shared,
      summary: "three seeds, joined recordings of up to ten minutes",
      seeds: 3,
      digit: 20,
      speaker: 8,
      rounds: 20,
      minutes: [1, 5, 10],
    },
  },
  options: [{ flags: "--models <names>", description: `some of ${modelNames.join(", ")}, separated by commas`, parse: someOf(modelNames) }],
  stages: [
    { name: "train", title: "train", plan: trainings },
    { name: "measure", title: "measure times", alone: true, plan: measurements },
  ],
  runs: new URL("./runs.ts", import.meta.url),
  outcome,
};
