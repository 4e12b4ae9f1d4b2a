import type { Option, PlanContext, RunPlan } from "../experiment.ts";
import { someOf } from "./some-of.ts";

/**
 * What experiments share that train each of their models from each seed: the option `--models`, what it chose, and the plan, by which only the first
 * seed draws.
 * @param costs how long each model takes, compared with the others
 */
export function modelsBySeed<Name extends string>(costs: Readonly<Record<Name, number>>) {
  const names = Object.keys(costs) as Name[];
  const chosen = ({ settings }: PlanContext): readonly Name[] => (settings.options.models ?? names) as readonly Name[];
  const option: Option = {
    flags: "--models <names>",
    description: `some of ${names.join(", ")}, separated by commas`,
    parse: someOf(names),
  };
  const plan = (context: PlanContext): RunPlan[] => {
    const { seeds, profile } = context;
    return seeds.flatMap((seed) =>
      chosen(context).map((model) => ({
        id: `${model}-seed-${seed}`,
        model,
        seed,
        cost: costs[model],
        config: { model, epochs: profile.epochs!, draw: seed === seeds[0] },
      })),
    );
  };
  return { names, chosen, option, plan };
}
