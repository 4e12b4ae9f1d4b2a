import { interpolateCividis } from "d3-scale-chromatic";
import { pngAddress } from "./png.ts";

/** Side of a cell in pixels: viewers that smooth leave cells apart. */
const cell = 4;

/** Numbers as a picture in cividis, the brighter the more, as a `data:` address. `values[row][column]` from 0 to 1; row 0 is on top. */
export function heatMap(values: readonly (readonly number[])[]): string {
  const [height, width] = [values.length * cell, (values[0]?.length ?? 0) * cell];
  const rgb = new Uint8Array(3 * width * height);
  values.forEach((row, i) =>
    row.forEach((value, j) => {
      const colour = interpolateCividis(value).match(/\d+/g)!.map(Number);
      for (let y = i * cell; y < (i + 1) * cell; y++) for (let x = j * cell; x < (j + 1) * cell; x++) rgb.set(colour, 3 * (y * width + x));
    }),
  );
  return pngAddress(rgb, width, height);
}
