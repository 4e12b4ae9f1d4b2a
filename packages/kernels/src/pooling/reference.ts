import type { Views } from "../memory/views.ts";
import type { PoolingKernels } from "./pooling.ts";

/** Pooling in plain loops: the definition. */
export function reference(views: Views): PoolingKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  return {
    maxPool(x, out, argmax, planes, H, W, kh, kw, strideH, strideW, padTop, padLeft, outH, outW) {
      const reals = views.real();
      const indices = views.i32();
      const rows = slidingWindows(H, kh, strideH, padTop, outH);
      const columns = slidingWindows(W, kw, strideW, padLeft, outW);
      for (let plane = 0; plane < planes; plane++) {
        each(rows, columns, (row, column, entry) => {
          let best = -Infinity;
          let where = -1;
          for (let h = row.start; h < row.end; h++) {
            for (let w = column.start; w < column.end; w++) {
              const value = reals[at(x) + (plane * H + h) * W + w];
              if (where < 0 || value > best || (Number.isNaN(value) && !Number.isNaN(best))) {
                best = value;
                where = h * W + w;
              }
            }
          }
          reals[at(out) + plane * outH * outW + entry] = best;
          indices[(argmax >>> 2) + plane * outH * outW + entry] = where;
        });
      }
    },
    maxPoolGrad(g, argmax, dx, planes, size, outSize) {
      const reals = views.real();
      const indices = views.i32();
      reals.fill(0, at(dx), at(dx) + planes * size);
      for (let plane = 0; plane < planes; plane++) {
        for (let p = plane * outSize; p < (plane + 1) * outSize; p++) {
          const where = indices[(argmax >>> 2) + p];
          if (where >= 0) reals[at(dx) + plane * size + where] += reals[at(g) + p];
        }
      }
    },
    avgPool(x, out, planes, H, W, kh, kw, strideH, strideW, padTop, padLeft, outH, outW, countIncludePad) {
      const divisor = countIncludePad ? kh * kw : 0;
      mean(x, out, planes, H, W, slidingWindows(H, kh, strideH, padTop, outH), slidingWindows(W, kw, strideW, padLeft, outW), divisor);
    },
    avgPoolGrad(g, dx, planes, H, W, kh, kw, strideH, strideW, padTop, padLeft, outH, outW, countIncludePad) {
      const divisor = countIncludePad ? kh * kw : 0;
      meanGrad(g, dx, planes, H, W, slidingWindows(H, kh, strideH, padTop, outH), slidingWindows(W, kw, strideW, padLeft, outW), divisor);
    },
    adaptiveAvgPool(x, out, planes, H, W, outH, outW) {
      mean(x, out, planes, H, W, bins(H, outH), bins(W, outW), 0);
    },
    adaptiveAvgPoolGrad(g, dx, planes, H, W, outH, outW) {
      meanGrad(g, dx, planes, H, W, bins(H, outH), bins(W, outW), 0);
    },
  };

  /** Window sums over a divisor; 0 stands for the number of pixels in the window. */
  function mean(x: number, out: number, planes: number, H: number, W: number, rows: Range[], columns: Range[], divisor: number): void {
    const reals = views.real();
    const outSize = rows.length * columns.length;
    for (let plane = 0; plane < planes; plane++) {
      each(rows, columns, (row, column, entry) => {
        let sum = 0;
        for (let h = row.start; h < row.end; h++) {
          for (let w = column.start; w < column.end; w++) sum += reals[at(x) + (plane * H + h) * W + w];
        }
        reals[at(out) + plane * outSize + entry] = sum / (divisor || size(row) * size(column));
      });
    }
  }

  function meanGrad(g: number, dx: number, planes: number, H: number, W: number, rows: Range[], columns: Range[], divisor: number): void {
    const reals = views.real();
    const outSize = rows.length * columns.length;
    reals.fill(0, at(dx), at(dx) + planes * H * W);
    for (let plane = 0; plane < planes; plane++) {
      each(rows, columns, (row, column, entry) => {
        const share = reals[at(g) + plane * outSize + entry] / (divisor || size(row) * size(column));
        for (let h = row.start; h < row.end; h++) {
          for (let w = column.start; w < column.end; w++) reals[at(dx) + (plane * H + h) * W + w] += share;
        }
      });
    }
  }
}

/** Rows or columns start … end − 1 of a window. */
interface Range {
  start: number;
  end: number;
}

const size = (range: Range) => Math.max(0, range.end - range.start);

/** Windows of k at every stride, cut to 0 … n. */
function slidingWindows(n: number, k: number, stride: number, pad: number, count: number): Range[] {
  return Array.from({ length: count }, (_, i) => ({ start: Math.max(0, i * stride - pad), end: Math.min(n, i * stride - pad + k) }));
}

/** `count` bins that cover 0 … n, sharing a row where n is no multiple. */
function bins(n: number, count: number): Range[] {
  return Array.from({ length: count }, (_, i) => ({ start: Math.floor((i * n) / count), end: Math.ceil(((i + 1) * n) / count) }));
}

function each(rows: Range[], columns: Range[], visit: (row: Range, column: Range, entry: number) => void): void {
  rows.forEach((row, r) => columns.forEach((column, s) => visit(row, column, r * columns.length + s)));
}
