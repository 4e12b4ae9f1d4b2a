import { describePairs, real } from "../../test/pairs.ts";
import { pow } from "./pow.ts";

describePairs(pow, [real("pow", (a, b) => (a === 1 ? 1 : a ** b))]);
