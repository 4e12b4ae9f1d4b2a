export { atomFeatureNames, bondFeatureNames, parseSmiles, type MoleculeGraph } from "./parse-smiles.ts";
