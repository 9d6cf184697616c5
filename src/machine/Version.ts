/**
 * The version of this program, as package.json has it.
 *
 * Room: machine.
 */
import { createRequire } from "node:module";

const manifest: unknown = createRequire(import.meta.url)("recollect/package.json");

export const version: string =
  typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "0.0.0";
