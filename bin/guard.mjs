/**
 * Sentence of the library on a Node that is too old: its SQLite would end the process with a signal at the first call.
 *
 * Imported before anything else of it, and as old as that Node.
 */
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  throw Object.assign(new Error(`Recollect needs Node 22.19 or newer, this is ${process.versions.node}.`), {
    code: "ERR_RECOLLECT_NODE",
  });
}
