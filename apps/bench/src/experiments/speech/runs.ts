import type { Runs } from "../../experiment.ts";
import { bestRun } from "../../runner/best-run.ts";
import { profileStep } from "../../runner/profile-step.ts";
import { prepareSpeech, type SpeechData } from "./data.ts";
import type { LongConfig, StepConfig, TrainConfig } from "./plans.ts";
import { SpeechLesson } from "./lesson.ts";
import { LongMeasurement, StepMeasurement } from "./measurements.ts";

const runs: Runs<TrainConfig | StepConfig | LongConfig, SpeechData> = {
  prepare: (settings, context) => prepareSpeech(settings, context),
  create: (config, data, context) => {
    if (config.kind === "step") return new StepMeasurement(config, data, context);
    if (config.kind === "long") return new LongMeasurement(config, data, context);
    return bestRun(new SpeechLesson(config, data, context));
  },
  // Of each model the first run of the last stage is asked: that of its step.
  profileStep: (config, data, context) => {
    if (config.kind !== "step") throw new Error(`internal: a run of kind ${config.kind} has no step to look into`);
    return profileStep(config.name, { step: new StepMeasurement(config, data, context).train });
  },
};
export default runs;
