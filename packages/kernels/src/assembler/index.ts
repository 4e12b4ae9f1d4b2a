export type { Build } from "../configure.ts";
export { AssemblerError } from "./assembler-error.ts";
export { Expression } from "./expression.ts";
export type { F32, F64, I32, I64, Operand, V128, ValueType } from "./expression.ts";
export { FunctionBuilder, Local } from "./function-builder.ts";
export type { Arguments, FunctionHandle, Label, Locals, Parameters, Signature } from "./function-builder.ts";
export { f32, f32x4, f64, f64x2, i16x8, i32, i32x4, i64, i64x2, i8x16, select, v128 } from "./instructions.ts";
export { ModuleBuilder } from "./module-builder.ts";
export { withSharedMemory } from "./with-shared-memory.ts";
