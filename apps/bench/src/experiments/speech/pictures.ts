import type { AttentionSample } from "../../report/outcome.ts";
import { heatMap } from "../../report/heat-map.ts";
import { partOf, recording, type SpeechData } from "./data.ts";
import type { TaskName } from "./plans.ts";
import { lastWeights, type Recordings, type SpeechNet } from "./models.ts";

/** Test recordings that are drawn, spread over the digits. */
const drawn = 4;
/** Width of a picture by its height. */
const aspect = 0.75;

/** Spectrograms with the weights of what sums their frames up, and for one of them what each frame attends to in the last layer. */
export function pictures(
  model: SpeechNet,
  name: string,
  data: SpeechData,
  task: TaskName,
  batch: (r: number) => Recordings,
): AttentionSample[] {
  const test = partOf(data, "test");
  const chosen = Array.from({ length: drawn }, (_, i) => test[Math.floor(((i + 0.55) * test.length) / drawn)]!);
  const word = (of: TaskName, r: number) => data.classes[of][data.labels[of][r]!]!;
  const title = (r: number) => `“${word("digit", r)}”, said by ${word("speaker", r)}`;
  const samples = chosen.map((r): AttentionSample => {
    const { logits, weights } = model.attend(batch(r));
    const [row] = logits.toArray() as [number[]];
    const shares = row.map((z) => Math.exp(z - Math.max(...row)));
    const best = shares.indexOf(Math.max(...shares));
    const sure = Math.round((100 * shares[best]!) / shares.reduce((sum, share) => sum + share, 0));
    const [frames] = weights.toArray() as [number[]];
    const received = lastWeights(model, batch(r));
    return {
      title: title(r),
      subtitle: `${name}: heard as ${data.classes[task][best]}, ${sure} %. ${frames.length} frames, ${frames.length * 10} ms`,
      png: spectrogram(recording(data, r), data.bands),
      picture: "log-mel spectrogram",
      grid: [1, frames.length],
      aspect,
      maps: [
        { label: "weights of the pooling query", weights: frames },
        ...(received === undefined
          ? []
          : [
              {
                label: "what frames get from all frames, last layer",
                weights: frames.map((_, j) => average(received.map((from) => from[j]!))),
              },
            ]),
      ],
    };
  });
  const one = chosen[1]!;
  const matrix = lastWeights(model, batch(one));
  if (matrix === undefined) return samples;
  const most = Math.max(...matrix.flat());
  return [
    ...samples,
    {
      title: `${title(one)}: who attends to whom`,
      subtitle: `${name}, last layer, mean of the heads: each row is a frame that looks, each column one that is looked at`,
      png: heatMap(matrix.map((row) => row.map((weight) => Math.sqrt(weight / most)))),
      picture: "weights, frame by frame",
      grid: [matrix.length, matrix.length],
      maps: [],
    },
  ];
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Time to the right, pitch upwards, brighter is louder. */
function spectrogram(frames: Float32Array, bands: number): string {
  const [low, high] = frames.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  const L = frames.length / bands;
  const share = (value: number) => (value - low) / Math.max(1e-9, high - low);
  return heatMap(
    Array.from({ length: bands }, (_, y) => Array.from({ length: L }, (_one, t) => share(frames[t * bands + bands - 1 - y]!))),
  );
}
