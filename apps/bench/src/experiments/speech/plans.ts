import type { JsonObject, PlanContext, RunPlan } from "../../experiment.ts";
import type { AttentionSample } from "../../report/outcome.ts";
import type { SpeechShape } from "./models.ts";

export const tasks = ["digit", "speaker"] as const;
export type TaskName = (typeof tasks)[number];

const attending = { body: "attention", layers: 3, kernelSize: 0 } as const;
/** What is compared: attention over all frames or over some before and after, and others of about as many parameters. */
export const models = {
  full: { ...attending, window: null },
  "window-16": { ...attending, window: 16 },
  "window-8": { ...attending, window: 8 },
  "window-4": { ...attending, window: 4 },
  conformer: { body: "conformer", window: null, layers: 2, kernelSize: 15 },
  lstm: { body: "lstm", window: null, layers: 2, kernelSize: 0 },
  convolution: { body: "convolution", window: null, layers: 3, kernelSize: 7 },
} as const satisfies Record<string, Pick<SpeechShape, "body" | "window" | "layers" | "kernelSize">>;
export type ModelName = keyof typeof models;
export const modelNames = Object.keys(models) as readonly ModelName[];

/** Those of one architecture, which differ in how far they see. */
export const windowed = modelNames.filter((name) => models[name].body === "attention");
/** Which speaker it is, all but two sizes of the window are asked. */
const asked: Readonly<Record<TaskName, readonly ModelName[]>> = {
  digit: modelNames,
  speaker: modelNames.filter((name) => name !== "window-16" && name !== "window-4"),
};
const drawn: readonly ModelName[] = ["full", "window-8"];

/** A training. */
export type TrainConfig = JsonObject & {
  readonly kind: "train";
  readonly name: ModelName;
  readonly task: TaskName;
  readonly shape: SpeechShape;
  readonly epochs: number;
  readonly rate: number;
  /** Whether pictures are wanted. */
  readonly draw: boolean;
};

/** How long a training step and a forward pass take. */
export type StepConfig = JsonObject & {
  readonly kind: "step";
  readonly name: ModelName;
  readonly shape: SpeechShape;
  readonly batchSize: number;
  readonly rounds: number;
};

/** How long one long recording takes. */
export type LongConfig = JsonObject & {
  readonly kind: "long";
  readonly shape: SpeechShape;
  readonly frames: number;
  readonly rounds: number;
};

/** What `finish` of a training returns. */
export interface SpeechDetails {
  /** `[true class][predicted class]` on the test part. */
  readonly confusion: readonly (readonly number[])[];
  readonly pictures?: readonly AttentionSample[];
}

export const framesPerMinute = 6000;
export const batchSize = 32;

export const modelsOf = ({ options }: PlanContext["settings"]): readonly ModelName[] =>
  (options.models ?? modelNames) as readonly ModelName[];

export function trainings({ settings, profile, seeds }: PlanContext): readonly RunPlan[] {
  return seeds.flatMap((seed) =>
    tasks.flatMap((task) =>
      modelsOf(settings)
        .filter((name) => asked[task].includes(name))
        .map((name) => {
          const config: TrainConfig = {
            kind: "train",
            name,
            task,
            shape: shapeOf(name, profile, task === "digit" ? 10 : 6),
            epochs: profile[task] as number,
            rate: 2e-3,
            draw: task === "digit" && seed === seeds[0] && drawn.includes(name),
          };
          return { id: `${task}-${name}-seed-${seed}`, model: name, seed, cost: profile[task] as number, config };
        }),
    ),
  );
}

export function measurements({ settings, profile, seeds }: PlanContext): readonly RunPlan[] {
  const seed = seeds[0]!;
  const rounds = profile.rounds as number;
  const chosenModels = modelsOf(settings);
  const steps = chosenModels.map((name): RunPlan => {
    const config: StepConfig = { kind: "step", name, shape: shapeOf(name, profile, 10), batchSize, rounds };
    return { id: `step-${name}`, model: name, seed, config };
  });
  const long = (profile.minutes as readonly number[]).flatMap((minutes) =>
    chosenModels
      .filter((name) => windowed.includes(name))
      .map((name): RunPlan => {
        const frames = minutes * framesPerMinute;
        // Ten minutes of full attention take more than one.
        const passes = name === "full" ? Math.max(1, Math.floor(10 / Math.max(2.5, minutes))) : 4;
        const config: LongConfig = { kind: "long", shape: shapeOf(name, profile, 10), frames, rounds: Math.min(rounds, passes) };
        return { id: `long-${name}-${frames}`, model: name, seed, cost: name === "full" ? minutes ** 2 : minutes / 10, config };
      }),
  );
  return [...steps, ...long];
}

function shapeOf(name: ModelName, { width, bands }: PlanContext["profile"], classes: number): SpeechShape {
  const wide = width as number;
  return { ...models[name], bands: bands as number, width: wide, heads: 4, hidden: 2 * wide, classes, dropoutP: 0.1 };
}
