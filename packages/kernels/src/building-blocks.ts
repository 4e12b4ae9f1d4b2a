export * from "./building-blocks/index.ts";
export { mapRow, sumRow, type Update } from "./building-blocks/row.ts";
export { tileColumns } from "./matmul/blocking.ts";
export { definePack, type Pack, type PackOptions } from "./matmul/pack.ts";
export { defineTile, defineTiles, tileRows, type Tile, type Tiles } from "./matmul/tile.ts";
