import { HeedError, ShapeError, tensor, type Tensor } from "@heed/tensor";

/**
 * Sequences of numbers side by side: int32 ids `[B, L]`, the shorter ones filled up, and their lengths `[B]`.
 *
 * Letters: B sequences, L their common length.
 * @param options.padding what fills up. Default 0.
 * @param options.length default: that of the longest
 * @throws {ShapeError} when a sequence is longer than `length`.
 *
 * Time O(B L).
 * @see PyTorch's `torch.nn.utils.rnn.pad_sequence`
 */
export function padded(
  sequences: readonly ArrayLike<number>[],
  { padding = 0, length }: { readonly padding?: number; readonly length?: number } = {},
): { ids: Tensor; lengths: Int32Array } {
  const lengths = Int32Array.from(sequences, (sequence) => sequence.length);
  const longest = lengths.reduce((most, n) => Math.max(most, n), 0);
  const L = length ?? longest;
  if (!Number.isInteger(L) || L < longest) throw new ShapeError("padded", "length must hold the longest sequence", { length: L, longest });
  const ids = new Int32Array(sequences.length * L).fill(padding);
  sequences.forEach((sequence, row) => ids.set(sequence, row * L));
  return { ids: tensor(ids, { shape: [sequences.length, L] }), lengths };
}

/**
 * Frames side by side: float32 `[B, L, width]`, the shorter ones filled up with zeros, and their lengths `[B]`.
 *
 * Letters: B sequences, L the longest length.
 * @param frames each `[length · width]`, row-major
 * @throws {ShapeError} when one is no whole number of frames.
 *
 * Time O(B L width).
 * @see PyTorch's `torch.nn.utils.rnn.pad_sequence`
 */
export function paddedFrames(frames: readonly Float32Array[], width: number): { frames: Tensor; lengths: Int32Array } {
  if (!Number.isInteger(width) || width < 1) throw new HeedError("paddedFrames", "width must be a whole number from 1 on", { width });
  const lengths = Int32Array.from(frames, (one) => one.length / width);
  const odd = frames.findIndex((one) => one.length % width !== 0);
  if (odd >= 0)
    throw new ShapeError("paddedFrames", "a sequence holds whole frames", { sequence: odd, numbers: frames[odd].length, width });
  const L = lengths.reduce((most, n) => Math.max(most, n), 0);
  const all = new Float32Array(frames.length * L * width);
  frames.forEach((one, row) => all.set(one, row * L * width));
  return { frames: tensor(all, { shape: [frames.length, L, width] }), lengths };
}
