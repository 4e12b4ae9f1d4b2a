export * from "./building-blocks/index.ts";
export { mapRow, sumRow, type Update } from "./building-blocks/row.ts";
export { tileColumns } from "./matmul/blocking.ts";
export { definePack, type Pack } from "./matmul/pack.ts";
export { defineTile, tileRows, type Tile } from "./matmul/tile.ts";
