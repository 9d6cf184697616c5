/**
 * Files that tools read and write, as the arguments of their calls name them.
 *
 * Room: projections.
 */

/** Tools that write a file, by their names in the formats that we know. */
export const writers: ReadonlyArray<string> = [
  "Write",
  "Edit",
  "MultiEdit",
  "NotebookEdit",
  "write",
  "edit",
  "write_file",
  "edit_file",
  "create_file",
  "replace",
  "str_replace",
  "str_replace_editor",
  "str_replace_based_edit_tool",
  "write_to_file",
  "replace_in_file",
  "apply_diff",
  "fs_write",
];
export const readers: ReadonlyArray<string> = [
  "Read",
  "NotebookRead",
  "read",
  "read_file",
  "view",
  "view_file",
  "fs_read",
  "cat",
];

const ofFiles = new Set([...writers, ...readers]);
const names = ["file_path", "path", "filePath", "notebook_path", "absolute_path", "target_file", "filename"] as const;

/** Path that a call names; undefined for other tools, and where it names none. */
export const pathOf = (tool: string, json: string): string | undefined => {
  if (!ofFiles.has(tool)) return undefined;
  try {
    const given = Object(JSON.parse(json)) as Readonly<Record<string, unknown>>;
    for (const name of names) if (typeof given[name] === "string") return given[name];
  } catch {
    // Arguments that are no JSON name no file.
  }
  return undefined;
};
