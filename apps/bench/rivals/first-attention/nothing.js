// What any program takes: the operands, and no attention.
import { operands } from "./operands.js";

console.log(operands()[0][1]);
