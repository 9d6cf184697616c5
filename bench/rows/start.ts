/** What a start costs: commands, and the import of the library. */
import { starts } from "../Started.ts";

export const rows = starts;
