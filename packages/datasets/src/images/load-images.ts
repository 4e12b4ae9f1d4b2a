import type { ImageSplit } from "../image-set.ts";
import { isIdxFolder, loadIdxFolder } from "./load-idx-folder.ts";
import { loadImageFolder, type LoadOptions } from "./load-image-folder.ts";

/**
 * Reads a folder of pictures in whichever form it has: IDX files (`loadIdxFolder`), else one folder per class (`loadImageFolder`).
 * Both give `[N, 3, size, size]`.
 *
 * Letters: N pictures.
 * @throws {FormatError} when the folder is neither, or anything in it is damaged.
 *
 * Time O(pixels of the files).
 * @see torchvision's `ImageFolder`
 */
export async function loadImages(root: string, options: LoadOptions = {}): Promise<ImageSplit> {
  const { size = 64, key: _, testFraction: __, ...rest } = options;
  return (await isIdxFolder(root)) ? loadIdxFolder(root, { ...rest, size, channels: 3 }) : loadImageFolder(root, options);
}
