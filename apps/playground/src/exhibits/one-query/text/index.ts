import { translated } from "../../../language.ts";
import { en } from "./en.ts";
import { zh } from "./zh.ts";

export const useText = (): typeof en => translated<typeof en>({ en, zh });
