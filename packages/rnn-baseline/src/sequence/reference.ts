import type { Views } from "@heed/kernels";
import { gruShape, hiddenPieces, lstmShape, plainShape, type CellShape } from "./cell-shape.ts";
import { padded } from "./layout.ts";
import type { SequenceBackward, SequenceForward, SequenceKernels } from "./sequence.ts";

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** One unit of one step: a row of sums becomes one of activations; the previous h and c become the next. */
type Forward = (slots: number[], h: number, c: number) => { h: number; c: number };
/** A row of activations becomes gradients of the sums; those of h and c become what reaches the previous ones other than through the sums. */
type Backward = (slots: number[], dh: number, dc: number, before: { h: number; c: number }, c: number) => { dh: number; dc: number };

/** Whole recurrences in plain loops: the definition. */
export function reference(views: Views): SequenceKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  return {
    // Packed is in the reference: the bias, then the weight, as they lie.
    packForward(weight, bias, packed, blocks, slots, H) {
      const reals = views.real();
      if (bias === 0) reals.fill(0, at(packed), at(packed) + slots * H);
      else reals.copyWithin(at(packed), at(bias), at(bias) + slots * H);
      if (weight !== 0) reals.copyWithin(at(packed) + slots * H, at(weight), at(weight) + blocks * H * H);
    },
    packBackward(weight, packed, rows, H) {
      views.real().copyWithin(at(packed), at(weight), at(weight) + rows * H);
    },
    lstmForward: forward(views, lstmShape, (slots, _h, c) => {
      const [i, f, g, o] = [sigmoid(slots[0]), sigmoid(slots[1]), Math.tanh(slots[2]), sigmoid(slots[3])];
      Object.assign(slots, [i, f, g, o]);
      const cell = f * c + i * g;
      return { h: o * Math.tanh(cell), c: cell };
    }),
    lstmBackward: backward(views, lstmShape, (slots, dh, dc, before, c) => {
      const [i, f, g, o] = slots;
      const squashed = Math.tanh(c);
      const dcell = dc + dh * o * (1 - squashed * squashed);
      Object.assign(slots, [dcell * g * i * (1 - i), dcell * before.c * f * (1 - f), dcell * i * (1 - g * g), dh * squashed * o * (1 - o)]);
      return { dh: 0, dc: dcell * f };
    }),
    gruForward: forward(views, gruShape, (slots, h) => {
      const [r, z] = [sigmoid(slots[0]), sigmoid(slots[1])];
      const n = Math.tanh(slots[2] + r * slots[3]);
      Object.assign(slots, [r, z, n]);
      return { h: (1 - z) * n + z * h, c: 0 };
    }),
    gruBackward: backward(views, gruShape, (slots, dh, _dc, before) => {
      const [r, z, n, hidden] = slots;
      const dn = dh * (1 - z) * (1 - n * n);
      Object.assign(slots, [dn * hidden * r * (1 - r), dh * (before.h - n) * z * (1 - z), dn, dn * r]);
      return { dh: dh * z, dc: 0 };
    }),
    tanhForward: forward(views, plainShape, (slots) => ({ h: (slots[0] = Math.tanh(slots[0])), c: 0 })),
    tanhBackward: backward(views, plainShape, (slots, dh) => {
      slots[0] = dh * (1 - slots[0] * slots[0]);
      return { dh: 0, dc: 0 };
    }),
    // Not Math.max: a NaN stays one there too, but 0 must win over −0.
    reluForward: forward(views, plainShape, (slots) => ({ h: (slots[0] = slots[0] <= 0 ? 0 : slots[0]), c: 0 })),
    reluBackward: backward(views, plainShape, (slots, dh) => {
      slots[0] = slots[0] > 0 ? dh : 0;
      return { dh: 0, dc: 0 };
    }),
  };
}

function forward(views: Views, { slots, inputSlots, hidden, hasCell }: CellShape, cell: Forward): SequenceForward {
  const at = (pointer: number) => pointer >>> views.shift;
  return (
    gates,
    gatesStride,
    cells,
    packed,
    product,
    h0,
    c0,
    output,
    outputStride,
    hLast,
    cLast,
    offsets,
    index,
    L,
    H,
    keep,
    from,
    to,
    scratch,
  ) => {
    const reals = views.real();
    const ints = views.i32();
    const weight = at(packed) + slots * H;
    const [states, next, cellsNow] = [0, 1, 2].map((each) => at(scratch) + each * (to - from) * H);
    const sums = Array<number>(slots);
    for (let b = from; b < to; b++) {
      const [h, hNext, c] = [states, next, cellsNow].map((each) => each + (b - from) * H);
      for (let j = 0; j < H; j++) {
        reals[h + j] = h0 === 0 ? 0 : reals[at(h0) + b * H + j];
        if (hasCell) reals[c + j] = c0 === 0 ? 0 : reals[at(c0) + b * H + j];
      }
      for (let s = 0; s < L && b < ints[(offsets >>> 2) + s + 1] - ints[(offsets >>> 2) + s]; s++) {
        const n = ints[(offsets >>> 2) + s] + b;
        for (let j = 0; j < H; j++) {
          for (let slot = 0; slot < slots; slot++) {
            sums[slot] = reals[at(packed) + slot * H + j];
            if (slot < inputSlots || product === 0) sums[slot] += reals[at(gates) + n * gatesStride + slot * H + j];
          }
          if (product !== 0) {
            hidden.forEach((slot, block) => {
              for (let k = 0; k < H; k++) sums[slot] += reals[h + k] * reals[weight + (block * H + j) * H + k];
            });
          }
          const after = cell(sums, reals[h + j], hasCell ? reals[c + j] : 0);
          reals[hNext + j] = after.h;
          if (hasCell) reals[c + j] = after.c;
          if (keep === 0) continue;
          for (let slot = 0; slot < slots; slot++) reals[at(gates) + n * gatesStride + slot * H + j] = sums[slot];
          if (hasCell) reals[at(cells) + n * H + j] = after.c;
        }
        reals.copyWithin(h, hNext, hNext + H);
        reals.copyWithin(at(output) + ints[(index >>> 2) + n] * outputStride, h, h + H);
      }
      reals.copyWithin(at(hLast) + b * H, h, h + H);
      if (hasCell) reals.copyWithin(at(cLast) + b * H, c, c + H);
    }
  };
}

function backward(views: Views, shape: CellShape, cell: Backward): SequenceBackward {
  const { slots, hasCell, carries } = shape;
  const at = (pointer: number) => pointer >>> views.shift;
  return (
    dgates,
    gates,
    gatesStride,
    cells,
    c0,
    hBefore,
    packed,
    dy,
    dyStride,
    dhLast,
    dcLast,
    dh0,
    dc0,
    offsets,
    index,
    L,
    H,
    from,
    to,
    scratch,
  ) => {
    const reals = views.real();
    const ints = views.i32();
    const [dh, dc] = [at(scratch), at(scratch) + H];
    for (let b = from; b < to; b++) {
      for (let j = 0; j < H; j++) {
        reals[dh + j] = dhLast === 0 ? 0 : reals[at(dhLast) + b * H + j];
        if (hasCell) reals[dc + j] = dcLast === 0 ? 0 : reals[at(dcLast) + b * H + j];
      }
      for (let s = L - 1; s >= 0; s--) {
        const first = ints[(offsets >>> 2) + s];
        if (b >= ints[(offsets >>> 2) + s + 1] - first) continue;
        const n = first + b;
        const row = n * gatesStride;
        const previous = s === 0 ? -1 : ints[(offsets >>> 2) + s - 1] + b;
        for (let j = 0; j < H; j++) {
          const values = Array.from({ length: slots }, (_, slot) => reals[at(gates) + row + slot * H + j]);
          if (dy !== 0) reals[dh + j] += reals[at(dy) + ints[(index >>> 2) + n] * dyStride + j];
          const firstCell = c0 === 0 ? 0 : reals[at(c0) + b * H + j];
          const before = {
            h: carries ? reals[at(hBefore) + n * H + j] : 0,
            c: !hasCell ? 0 : previous < 0 ? firstCell : reals[at(cells) + previous * H + j],
          };
          const left = cell(values, reals[dh + j], hasCell ? reals[dc + j] : 0, before, hasCell ? reals[at(cells) + n * H + j] : 0);
          reals[dh + j] = left.dh;
          if (hasCell) reals[dc + j] = left.dc;
          values.forEach((value, slot) => (reals[at(dgates) + row + slot * H + j] = value));
        }
        if (packed === 0) continue;
        for (const { from: block, slot, count } of hiddenPieces(shape)) {
          for (let k = 0; k < count * H; k++) {
            for (let j = 0; j < H; j++)
              reals[dh + j] += reals[at(dgates) + row + slot * H + k] * reals[at(packed) + block * H * padded(H) + k * H + j];
          }
        }
      }
      if (dh0 !== 0) reals.copyWithin(at(dh0) + b * H, dh, dh + H);
      if (dc0 !== 0) reals.copyWithin(at(dc0) + b * H, dc, dc + H);
    }
  };
}
