/**
 * Imports a rival from this folder, where `bench peers` installs them.
 * @param {string} name
 * @returns {Promise<unknown>}
 */
export const importRival = (name) => import(name);
