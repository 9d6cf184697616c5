/**
 * All read models, in the order in which their rows are written.
 *
 * Room: projections. In: one file per read model. Out: main, query, tests.
 */
import type { Projection } from "../src/projection/Projection.ts";
import { ledger } from "./ledger.ts";
import { messages } from "./messages.ts";

export const readModels: ReadonlyArray<Projection> = [ledger, messages];
