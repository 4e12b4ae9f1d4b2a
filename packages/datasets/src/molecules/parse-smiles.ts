import { FormatError, tensor, type Tensor } from "@heed/tensor";
import { Molecule } from "openchemlib";
import { requireSmiles } from "./require-smiles.ts";

/** A molecule as a graph: heavy atoms are nodes, bonds are edges in both directions. */
export interface MoleculeGraph {
  readonly atomCount: number;
  /** Symbols: "C", "Cl". */
  readonly elements: readonly string[];
  /** int32 `[2, 2 · bonds]`: each bond, then each bond the other way round. */
  readonly edgeIndex: Tensor;
  /** float32 `[atomCount, atomFeatureNames.length]`, zeros and ones. */
  readonly atomFeatures: Tensor;
  /** float32 `[2 · bonds, bondFeatureNames.length]`, in the order of the edges, zeros and ones. */
  readonly bondFeatures: Tensor;
  /** Where to draw each atom, `[x, y]`, a bond being about 1 long, y downwards. With `layout` only. */
  readonly positions?: readonly (readonly [x: number, y: number])[];
}

const elementNames = ["B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I"] as const;
const orders = ["single", "double", "triple"] as const;

/** What the columns of `atomFeatures` say. */
export const atomFeatureNames: readonly string[] = [
  "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I", "other element",
  "0 neighbours", "1 neighbour", "2 neighbours", "3 neighbours", "4 neighbours", "5 neighbours or more",
  "charge −1", "charge 0", "charge +1", "other charge",
  "0 hydrogens", "1 hydrogen", "2 hydrogens", "3 hydrogens", "4 hydrogens or more",
  "0 π electrons", "1 π electron", "2 π electrons or more",
  "aromatic", "in a ring",
]; // prettier-ignore

/** What the columns of `bondFeatures` say. */
export const bondFeatureNames: readonly string[] = ["single", "double", "triple", "aromatic", "other order", "delocalised", "in a ring"];

/**
 * A molecule from a line of SMILES. Hydrogens are counted, not drawn; salts and mixtures ("[Na+].[Cl-]") are one graph of several parts. Stereo
 * marks are read over.
 * @param options.layout finds places to draw the atoms at. Default false: it takes longer than all the rest
 * @throws {FormatError} that quotes the text, for what is no SMILES: an unknown element, a ring or bracket that stays open, a wildcard, no atom, more
 * than 10,000 characters.
 *
 * Time O(characters) to read, and what OpenChemLib takes to find rings.
 * @see Weininger 1988, "SMILES, a Chemical Language and Information System"; http://opensmiles.org
 */
export function parseSmiles(text: string, { layout = false }: { readonly layout?: boolean } = {}): MoleculeGraph {
  const smiles = requireSmiles(text);
  const molecule = parsed(smiles);
  molecule.ensureHelperArrays(Molecule.cHelperRings);
  const [atoms, bonds] = [molecule.getAllAtoms(), molecule.getAllBonds()];
  const elements = Array.from({ length: atoms }, (_, i) => molecule.getAtomLabel(i));

  const wide = atomFeatureNames.length;
  const ofAtoms = new Float32Array(atoms * wide);
  for (let i = 0; i < atoms; i++) {
    const charge = molecule.getAtomCharge(i);
    const element = elementNames.indexOf(elements[i] as (typeof elementNames)[number]);
    const row = ofAtoms.subarray(i * wide, (i + 1) * wide);
    let at = 0;
    const oneOf = (count: number, place: number) => {
      row[at + Math.min(place, count - 1)] = 1;
      at += count;
    };
    oneOf(12, element < 0 ? 11 : element);
    oneOf(6, molecule.getConnAtoms(i));
    oneOf(4, Math.abs(charge) > 1 ? 3 : charge + 1);
    oneOf(5, molecule.getAllHydrogens(i));
    oneOf(3, molecule.getAtomPi(i));
    row[at] = Number(molecule.isAromaticAtom(i));
    row[at + 1] = Number(molecule.isRingAtom(i));
  }

  const narrow = bondFeatureNames.length;
  const edges = new Int32Array(4 * bonds);
  const ofBonds = new Float32Array(2 * bonds * narrow);
  for (let e = 0; e < bonds; e++) {
    const [from, to] = [molecule.getBondAtom(0, e), molecule.getBondAtom(1, e)];
    edges[e] = edges[3 * bonds + e] = from;
    edges[bonds + e] = edges[2 * bonds + e] = to;
    const order = molecule.getBondOrder(e);
    const kind = molecule.isAromaticBond(e) ? 3 : order >= 1 && order <= orders.length ? order - 1 : 4;
    for (const row of [e, bonds + e]) {
      ofBonds[row * narrow + kind] = 1;
      ofBonds[row * narrow + 5] = Number(molecule.isDelocalizedBond(e));
      ofBonds[row * narrow + 6] = Number(molecule.isRingBond(e));
    }
  }
  return {
    atomCount: atoms,
    elements,
    edgeIndex: tensor(edges, { shape: [2, 2 * bonds] }),
    atomFeatures: tensor(ofAtoms, { shape: [atoms, wide] }),
    bondFeatures: tensor(ofBonds, { shape: [2 * bonds, narrow] }),
    ...(layout ? { positions: placed(molecule) } : {}),
  };
}

function parsed(smiles: string): Molecule {
  let molecule: Molecule;
  try {
    molecule = Molecule.fromSmiles(smiles, { noCoordinates: true, noStereo: true });
  } catch (error) {
    throw new FormatError("parseSmiles", "the text is SMILES", { text: smiles, reason: String((error as Error).message) });
  }
  return molecule;
}

/** Places in units of the middle length of a bond. */
function placed(molecule: Molecule): (readonly [number, number])[] {
  molecule.inventCoordinates();
  const unit = molecule.getAllBonds() > 0 ? molecule.getAverageBondLength(true) : 1;
  return Array.from({ length: molecule.getAllAtoms() }, (_, i) => [molecule.getAtomX(i) / unit, molecule.getAtomY(i) / unit]);
}
