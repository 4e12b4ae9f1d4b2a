/** Independent chains: two pipes of four cycles need 8; 12 with two constants and a product just fit into 15 registers. */
export const CHAINS = 12;
