export * from "./building-blocks/index.ts";
export { mapRow, sumRow, type Update } from "./building-blocks/row.ts";
