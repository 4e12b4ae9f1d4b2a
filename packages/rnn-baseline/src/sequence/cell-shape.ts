/** How the numbers of one step of a recurrence lie: `slots` blocks of H in a row of gates. */
export interface CellShape {
  readonly slots: number;
  /** The input projection fills the first of them. */
  readonly inputSlots: number;
  /** The slot to which each block of H rows of the hidden weight is added. */
  readonly hidden: readonly number[];
  readonly hasCell: boolean;
  /** The previous h is read by the step itself, not only by the hidden product. */
  readonly carries: boolean;
}

/** Slots i, f, g, o. */
export const lstmShape: CellShape = { slots: 4, inputSlots: 4, hidden: [0, 1, 2, 3], hasCell: true, carries: false };
/** Slots r, z, n, and apart from n what the hidden state gives to it: r acts on that alone. */
export const gruShape: CellShape = { slots: 4, inputSlots: 3, hidden: [0, 1, 3], hasCell: false, carries: true };
/** One slot: tanh or relu of the sum. */
export const plainShape: CellShape = { slots: 1, inputSlots: 1, hidden: [0], hasCell: false, carries: false };

/** Blocks of the hidden weight from `from` on, `count` of them, that act on slots from `slot` on, all neighbours. */
export interface HiddenPiece {
  readonly from: number;
  readonly slot: number;
  readonly count: number;
}

/** The hidden weight in as few pieces as its slots allow. */
export function hiddenPieces({ hidden }: CellShape): HiddenPiece[] {
  const pieces: { from: number; slot: number; count: number }[] = [];
  hidden.forEach((slot, from) => {
    const last = pieces.at(-1);
    if (last !== undefined && last.slot + last.count === slot) last.count += 1;
    else pieces.push({ from, slot, count: 1 });
  });
  return pieces;
}
