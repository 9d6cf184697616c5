/**
 * The interpreters, one per foreign format, by the format's name.
 *
 * Room: domain. In: one file per format. Out: Interpret.
 */
import type { Interpreter } from "./Interpreter.ts";

export const interpreters: ReadonlyMap<string, Interpreter> = new Map<string, Interpreter>([]);
