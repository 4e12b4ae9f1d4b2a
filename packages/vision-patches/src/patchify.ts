import { permute, reshape, ShapeError, type Tensor } from "@heed/tensor";
import { pairOf } from "./internal/pair.ts";

export interface PatchOptions {
  /** Pixels of a patch: a side, or [height, width]. */
  readonly patchSize: number | readonly [number, number];
  /** Order of a patch's entries: `channelsFirst` (default; channel, row, column: a flattened convolution weight) or `channelsLast` (as MAE). */
  readonly order?: "channelsFirst" | "channelsLast";
}

/**
 * Cuts images into patches, row-major: `[B, C, H, W]` → `[B, P, C · h · w]`, P = (H / h) · (W / w).
 *
 * Letters: B batch, C channels, H and W height and width of an image, h and w of a patch, P patches. Time O(size of images), a copy.
 * @throws {ShapeError} when the image is no multiple of the patch.
 * @see Dosovitskiy et al. 2021, eq. 1 (arXiv:2010.11929)
 */
export function patchify(images: Tensor, { patchSize, order = "channelsFirst" }: PatchOptions): Tensor {
  const [h, w] = pairOf("patchify", "patchSize", patchSize);
  if (images.rank !== 4 || images.shape[2] % h !== 0 || images.shape[3] % w !== 0) {
    throw new ShapeError(
      "patchify",
      "images must be [B, C, H, W] with H and W multiples of the patch",
      { images: images.shape, patchSize: [h, w] },
      "Resize or crop them.",
    );
  }
  const [B, C, H, W] = images.shape;
  const cut = reshape(images, [B, C, H / h, h, W / w, w]);
  const ordered = permute(cut, order === "channelsFirst" ? [0, 2, 4, 1, 3, 5] : [0, 2, 4, 3, 5, 1]);
  return reshape(ordered, [B, (H / h) * (W / w), C * h * w]);
}

/**
 * The inverse of `patchify`: `[B, P, C · h · w]` → `[B, C, height, width]`.
 *
 * Letters: B batch, C channels, h and w height and width of a patch, P patches. Time O(size of patches), a copy.
 * @throws {ShapeError} when P or the width of a patch does not fit.
 * @see Elementary: an inverse
 */
export function unpatchify(
  patches: Tensor,
  { patchSize, order = "channelsFirst", height, width }: PatchOptions & { readonly height: number; readonly width: number },
): Tensor {
  const [h, w] = pairOf("unpatchify", "patchSize", patchSize);
  const [rows, columns] = [height / h, width / w];
  if (![rows, columns].every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ShapeError("unpatchify", "height and width must be multiples of the patch", { image: [height, width], patchSize: [h, w] });
  }
  if (patches.rank !== 3 || patches.shape[1] !== rows * columns || patches.shape[2] % (h * w) !== 0) {
    throw new ShapeError("unpatchify", "patches must be [B, (height / h) · (width / w), C · h · w]", {
      patches: patches.shape,
      patchSize: [h, w],
      image: [height, width],
    });
  }
  const B = patches.shape[0];
  const C = patches.shape[2] / (h * w);
  const cut = reshape(patches, order === "channelsFirst" ? [B, rows, columns, C, h, w] : [B, rows, columns, h, w, C]);
  return reshape(permute(cut, order === "channelsFirst" ? [0, 3, 1, 4, 2, 5] : [0, 5, 1, 3, 2, 4]), [B, C, height, width]);
}
