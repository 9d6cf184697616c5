/** The numbered faults. A number is never given to another fault: new ones come at the end. */
import { databaseFaults } from "./DatabaseFaults.ts";
import type { Fault } from "./Fault.ts";
import { folderFaults, laterFaults, otherFaults } from "./FolderFaults.ts";
import { spoolFaults } from "./SpoolFaults.ts";
import { compressedFaults, streamFaults } from "./StreamFaults.ts";

export interface Numbered extends Fault {
  readonly number: number;
}

export const catalogue: ReadonlyArray<Numbered> = [
  ...streamFaults,
  ...folderFaults,
  ...databaseFaults,
  ...spoolFaults,
  ...otherFaults,
  ...compressedFaults,
  ...laterFaults,
].map((fault, index) => ({ ...fault, number: index + 1 }));
