import { i32, ModuleBuilder, v128, f32, f32x4, type Build, type FunctionBuilder, type Local } from "@heed/kernels/assembler";
import { Constants, definePack, defineTile, tileColumns, tileRows, type Pack } from "@heed/kernels/building-blocks";
import { gru, lstm, reluCell, tanhCell, type CellCode } from "./cell-code.ts";
import { hiddenPieces, type CellShape } from "./cell-shape.ts";
import { PASS_ROWS, STEPS, UNITS } from "./layout.ts";

// A step takes its units in blocks of 16, over some sequences at a time (a pass). Forward, the sums of a block go into a small
// buffer, `[rows, slots, 16]`: the input projections and the bias first, then on top the products with the block's panels of the
// hidden weight, 8 columns each; the cell makes activations and the next h and c of them while all that is in the first cache.
// Backward, the cell makes gradients of the sums, block by block, and then the panels of the whole weight go over them. What panels
// go over is turned before, so that a tile finds its rows side by side: one pointer for all. Strides are in bytes inside.

type Int = Local<"i32">;

const BLOCK = 4 * UNITS;
const VECTORS = UNITS / 4;

/** The WebAssembly of whole recurrences. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const columns = tileColumns(build);
  const shared: Shared = {
    columns,
    product: defineProduct(m),
    turn: defineTurn(m),
    copyRow: defineRow(m, "copyRow", (to, from) => ({ vector: v128.load(from), scalar: f32.load(from), to })),
    addRow: defineRow(m, "addRow", (to, from) => ({
      vector: f32x4.add(v128.load(to), v128.load(from)),
      scalar: f32.add(f32.load(to), f32.load(from)),
      to,
    })),
    begin: defineBegin(m),
    move: defineMove(m),
  };
  const pack = definePack(m, columns);
  definePackForward(m, columns, pack);
  definePackBackward(m, columns, pack);
  for (const [name, cell] of Object.entries({ lstm, gru, tanh: tanhCell, relu: reluCell })) {
    defineForward(m, name, cell, shared);
    defineBackward(m, name, cell, shared);
  }
  return m.toBytes();
}

interface Shared {
  /** Of a panel. */
  readonly columns: 8 | 16;
  readonly product: ReturnType<typeof defineProduct>;
  readonly turn: ReturnType<typeof defineTurn>;
  readonly copyRow: ReturnType<typeof defineRow>;
  readonly addRow: ReturnType<typeof defineRow>;
  readonly begin: ReturnType<typeof defineBegin>;
  readonly move: ReturnType<typeof defineMove>;
}

/**
 * `rows` rows of A, turned (`defineTurn`), times one panel, added to C if `load`. The last two tiles share their rows: a low one would not
 * fill the pipes.
 */
function defineProduct(m: ModuleBuilder) {
  const tallest = tileRows(m.build);
  const tiles = Array.from({ length: tallest }, (_, index) => defineTile(m, index + 1, tileColumns(m.build), { pitch: 4 }));
  const panelRow = 4 * tileColumns(m.build);
  const params = { rows: "i32", steps: "i32", a: "i32", b: "i32", c: "i32", rowC: "i32", load: "i32" } as const;
  return m.internal("product", { params }, (f, { rows, steps, a, b, c, rowC, load }) => {
    const count = f.local("i32");
    const stepA = f.let(i32.shl(rows, 2));
    f.doWhile(i32.gtS(rows, 0), () => {
      count.set(i32.minS(rows, tallest));
      f.if(i32.and(i32.gtS(rows, tallest), i32.ltS(rows, 2 * tallest - 2)), () => count.set(i32.shrU(i32.add(rows, 1), 1)));
      const start = f.let(i32.mul(c, load));
      f.block((done) => {
        for (let index = tallest - 1; index >= 0; index--) {
          f.if(i32.eq(count, index + 1), () => {
            f.call(tiles[index], { steps, a, rowA: 4, stepA, b, stepB: panelRow, c, rowC, start, rowStart: rowC });
            f.branch(done);
          });
        }
      });
      f.increment(a, i32.shl(count, 2));
      f.increment(c, i32.mul(count, rowC));
      f.increment(rows, i32.sub(0, count));
    });
  });
}

/** `to[column, row] = from[row, column]`, `columns` ≥ 1 of `rows`, without gaps between them: as tiles read rows best. */
function defineTurn(m: ModuleBuilder) {
  const params = { rows: "i32", columns: "i32", from: "i32", rowFrom: "i32", to: "i32" } as const;
  return m.internal("turn", { params }, (f, { rows, columns, from, rowFrom, to }) => {
    const step = f.let(i32.shl(rows, 2));
    const [target, count] = f.locals("i32", 2);
    const eachColumn = (sources: readonly Int[], four: (() => void) | undefined) => {
      target.set(to);
      count.set(columns);
      const advance = (columnsDone: number) => {
        for (const source of sources) f.increment(source, 4 * columnsDone);
        f.increment(target, i32.mul(step, columnsDone));
      };
      const one = () => {
        sources.forEach((source, row) => f.store(target, f32.load(source), 4 * row));
        advance(1);
      };
      if (four === undefined) f.doWhile(count, () => (one(), f.increment(count, -1)));
      else f.vectorLoop(count, () => (four(), advance(4)), one);
    };
    const fours = f.let(i32.and(rows, -4));
    f.forRange(0, fours, 4, () => {
      const sources = [f.let(from)];
      for (let row = 1; row < 4; row++) sources.push(f.let(i32.add(sources[row - 1], rowFrom)));
      eachColumn(sources, () => {
        const [a, b, c, d] = sources.map((source) => f.let(v128.load(source)));
        const pairs = [0, 2].map((lane) => [
          f.let(f32x4.shuffle(a, b, [lane, 4 + lane, lane + 1, 5 + lane])),
          f.let(f32x4.shuffle(c, d, [lane, 4 + lane, lane + 1, 5 + lane])),
        ]);
        const at = f.let(target);
        for (const [left, right] of pairs)
          for (const half of [0, 2]) {
            f.store(at, f32x4.shuffle(left, right, [half, half + 1, 4 + half, 5 + half]));
            f.increment(at, step);
          }
      });
      f.increment(from, i32.shl(rowFrom, 2));
      f.increment(to, 16);
    });
    f.forRange(fours, rows, 1, () => {
      eachColumn([f.let(from)], undefined);
      f.increment(from, rowFrom);
      f.increment(to, 4);
    });
  });
}

/** Equal parts, at most `most` each: 513 are 257 and 256, not 512 and 1. `total` ≥ 1. */
function evenly(f: FunctionBuilder, total: Int, most: number): Int {
  const parts = f.let(i32.divU(i32.add(total, most - 1), most));
  return f.let(i32.divU(i32.sub(i32.add(total, parts), 1), parts));
}

/** `visit(start, size)` for equal parts of `total`, at most `most` each. */
function eachPart(f: FunctionBuilder, total: Int, most: number, visit: (start: Int, size: Int) => void): void {
  const part = evenly(f, total, most);
  const size = f.local("i32");
  f.forRange(0, total, part, (start) => {
    size.set(i32.sub(total, start));
    size.set(i32.minS(size, part));
    visit(start, size);
  });
}

/** A loop over the n floats of two rows. */
function defineRow(
  m: ModuleBuilder,
  name: string,
  body: (to: Int, from: Int) => { vector: ReturnType<typeof v128.load>; scalar: ReturnType<typeof f32.load>; to: Int },
) {
  return m.internal(name, { params: { to: "i32", from: "i32", n: "i32" } }, (f, { to, from, n }) => {
    const advance = (bytes: number) => [to, from].forEach((pointer) => f.increment(pointer, bytes));
    f.vectorLoop(
      n,
      () => {
        f.store(to, body(to, from).vector);
        advance(16);
      },
      () => {
        f.store(to, body(to, from).scalar);
        advance(4);
      },
    );
  });
}

/** Fills the buffer of a block: the bias of every slot, and of the first `inputs` slots their projections. */
function defineBegin(m: ModuleBuilder) {
  const params = {
    rows: "i32",
    slots: "i32",
    inputs: "i32",
    units: "i32",
    gates: "i32",
    gatesStride: "i32",
    slotBytes: "i32",
    bias: "i32",
    buffer: "i32",
  } as const;
  return m.internal("begin", { params }, (f, { rows, slots, inputs, units, gates, gatesStride, slotBytes, bias, buffer }) => {
    const [from, shift] = f.locals("i32", 2);
    const whole = f.let(i32.geS(units, UNITS));
    f.forRange(0, rows, 1, () => {
      from.set(gates);
      shift.set(bias);
      f.forRange(0, slots, 1, (slot) => {
        for (let offset = 0; offset < BLOCK; offset += 16) f.store(buffer, v128.load(shift, offset), offset);
        f.if(i32.ltS(slot, inputs), () =>
          f.if(
            whole,
            () => {
              for (let offset = 0; offset < BLOCK; offset += 16)
                f.store(buffer, f32x4.add(v128.load(shift, offset), v128.load(from, offset)), offset);
            },
            () =>
              f.forRange(0, units, 1, (unit) => {
                const to = f.let(i32.add(buffer, i32.shl(unit, 2)));
                f.store(to, f32.add(f32.load(to), f32.load(i32.add(from, i32.shl(unit, 2)))));
              }),
          ),
        );
        f.increment(from, slotBytes);
        f.increment(shift, BLOCK);
        f.increment(buffer, BLOCK);
      });
      f.increment(gates, gatesStride);
    });
  });
}

/** Copies the units of a block, `slots` blocks of each row. */
function defineMove(m: ModuleBuilder) {
  const params = {
    rows: "i32",
    slots: "i32",
    units: "i32",
    from: "i32",
    rowFrom: "i32",
    slotFrom: "i32",
    to: "i32",
    rowTo: "i32",
    slotTo: "i32",
  } as const;
  return m.internal("move", { params }, (f, { rows, slots, units, from, rowFrom, slotFrom, to, rowTo, slotTo }) => {
    const [source, target] = f.locals("i32", 2);
    const whole = f.let(i32.geS(units, UNITS));
    f.forRange(0, rows, 1, () => {
      source.set(from);
      target.set(to);
      f.forRange(0, slots, 1, () => {
        f.if(
          whole,
          () => {
            for (let offset = 0; offset < BLOCK; offset += 16) f.store(target, v128.load(source, offset), offset);
          },
          () => f.forRange(0, i32.shl(units, 2), 4, (unit) => f.store(i32.add(target, unit), f32.load(i32.add(source, unit)))),
        );
        f.increment(source, slotFrom);
        f.increment(target, slotTo);
      });
      f.increment(from, rowFrom);
      f.increment(to, rowTo);
    });
  });
}

/** For each block of 16 units: the bias of every slot, then for each block of the weight its panels. All biases come first. */
function definePackForward(m: ModuleBuilder, columns: 8 | 16, pack: Pack): void {
  const params = { weight: "i32", bias: "i32", packed: "i32", blocks: "i32", slots: "i32", H: "i32" } as const;
  m.func("packForward", { params }, (f, { weight, bias, packed, blocks, slots, H }) => {
    const slotBytes = f.let(i32.shl(H, 2));
    const [units, lines, from] = f.locals("i32", 3);
    f.forRange(0, H, UNITS, (unit) => {
      units.set(i32.sub(H, unit));
      units.set(i32.minS(units, UNITS));
      f.forRange(0, slots, 1, (slot) => {
        f.memoryFill(packed, 0, BLOCK);
        f.if(bias, () => f.memoryCopy(packed, i32.add(bias, i32.shl(i32.add(i32.mul(slot, H), unit), 2)), i32.shl(units, 2)));
        f.increment(packed, BLOCK);
      });
    });
    f.if(weight, () =>
      f.forRange(0, H, UNITS, (unit) =>
        f.forRange(0, blocks, 1, (block) =>
          f.forRange(unit, i32.add(unit, UNITS), columns, (first) => {
            lines.set(i32.sub(H, first));
            lines.set(i32.minS(lines, columns));
            from.set(i32.add(weight, i32.mul(i32.add(i32.mul(block, H), first), slotBytes)));
            f.if(i32.gtS(lines, 0), () =>
              f.call(pack, { lines, from: 0, steps: H, source: from, lineStride: slotBytes, stepStride: 4, packed }),
            );
            f.increment(packed, i32.mul(H, 4 * columns));
          }),
        ),
      ),
    );
  });
}

/** Parts of at most 512 rows; of each the panels, side by side. */
function definePackBackward(m: ModuleBuilder, columns: 8 | 16, pack: Pack): void {
  m.func("packBackward", { params: { weight: "i32", packed: "i32", rows: "i32", H: "i32" } }, (f, { weight, packed, rows, H }) => {
    f.if(i32.leS(H, 0), () => f.return());
    const slotBytes = f.let(i32.shl(H, 2));
    const panels = f.let(i32.mul(i32.divU(i32.add(H, columns - 1), columns), 4 * columns));
    eachPart(f, rows, STEPS, (_, steps) => {
      f.call(pack, { lines: H, from: 0, steps, source: weight, lineStride: 4, stepStride: slotBytes, packed });
      f.increment(weight, i32.mul(steps, slotBytes));
      f.increment(packed, i32.mul(steps, panels));
    });
  });
}

/** Sequences of step s in [from, to), counted from `from`; none behind the last step. */
function running(f: FunctionBuilder, offsets: Int, s: ReturnType<typeof i32.add> | Int, from: Int, to: Int, count: Int): void {
  const at = f.let(i32.add(offsets, i32.shl(s, 2)));
  count.set(i32.sub(i32.load(at, 4), i32.load(at)));
  count.set(i32.minS(count, to));
  count.set(i32.sub(count, from));
  count.set(i32.maxS(count, 0));
}

function defineForward(m: ModuleBuilder, name: string, cell: CellCode, shared: Shared): void {
  const { shape } = cell;
  const apply = defineApplyForward(m, name, cell);
  const finish = defineFinish(m, name, shape, shared);
  const params = {
    gates: "i32",
    gatesStride: "i32",
    cells: "i32",
    packed: "i32",
    product: "i32",
    h0: "i32",
    c0: "i32",
    output: "i32",
    outputStride: "i32",
    hLast: "i32",
    cLast: "i32",
    offsets: "i32",
    index: "i32",
    L: "i32",
    H: "i32",
    keep: "i32",
    from: "i32",
    to: "i32",
    scratch: "i32",
  } as const;
  m.func(`${name}Forward`, { params }, (f, p) => {
    const {
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
      from,
      to,
      scratch,
    } = p;
    const { slots, inputSlots, hidden, hasCell } = shape;
    f.if(i32.leS(H, 0), () => f.return());
    for (const stride of [gatesStride, outputStride]) stride.set(i32.shl(stride, 2));
    const width = f.let(i32.shl(H, 2));
    const row = f.let(i32.shl(i32.and(i32.add(H, UNITS - 1), -UNITS), 2));
    const buffer = scratch;
    const [h, next, c, swap] = f.locals("i32", 4);
    h.set(i32.add(scratch, PASS_ROWS * slots * BLOCK));
    const stateBytes = f.let(i32.mul(i32.sub(to, from), row));
    next.set(i32.add(h, stateBytes));
    c.set(i32.add(next, stateBytes));
    f.memoryFill(h, 0, i32.mul(stateBytes, 3));
    const turned = f.let(i32.add(c, stateBytes));
    const begin = (states: Int, given: Int) =>
      f.if(given, () => {
        const to0 = f.let(states);
        f.forRange(from, to, 1, (b) => {
          f.call(shared.copyRow, { to: to0, from: i32.add(given, i32.mul(b, width)), n: H });
          f.increment(to0, row);
        });
      });
    begin(h, h0);
    if (hasCell) begin(c, c0);

    const [active, following, rows, units, n] = f.locals("i32", 5);
    const [gatesRow, cellsRow, hRow, nextRow, cRow, bias, panel, at, multiply] = f.locals("i32", 9);
    const inputs = f.let(select3(product, inputSlots, slots));
    const end = (states: Int) => f.call(finish, { first: following, last: active, from, h: states, c, row, hLast, cLast, H });
    const steps = evenly(f, H, STEPS);
    const [step, firstOfPass] = f.locals("i32", 2);

    running(f, offsets, f.let(i32.const(0)), from, to, following);
    active.set(i32.sub(to, from));
    end(h);
    f.forRange(0, L, 1, (s) => {
      active.set(following);
      running(f, offsets, i32.add(s, 1), from, to, following);
      n.set(i32.add(i32.load(i32.add(offsets, i32.shl(s, 2))), from));
      multiply.set(i32.and(i32.ne(product, 0), i32.or(i32.gtS(s, 0), i32.ne(h0, 0))));
      f.if(i32.gtS(active, 0), () => {
        eachPart(f, active, PASS_ROWS, (first, count) => {
          firstOfPass.set(first);
          rows.set(count);
          gatesRow.set(i32.add(gates, i32.mul(i32.add(n, firstOfPass), gatesStride)));
          if (hasCell) cellsRow.set(i32.add(cells, i32.mul(i32.add(n, firstOfPass), width)));
          const skipped = f.let(i32.mul(firstOfPass, row));
          hRow.set(i32.add(h, skipped));
          nextRow.set(i32.add(next, skipped));
          cRow.set(i32.add(c, skipped));
          bias.set(packed);
          panel.set(i32.add(packed, i32.mul(row, slots)));
          f.if(multiply, () => f.call(shared.turn, { rows, columns: H, from: hRow, rowFrom: row, to: turned }));
          f.forRange(0, H, UNITS, (unit) => {
            units.set(i32.sub(H, unit));
            units.set(i32.minS(units, UNITS));
            f.call(shared.begin, { rows, slots, inputs, units, gates: gatesRow, gatesStride, slotBytes: width, bias, buffer });
            f.if(multiply, () => {
              for (const slot of hidden) {
                for (let column = 0; column < UNITS; column += shared.columns) {
                  f.if(i32.gtS(units, column), () => {
                    at.set(i32.add(buffer, slot * BLOCK + 4 * column));
                    f.forRange(0, H, steps, (k) => {
                      step.set(i32.sub(H, k));
                      step.set(i32.minS(step, steps));
                      f.call(shared.product, {
                        rows,
                        steps: step,
                        a: i32.add(turned, i32.mul(k, i32.shl(rows, 2))),
                        b: i32.add(panel, i32.mul(k, 4 * shared.columns)),
                        c: at,
                        rowC: slots * BLOCK,
                        load: 1,
                      });
                    });
                  });
                  f.increment(panel, i32.mul(H, 4 * shared.columns));
                }
              }
            });
            f.call(apply, { rows, buffer, h: hRow, next: nextRow, c: cRow, row });
            f.if(p.keep, () => {
              f.call(shared.move, {
                rows,
                slots,
                units,
                from: buffer,
                rowFrom: slots * BLOCK,
                slotFrom: BLOCK,
                to: gatesRow,
                rowTo: gatesStride,
                slotTo: width,
              });
              if (hasCell)
                f.call(shared.move, {
                  rows,
                  slots: 1,
                  units,
                  from: cRow,
                  rowFrom: row,
                  slotFrom: 0,
                  to: cellsRow,
                  rowTo: width,
                  slotTo: 0,
                });
            });
            for (const pointer of [gatesRow, cellsRow, hRow, nextRow, cRow]) f.increment(pointer, BLOCK);
            f.increment(bias, slots * BLOCK);
          });
        });
        nextRow.set(next);
        at.set(i32.add(index, i32.shl(n, 2)));
        f.forRange(0, active, 1, () => {
          f.call(shared.copyRow, { to: i32.add(output, i32.mul(i32.load(at), outputStride)), from: nextRow, n: H });
          f.increment(nextRow, row);
          f.increment(at, 4);
        });
        end(next);
        swap.set(h);
        h.set(next);
        next.set(swap);
      });
    });
  });
}

/** `product` ? `ifSo` : `otherwise`, as an expression over a local. */
function select3(product: Int, ifSo: number, otherwise: number) {
  return i32.add(otherwise, i32.mul(i32.ne(product, 0), ifSo - otherwise));
}

/** Copies the states of the sequences [first, last), which have had their last step, to where they are wanted. */
function defineFinish(m: ModuleBuilder, name: string, { hasCell }: CellShape, { copyRow }: Shared) {
  const params = { first: "i32", last: "i32", from: "i32", h: "i32", c: "i32", row: "i32", hLast: "i32", cLast: "i32", H: "i32" } as const;
  return m.internal(`${name}Finish`, { params }, (f, { first, last, from, h, c, row, hLast, cLast, H }) => {
    f.forRange(first, last, 1, (b) => {
      const place = f.let(i32.shl(i32.mul(i32.add(from, b), H), 2));
      f.call(copyRow, { to: i32.add(hLast, place), from: i32.add(h, i32.mul(b, row)), n: H });
      if (hasCell) f.call(copyRow, { to: i32.add(cLast, place), from: i32.add(c, i32.mul(b, row)), n: H });
    });
  });
}

/** The cell over a block: the buffer's sums become activations, h and c those of this step. Rows of states are `row` apart. */
function defineApplyForward(m: ModuleBuilder, name: string, { shape, forward }: CellCode) {
  const params = { rows: "i32", buffer: "i32", h: "i32", next: "i32", c: "i32", row: "i32" } as const;
  return m.internal(`${name}ApplyForward`, { params }, (f, { rows, buffer, h, next, c, row }) => {
    const code = forward(new Constants(f));
    const sums = f.locals("v128", shape.slots);
    const [before, cell] = f.locals("v128", 2);
    const rest = f.let(i32.sub(row, BLOCK));
    f.forRange(0, rows, 1, () => {
      f.forRange(0, VECTORS, 1, () => {
        sums.forEach((sum, slot) => sum.set(v128.load(buffer, slot * BLOCK)));
        if (shape.carries) before.set(v128.load(h));
        if (shape.hasCell) cell.set(v128.load(c));
        const after = code(sums, before, cell);
        after.slots.forEach((value, slot) => f.store(buffer, value, slot * BLOCK));
        if (after.c !== undefined) f.store(c, after.c);
        f.store(next, after.h);
        for (const pointer of [buffer, h, next, c]) f.increment(pointer, 16);
      });
      f.increment(buffer, (shape.slots - 1) * BLOCK);
      for (const pointer of [h, next, c]) f.increment(pointer, rest);
    });
  });
}

function defineBackward(m: ModuleBuilder, name: string, cell: CellCode, shared: Shared): void {
  const { shape } = cell;
  const { slots, hasCell, carries } = shape;
  const extras = hasCell ? 2 : carries ? 1 : 0;
  const bufferRow = (slots + extras) * BLOCK;
  const apply = defineApplyBackward(m, name, cell, extras);
  const params = {
    dgates: "i32",
    gates: "i32",
    gatesStride: "i32",
    cells: "i32",
    c0: "i32",
    hBefore: "i32",
    packed: "i32",
    dy: "i32",
    dyStride: "i32",
    dhLast: "i32",
    dcLast: "i32",
    dh0: "i32",
    dc0: "i32",
    offsets: "i32",
    index: "i32",
    L: "i32",
    H: "i32",
    from: "i32",
    to: "i32",
    scratch: "i32",
  } as const;
  m.func(`${name}Backward`, { params }, (f, p) => {
    const { dgates, gates, gatesStride, cells, c0, hBefore, packed, dy, dyStride, dh0, dc0, offsets, index, L, H, from, to, scratch } = p;
    f.if(i32.leS(H, 0), () => f.return());
    for (const stride of [gatesStride, dyStride]) stride.set(i32.shl(stride, 2));
    const width = f.let(i32.shl(H, 2));
    const row = f.let(i32.shl(i32.and(i32.add(H, UNITS - 1), -UNITS), 2));
    const panels = f.let(i32.mul(i32.divU(i32.add(H, shared.columns - 1), shared.columns), 4 * shared.columns));
    const buffer = scratch;
    const dh = f.let(i32.add(scratch, PASS_ROWS * bufferRow));
    const stateBytes = f.let(i32.mul(i32.sub(to, from), row));
    const dc = f.let(i32.add(dh, stateBytes));
    f.memoryFill(dh, 0, i32.mul(stateBytes, 2));
    const turned = f.let(i32.add(dc, stateBytes));
    /** Between states, padded, and `[B, H]`. */
    const exchange = (states: Int, outside: Int, isIn: boolean) =>
      f.if(outside, () => {
        const inside = f.let(states);
        f.forRange(from, to, 1, (b) => {
          const place = f.let(i32.add(outside, i32.mul(b, width)));
          f.call(shared.copyRow, isIn ? { to: inside, from: place, n: H } : { to: place, from: inside, n: H });
          f.increment(inside, row);
        });
      });
    exchange(dh, p.dhLast, true);
    if (hasCell) exchange(dc, p.dcLast, true);

    const [active, n, s, rows, units, at] = f.locals("i32", 6);
    const [gatesRow, dgatesRow, cellsRow, beforeRow, dhRow, dcRow, panel] = f.locals("i32", 7);
    s.set(i32.sub(L, 1));
    f.block((done) => {
      f.branchIf(done, i32.ltS(s, 0));
      f.doWhile(i32.geS(s, 0), () => {
        running(f, offsets, s, from, to, active);
        f.if(i32.gtS(active, 0), () => {
          n.set(i32.add(i32.load(i32.add(offsets, i32.shl(s, 2))), from));
          f.if(dy, () => {
            at.set(i32.add(index, i32.shl(n, 2)));
            dhRow.set(dh);
            f.forRange(0, active, 1, () => {
              f.call(shared.addRow, { to: dhRow, from: i32.add(dy, i32.mul(i32.load(at), dyStride)), n: H });
              f.increment(at, 4);
              f.increment(dhRow, row);
            });
          });
          eachPart(f, active, PASS_ROWS, (first, count) => {
            rows.set(count);
            const rowOfPass = f.let(i32.add(n, first));
            gatesRow.set(i32.add(gates, i32.mul(rowOfPass, gatesStride)));
            dgatesRow.set(i32.add(dgates, i32.mul(rowOfPass, gatesStride)));
            const skipped = f.let(i32.mul(first, row));
            dhRow.set(i32.add(dh, skipped));
            dcRow.set(i32.add(dc, skipped));
            if (hasCell) {
              cellsRow.set(i32.add(cells, i32.mul(rowOfPass, width)));
              // The cell before: of the step before, which has at least as many sequences, or the given one.
              beforeRow.set(i32.add(i32.mul(i32.add(from, first), width), c0));
              f.if(i32.gtS(s, 0), () => {
                const previous = i32.load(i32.add(offsets, i32.shl(i32.sub(s, 1), 2)));
                beforeRow.set(i32.add(cells, i32.mul(i32.add(i32.add(previous, from), first), width)));
              });
            }
            if (carries) beforeRow.set(i32.add(hBefore, i32.mul(rowOfPass, width)));
            const [firstRow, firstDh] = [f.let(dgatesRow), f.let(dhRow)];
            f.forRange(0, H, UNITS, (unit) => {
              units.set(i32.sub(H, unit));
              units.set(i32.minS(units, UNITS));
              const take = (from0: Int, rowFrom: Int, slot: number, count0: number) =>
                f.call(shared.move, {
                  rows,
                  slots: count0,
                  units,
                  from: from0,
                  rowFrom,
                  slotFrom: width,
                  to: i32.add(buffer, slot * BLOCK),
                  rowTo: bufferRow,
                  slotTo: BLOCK,
                });
              take(gatesRow, gatesStride, 0, slots);
              if (carries) take(beforeRow, width, slots, 1);
              if (hasCell) {
                take(cellsRow, width, slots, 1);
                f.if(
                  i32.or(i32.gtS(s, 0), i32.ne(c0, 0)),
                  () => take(beforeRow, width, slots + 1, 1),
                  () => {
                    at.set(i32.add(buffer, (slots + 1) * BLOCK));
                    f.forRange(0, rows, 1, () => {
                      f.memoryFill(at, 0, BLOCK);
                      f.increment(at, bufferRow);
                    });
                  },
                );
              }
              f.call(apply, { rows, buffer, dh: dhRow, dc: dcRow, row });
              f.call(shared.move, {
                rows,
                slots,
                units,
                from: buffer,
                rowFrom: bufferRow,
                slotFrom: BLOCK,
                to: dgatesRow,
                rowTo: gatesStride,
                slotTo: width,
              });
              for (const pointer of [gatesRow, dgatesRow, cellsRow, beforeRow, dhRow, dcRow]) f.increment(pointer, BLOCK);
            });
            // Nobody asks for the gradient of an initial state that was left out.
            f.if(i32.and(i32.ne(packed, 0), i32.or(i32.gtS(s, 0), i32.ne(dh0, 0))), () => {
              hiddenPieces(shape).forEach(({ from: block, slot, count: blocks }, piece) => {
                panel.set(i32.add(packed, i32.mul(i32.mul(H, block), row)));
                const terms = f.let(i32.mul(H, blocks));
                const source = f.let(i32.add(firstRow, i32.mul(width, slot)));
                eachPart(f, terms, STEPS, (k, steps) => {
                  const load = carries || piece > 0 ? i32.const(1) : i32.gtS(k, 0);
                  const add = f.let(load);
                  at.set(firstDh);
                  f.call(shared.turn, { rows, columns: steps, from: i32.add(source, i32.shl(k, 2)), rowFrom: gatesStride, to: turned });
                  f.forRange(0, panels, 4 * shared.columns, () => {
                    f.call(shared.product, {
                      rows,
                      steps,
                      a: turned,
                      b: panel,
                      c: at,
                      rowC: row,
                      load: add,
                    });
                    f.increment(panel, i32.mul(steps, 4 * shared.columns));
                    f.increment(at, 4 * shared.columns);
                  });
                });
              });
            });
          });
        });
        f.increment(s, -1);
      });
    });
    exchange(dh, dh0, false);
    if (hasCell) exchange(dc, dc0, false);
  });
}

/** The cell's gradient over a block: the buffer's activations become gradients of the sums, dh and dc those of the states before. */
function defineApplyBackward(m: ModuleBuilder, name: string, { shape, backward }: CellCode, extras: number) {
  const params = { rows: "i32", buffer: "i32", dh: "i32", dc: "i32", row: "i32" } as const;
  return m.internal(`${name}ApplyBackward`, { params }, (f, { rows, buffer, dh, dc, row }) => {
    const code = backward(new Constants(f));
    const slots = f.locals("v128", shape.slots);
    const others = f.locals("v128", extras);
    const [slope, cellSlope] = f.locals("v128", 2);
    const rest = f.let(i32.sub(row, BLOCK));
    f.forRange(0, rows, 1, () => {
      f.forRange(0, VECTORS, 1, () => {
        slots.forEach((value, slot) => value.set(v128.load(buffer, slot * BLOCK)));
        others.forEach((value, extra) => value.set(v128.load(buffer, (shape.slots + extra) * BLOCK)));
        slope.set(v128.load(dh));
        if (shape.hasCell) cellSlope.set(v128.load(dc));
        const left = code(slots, others, slope, cellSlope);
        left.slots.forEach((value, slot) => f.store(buffer, value, slot * BLOCK));
        if (left.dh !== undefined) f.store(dh, left.dh);
        if (left.dc !== undefined) f.store(dc, left.dc);
        for (const pointer of [buffer, dh, dc]) f.increment(pointer, 16);
      });
      f.increment(buffer, (shape.slots + extras - 1) * BLOCK);
      for (const pointer of [dh, dc]) f.increment(pointer, rest);
    });
  });
}
