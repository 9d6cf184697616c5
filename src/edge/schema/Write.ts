/**
 * Writes the `schema` folder anew. Run it after a change to an event: `node src/edge/schema/Write.ts`.
 *
 * Room: edge.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { files } from "./Schemas.ts";

const folder = resolve(import.meta.dirname, "../../../schema");
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) if (!files.has(name)) rmSync(join(folder, name));
for (const [name, content] of files) writeFileSync(join(folder, name), content);
