/** By whom commands of a test are made, under the built-in policy of what may be stored. */
import { builtIn } from "../../src/publish/storing/StoragePolicy.ts";
import type { Writing } from "../../src/publish/write/NewEvent.ts";

const { now } = builtIn();

export const writing = (source: string): Writing => ({ source, policy: now() });
