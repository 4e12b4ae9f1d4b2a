import type { Runs } from "../../experiment.ts";
import { bestRun } from "../../runner/best-run.ts";
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
};
export default runs;
