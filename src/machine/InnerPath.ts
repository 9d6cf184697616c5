/**
 * Names of files in a file that another may have written: a copied data folder, a backup. They stay inside.
 *
 * Room: machine.
 */
import { Schema } from "effect";

/** Relative, and never up: joined to a folder it names something in it. */
const inner = /^(?!.*(?:^|[/\\])\.\.(?:[/\\]|$))(?![/\\])(?![A-Za-z]:)[^\0]*$/s;
/** One name, without a folder. */
const single = /^(?!\.\.?$)[^/\\\0]+$/;

export const InnerPath = Schema.String.check(Schema.isPattern(inner));
export const InnerName = Schema.String.check(Schema.isPattern(single));
