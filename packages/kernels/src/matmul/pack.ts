import { f32x4, i32, v128 } from "../assembler/index.ts";
import type { FunctionHandle, Local, ModuleBuilder } from "../assembler/index.ts";

/** Panels side by side that are packed at once, so that whole cache lines are read: 48 floats of 6, 32 of 4, 8 and 16. */
const panelsAtOnce = (height: number): number => (height === 16 ? 2 : height === 8 ? 4 : 8);

const PACK = { lines: "i32", from: "i32", steps: "i32", source: "i32", lineStride: "i32", stepStride: "i32", packed: "i32" } as const;
export type Pack = FunctionHandle<typeof PACK, undefined>;

export interface PackOptions {
  /** `stepStride` is always 4: the elements of a line are neighbours. */
  readonly contiguous?: boolean;
}

/**
 * Packs lines (rows of A, columns of B) into panels of `height` lines, in the order in which tiles read them: step after step, the
 * elements of all lines. The last panel is filled up with its last line again. Strides are in bytes.
 *
 * @param height a multiple of 2
 * @param options what need not be catered for makes the function smaller
 * Parameters of the function: `lines` from `from` on are packed, over `steps` steps, from `source` (where line 0 begins) to `packed`.
 */
export function definePack(m: ModuleBuilder, height: number, { contiguous = false }: PackOptions = {}): Pack {
  const name = `pack${height}${contiguous ? "rows" : ""}`;
  return m.internal(name, { params: PACK }, (f, { lines, from, steps, source, lineStride, stepStride, packed }) => {
    const wholeSteps = f.let(i32.and(steps, -4));
    const left = f.let(i32.sub(lines, from), "left");
    const line = f.let(i32.add(source, i32.mul(from, lineStride)), "line");
    const pointers = f.locals("i32", height, "pointer");
    const element = f.local("v128");

    const stepByStep = (count: Local<"i32"> | ReturnType<typeof i32.sub>): void => {
      f.forRange(0, count, 1, () => {
        for (const [index, pointer] of pointers.entries()) {
          element.set(v128.load32Zero(pointer));
          f.increment(pointer, stepStride);
          f.store32Lane(packed, element, 0, 4 * index);
        }
        f.increment(packed, 4 * height);
      });
    };

    const copyNeighbours = (): void => {
      // Neighbouring lines are neighbours in memory: copy. Several panels at once use whole cache lines of the source.
      const panelBytes = f.let(i32.mul(steps, 4 * height));
      const atOnce = panelsAtOnce(height);
      const outputs = f.locals("i32", atOnce);
      const copyPanels = (count: number): void => {
        pointers[0].set(line);
        outputs[0].set(packed);
        for (let panel = 1; panel < count; panel++) outputs[panel].set(i32.add(outputs[panel - 1], panelBytes));
        f.forRange(0, steps, 1, () => {
          for (let panel = 0; panel < count; panel++) {
            for (let index = 0; index < height; index += 4) {
              const offset = 4 * (panel * height + index);
              if (index + 4 <= height) f.store(outputs[panel], v128.load(pointers[0], offset), 4 * index);
              else f.store64Lane(outputs[panel], v128.load64Zero(pointers[0], offset), 0, 4 * index);
            }
            f.increment(outputs[panel], 4 * height);
          }
          f.increment(pointers[0], stepStride);
        });
        f.increment(packed, i32.mul(panelBytes, count));
        f.increment(line, 4 * height * count);
        f.increment(left, -height * count);
      };
      for (const count of [atOnce, 1]) {
        const areEnough = () => i32.geS(left, height * count);
        f.if(areEnough(), () => f.doWhile(areEnough(), () => copyPanels(count)));
      }
    };
    if (!contiguous) f.if(i32.eq(lineStride, 4), copyNeighbours);

    const packPanel = (): void => {
      const fourByFour = (): void => {
        f.forRange(0, wholeSteps, 4, () => {
          transposeFour(pointers);
          f.increment(packed, 16 * height);
        });
        stepByStep(i32.sub(steps, wholeSteps));
      };
      if (contiguous) fourByFour();
      else f.if(i32.eq(stepStride, 4), fourByFour, () => stepByStep(steps));
    };
    f.if(i32.gtS(left, 0), () =>
      f.doWhile(i32.gtS(left, 0), () => {
        pointers[0].set(line);
        for (let index = 1; index < height; index++) {
          // Beyond the last line it is the last again.
          pointers[index].set(i32.add(pointers[index - 1], i32.mul(lineStride, i32.gtS(left, index))));
        }
        packPanel();
        f.increment(line, i32.mul(lineStride, height));
        f.increment(left, -height);
      }),
    );

    /** Four steps of every line, a vector each, become four groups of `height`. */
    function transposeFour(inputs: readonly Local<"i32">[]): void {
      // Lines are paired first: [a0 b0 a1 b1] and [a2 b2 a3 b3]. A group is then a row of such halves of pairs.
      const halves: [vector: Local<"v128">, half: 0 | 1][][] = [[], [], [], []];
      for (let index = 0; index < height; index += 2) {
        const a = f.let(v128.load(inputs[index]));
        const b = f.let(v128.load(inputs[index + 1]));
        f.increment(inputs[index], 16);
        f.increment(inputs[index + 1], 16);
        const low = f.let(f32x4.shuffle(a, b, [0, 4, 1, 5]));
        const high = f.let(f32x4.shuffle(a, b, [2, 6, 3, 7]));
        halves[0].push([low, 0]);
        halves[1].push([low, 1]);
        halves[2].push([high, 0]);
        halves[3].push([high, 1]);
      }
      const sequence = halves.flat();
      for (let index = 0; index < sequence.length; index += 2) {
        const [[a, halfA], [b, halfB]] = [sequence[index], sequence[index + 1]];
        f.store(packed, f32x4.shuffle(a, b, [2 * halfA, 2 * halfA + 1, 4 + 2 * halfB, 5 + 2 * halfB]), 8 * index);
      }
    }
  });
}
