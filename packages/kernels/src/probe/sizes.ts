/** Independent chains: two pipes of four cycles need 8; 12 with two constants and a product just fit into 15 registers. */
export const CHAINS = 12;

/** The largest tile of any build. */
export const TILE_ROWS = 6;
export const TILE_COLUMNS = 16;
