import { int32View, type Family, type RunParallel } from "@heed/kernels/light";
import { compute, isRecording, rowMajor, transpose, type OutputSpec, type Shape, type Tensor } from "@heed/tensor/light";
import { JOB, writeOperand } from "../streaming/job.ts";
import { forwardScratchBytes } from "../streaming/plan.ts";
import type { StreamingKernels } from "../streaming/compiled.ts";
import { pieces, planOf, type Plan } from "./call-plan.ts";
import { isPoisoned, makeJob, put, putBiases, putPass, savedRows, type Body } from "./job-fields.ts";
import type { Lowered } from "./lower.ts";
import { addresses, fixedTables, operandsOf, present, rowsFirst, slotsOf, type Slots } from "./operands.ts";

/** What a gradient needs of a call of the kernel. */
export interface Streamed {
  readonly lowered: Lowered;
  readonly plan: Plan;
  readonly slots: Slots;
  /** Rows that are not finite must be kept from being heard. */
  readonly poisoned: boolean;
  /** `[B, H, L, E]`, or `[B, L, H, E]`: as it lies in memory. */
  readonly out: Tensor;
  readonly outputShape: Shape;
  /** Per row, `savedRows` of the normaliser. */
  readonly saved: readonly Tensor[];
  readonly lse: Tensor | undefined;
}

/**
 * Attention by the streaming kernel.
 * @param how.kernels run where no scoreMod brings its own
 * @param how.run makes their calls, on this thread or on several
 * @param record is told of a call that somebody may differentiate, to record it; without it nothing is kept for a gradient
 * @param counters for tests: two numbers per forward chunk, scores computed and tiles packed
 * @returns output `[B, H, L, E]` (packed: `[1, H, tokens, E]`), laid out in memory as the query is; lse without the last axis
 */
export function stream(
  how: { readonly kernels: Family<StreamingKernels>; readonly run: RunParallel },
  lowered: Lowered,
  wantsLse: boolean,
  record?: (call: Streamed) => void,
  counters?: Float64Array,
): { output: Tensor; lse?: Tensor } {
  const { call } = lowered;
  const kernels = lowered.scoreMod?.forward ?? how.kernels;
  const plan = planOf(lowered);
  const { dtype, sizes, rows } = plan;
  const slots = slotsOf(lowered);
  const operands = operandsOf(lowered, slots);
  const fixed = fixedTables(lowered);
  const records = record !== undefined && isRecording() && slots.some((x) => x?.requiresGrad === true);

  const turned = rowsFirst(call.query);
  const { H, E } = sizes;
  const outputShape = turned ? [rows.B, rows.L, H, E] : [rows.B, H, rows.L, E];
  const rowSpec: OutputSpec = { shape: [rows.B, H, rows.L], dtype };
  const kept = records ? savedRows(call.normaliser) : [];
  const specs = [{ shape: outputShape, dtype }, ...kept.map(() => rowSpec), ...(wantsLse ? [rowSpec] : [])];
  let poisoned = false;
  const [out, ...perRow] = compute("attention", [...present(operands), ...fixed], specs, (reads, [output, ...writes], scratch) => {
    const body: Body = { kernels, lowered, plan, operands, at: addresses(reads, [...operands, ...fixed]), scratch };
    const work = plan.pairs * 2 * (sizes.D + E);
    const looks = !records && (lowered.mask ?? lowered.biases[0]) !== undefined;
    const forward = (): boolean => {
      const counted = counters === undefined ? 0 : put(counters.fill(0), scratch);
      const own = { biases: putBiases(body), pass: putPass(body), lse: wantsLse ? writes.at(-1)! : 0, counters: counted };
      const saved = kept.map((name, i) => ({ [name]: writes[i] }));
      const job = makeJob(body, poisoned, own, { looks: Number(looks && !poisoned) }, ...saved);
      writeOperand(job, "output", output, outputShape, rowMajor(outputShape), turned);
      how.run(kernels, dtype, "forward", pieces(job, plan.forwardChunks, work), {
        work,
        scratch: { argument: 3, bytes: forwardScratchBytes(plan.cut), allocate: scratch },
        lingers: !looks,
      });
      counters?.set(new Float64Array(int32View().buffer, counted, counters.length));
      return looks && int32View()[(job + JOB.at.looks) >>> 2] < 0;
    };
    // Backward reads other rows than forward does, so for a gradient all are looked through. Else the kernel looks at those that it reads, where pairs may be closed.
    poisoned = records && isPoisoned(body);
    if (forward() && (poisoned = isPoisoned(body))) forward();
  });
  const lse = wantsLse ? perRow.at(-1)! : undefined;

  if (records) record({ lowered, plan, slots, poisoned, out, outputShape, saved: perRow.slice(0, kept.length), lse });
  return { output: turned ? transpose(out, 1, 2) : out, ...(lse === undefined ? {} : { lse }) };
}
