import { cast, div, permute, reshape, ShapeError, sub, tensor, type Tensor } from "@heed/tensor";

/**
 * Bytes to a float image, per channel `(x / 255 − mean) / std`: uint8 `[H, W, C]` → float32 `[C, H, W]`.
 *
 * Letters: H and W height and width, C channels. Time O(H W C).
 * @throws {ShapeError} when mean and std do not have one number per channel.
 * @see torchvision's `Normalize`
 */
export function normalizeImage(
  image: Tensor,
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): Tensor {
  const C = image.shape[2];
  if (image.rank !== 3 || mean.length !== C || std.length !== C) {
    throw new ShapeError("normalizeImage", "the image must be [H, W, C], with one mean and one std per channel", {
      image: image.shape,
      mean,
      std,
    });
  }
  const planes = div(permute(cast(image, "float32"), [2, 0, 1]), 255);
  const perChannel = (values: readonly number[]) => reshape(tensor(Float32Array.from(values)), [C, 1, 1]);
  return div(sub(planes, perChannel(mean)), perChannel(std));
}
