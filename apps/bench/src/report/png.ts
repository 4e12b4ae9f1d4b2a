import { encode } from "fast-png";

/** A picture as a `data:` address: `rgb` holds bytes `[height, width, 3]`. */
export function pngAddress(rgb: Uint8Array, width: number, height: number): string {
  return `data:image/png;base64,${Buffer.from(encode({ data: rgb, width, height, channels: 3, depth: 8 })).toString("base64")}`;
}
