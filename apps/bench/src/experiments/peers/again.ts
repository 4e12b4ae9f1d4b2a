/** Works that were measured beside a neighbour are measured once more when all are done, since neighbours come and go within minutes. */
import type { RunPlan, RunResult, Stage } from "../../experiment.ts";
import type { TaskSamples } from "./samples.ts";

/** The most that `--again` takes. */
export const mostAgain = 20;

/** Of a work's first measurement. */
const firstId = (id: string): string => id.replace(/-again-\d+$/, "");
const samplesOf = ({ details }: RunResult): TaskSamples | undefined => details as unknown as TaskSamples | undefined;
const disturbed = (result: RunResult): number => samplesOf(result)?.quietness?.disturbed ?? 0;

/** So small a part of the samples moves no median far: a work with more disturbed ones is measured again. */
const small = 1 / 8;
const isDisturbed = (result: RunResult): boolean => {
  const { quiet = 0, disturbed: count = 0 } = samplesOf(result)?.quietness ?? {};
  return count > small * (quiet + count);
};

/** Of all measurements of a work the one with the fewest disturbed samples, of equals the first; whatever came out. In the order of the plan. */
export function quietest(results: readonly RunResult[]): RunResult[] {
  const chosen = new Map<string, RunResult>();
  for (const result of results) {
    if (result.details === undefined) continue;
    const key = firstId(result.id);
    const before = chosen.get(key);
    if (before === undefined || disturbed(result) < disturbed(before)) chosen.set(key, result);
  }
  return [...chosen.values()];
}

/** The works whose quietest measurement has more than a few disturbed samples, for the `turn`th time. */
export function plansAgain(results: readonly RunResult[], turn: number): RunPlan[] {
  return quietest(results)
    .filter(isDisturbed)
    .map(({ id, model, seed, config, cost }) => ({
      id: `${firstId(id)}-again-${turn}`,
      model,
      seed,
      config,
      ...(cost !== undefined && { cost }),
    }));
}

export const stagesAgain: readonly Stage[] = Array.from({ length: mostAgain }, (_, index) => ({
  name: `again-${index + 1}`,
  title: "once more what was disturbed",
  plan: ({ results, settings, profile }) =>
    index < ((settings.options.again ?? profile.again) as number) ? plansAgain(results, index + 1) : [],
}));

export function parseAgain(text: string): number {
  const times = Number(text);
  if (!/^\d+$/.test(text) || times > mostAgain) throw new Error(`must be a whole number from 0 to ${mostAgain}`);
  return times;
}

/** For the report; empty where everything was quiet the first time. */
export function againInWords(results: readonly RunResult[]): string {
  const chosen = quietest(results);
  const more = new Set(results.filter(({ id }) => firstId(id) !== id).map(({ id }) => firstId(id))).size;
  const left = chosen.filter((result) => disturbed(result) > 0);
  const sentences = [
    ...(more === 0
      ? []
      : [
          `${more} of ${chosen.length} works were measured more than once, since samples were disturbed; of each the measurement with the fewest disturbed samples counts, whatever it found.`,
        ]),
    ...(left.length === 0
      ? []
      : [
          `Disturbed samples are left in ${left
            .map((result) => {
              const { quiet, disturbed: count } = samplesOf(result)!.quietness!;
              return `${String(result.config.task)} on ${String(result.config.threads)} (${count} of ${quiet + count})`;
            })
            .join(", ")}.`,
        ]),
  ];
  return sentences.map((sentence) => ` ${sentence}`).join("");
}
