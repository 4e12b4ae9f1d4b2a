import type { Views } from "@heed/kernels";
import type { EdgeKernels } from "./edges.ts";

/** Plain loops: the definition. */
export function reference(views: Views): EdgeKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  /** Calls `visit(row, column, slot)` for the edges of rows [from, to) in order, `begin(row)` before each row's. */
  const walk = (
    offsets: number,
    columns: number,
    slots: number,
    from: number,
    to: number,
    visit: (row: number, column: number, slot: number) => void,
    begin: (row: number) => void = () => {},
  ): void => {
    const ints = views.i32();
    for (let i = from; i < to; i++) {
      begin(i);
      for (let k = ints[(offsets >> 2) + i]; k < ints[(offsets >> 2) + i + 1]; k++) {
        visit(i, columns === 0 ? 0 : ints[(columns >> 2) + k], ints[(slots >> 2) + k]);
      }
    }
  };
  const kernels: EdgeKernels = {
    weightedSum(values, weights, out, offsets, columns, slots, from, to, heads, width) {
      const real = views.real();
      const row = heads * width;
      walk(
        offsets,
        columns,
        slots,
        from,
        to,
        (i, column, slot) => {
          for (let h = 0; h < heads; h++) {
            const weight = real[at(weights) + slot * heads + h];
            for (let f = h * width; f < (h + 1) * width; f++) real[at(out) + i * row + f] += weight * real[at(values) + column * row + f];
          }
        },
        (i) => real.fill(0, at(out) + i * row, at(out) + (i + 1) * row),
      );
    },
    edgeDots(a, b, out, offsets, columns, slots, from, to, heads, width) {
      const real = views.real();
      walk(offsets, columns, slots, from, to, (i, column, slot) => {
        for (let h = 0; h < heads; h++) {
          let sum = 0;
          for (let f = 0; f < width; f++) {
            sum += real[at(a) + (i * heads + h) * width + f] * real[at(b) + (column * heads + h) * width + f];
          }
          real[at(out) + slot * heads + h] = sum;
        }
      });
    },
    pairSum(a, b, out, offsets, columns, slots, from, to, width) {
      const real = views.real();
      walk(offsets, columns, slots, from, to, (i, column, slot) => {
        for (let f = 0; f < width; f++) real[at(out) + slot * width + f] = real[at(a) + i * width + f] + real[at(b) + column * width + f];
      });
    },
    rowSum(x, out, offsets, slots, from, to, width) {
      const real = views.real();
      walk(
        offsets,
        0,
        slots,
        from,
        to,
        (i, _, slot) => {
          for (let f = 0; f < width; f++) real[at(out) + i * width + f] += real[at(x) + slot * width + f];
        },
        (i) => real.fill(0, at(out) + i * width, at(out) + (i + 1) * width),
      );
    },
    edgeSoftmax(scores, out, offsets, slots, from, to, heads) {
      const real = views.real();
      const ints = views.i32();
      for (let i = from; i < to; i++) {
        const [first, end] = [ints[(offsets >> 2) + i], ints[(offsets >> 2) + i + 1]];
        const place = (pointer: number, k: number, h: number) => at(pointer) + ints[(slots >> 2) + k] * heads + h;
        for (let h = 0; h < heads; h++) {
          let most = -Infinity;
          for (let k = first; k < end; k++) if (real[place(scores, k, h)] > most) most = real[place(scores, k, h)];
          if (most === -Infinity) most = 0;
          let total = 0;
          for (let k = first; k < end; k++) total += real[place(out, k, h)] = Math.exp(real[place(scores, k, h)] - most);
          for (let k = first; k < end; k++) real[place(out, k, h)] *= total === 0 ? 0 : 1 / total;
        }
      }
    },
    pairSoftmax(a, b, out, offsets, columns, slots, from, to, heads, slope) {
      const real = views.real();
      walk(offsets, columns, slots, from, to, (i, column, slot) => {
        for (let h = 0; h < heads; h++) {
          const z = real[at(a) + i * heads + h] + real[at(b) + column * heads + h];
          real[at(out) + slot * heads + h] = z > 0 ? z : slope * z;
        }
      });
      kernels.edgeSoftmax(out, out, offsets, slots, from, to, heads);
    },
    pairAttention(a, b, values, weights, factors, out, offsets, columns, from, to, heads, width, slope) {
      const [real, ints] = [views.real(), views.i32()];
      const place = (pointer: number, row: number, h: number) => at(pointer) + row * heads + h;
      const row = heads * width;
      for (let i = from; i < to; i++) {
        const [first, end] = [ints[(offsets >> 2) + i], ints[(offsets >> 2) + i + 1]];
        real.fill(0, at(out) + i * row, at(out) + (i + 1) * row);
        for (let h = 0; h < heads; h++) {
          let most = -Infinity;
          for (let k = first; k < end; k++) {
            const z = real[place(a, i, h)] + real[place(b, ints[(columns >> 2) + k], h)];
            const score = z > 0 ? z : slope * z;
            real[place(weights, k, h)] = score;
            if (score > most) most = score;
          }
          if (most === -Infinity) most = 0;
          let total = 0;
          for (let k = first; k < end; k++) total += real[place(weights, k, h)] = Math.exp(real[place(weights, k, h)] - most);
          const factor = (real[place(factors, i, h)] = total === 0 ? 0 : 1 / total);
          for (let k = first; k < end; k++) {
            const weight = (real[place(weights, k, h)] *= factor);
            for (let f = h * width; f < (h + 1) * width; f++) {
              real[at(out) + i * row + f] += weight * real[at(values) + ints[(columns >> 2) + k] * row + f];
            }
          }
        }
      }
    },
    pairSoftmaxGrad(a, b, weights, g, dz, da, offsets, columns, slots, from, to, heads, slope) {
      const real = views.real();
      kernels.edgeSoftmaxGrad(weights, g, dz, offsets, slots, from, to, heads);
      walk(
        offsets,
        columns,
        slots,
        from,
        to,
        (i, column, slot) => {
          for (let h = 0; h < heads; h++) {
            if (!(real[at(a) + i * heads + h] + real[at(b) + column * heads + h] > 0)) real[at(dz) + slot * heads + h] *= slope;
            real[at(da) + i * heads + h] += real[at(dz) + slot * heads + h];
          }
        },
        (i) => real.fill(0, at(da) + i * heads, at(da) + (i + 1) * heads),
      );
    },
    edgeSoftmaxGrad(weights, g, out, offsets, slots, from, to, heads) {
      const real = views.real();
      const ints = views.i32();
      for (let i = from; i < to; i++) {
        const [first, end] = [ints[(offsets >> 2) + i], ints[(offsets >> 2) + i + 1]];
        for (let h = 0; h < heads; h++) {
          const place = (k: number) => ints[(slots >> 2) + k] * heads + h;
          let total = 0;
          for (let k = first; k < end; k++) total += real[at(weights) + place(k)] * real[at(g) + place(k)];
          for (let k = first; k < end; k++) real[at(out) + place(k)] = real[at(weights) + place(k)] * (real[at(g) + place(k)] - total);
        }
      }
    },
    edgeAdditive(a, b, c, vector, out, offsets, columns, slots, from, to, heads, width, slope) {
      const real = views.real();
      const row = heads * width;
      walk(offsets, columns, slots, from, to, (i, column, slot) => {
        for (let h = 0; h < heads; h++) {
          let sum = 0;
          for (let f = h * width; f < (h + 1) * width; f++) {
            const z = real[at(a) + i * row + f] + real[at(b) + column * row + f] + (c === 0 ? 0 : real[at(c) + slot * row + f]);
            sum += real[at(vector) + f] * (z > 0 ? z : slope * z);
          }
          real[at(out) + slot * heads + h] = sum;
        }
      });
    },
    edgeAdditiveGrad(a, b, c, vector, g, da, dc, dvector, offsets, columns, slots, from, to, heads, width, slope) {
      const real = views.real();
      const row = heads * width;
      walk(
        offsets,
        columns,
        slots,
        from,
        to,
        (i, column, slot) => {
          for (let h = 0; h < heads; h++) {
            const cotangent = real[at(g) + slot * heads + h];
            for (let f = h * width; f < (h + 1) * width; f++) {
              const z = real[at(a) + i * row + f] + real[at(b) + column * row + f] + (c === 0 ? 0 : real[at(c) + slot * row + f]);
              const dz = cotangent * real[at(vector) + f] * (z > 0 ? 1 : slope);
              real[at(da) + i * row + f] += dz;
              if (dc !== 0) real[at(dc) + slot * row + f] = dz;
              if (dvector !== 0) real[at(dvector) + f] += cotangent * (z > 0 ? z : slope * z);
            }
          }
        },
        (i) => real.fill(0, at(da) + i * row, at(da) + (i + 1) * row),
      );
    },
  };
  return kernels;
}
