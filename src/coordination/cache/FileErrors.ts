/**
 * Files that cannot be read, by reason.
 *
 * Room: coordination.
 */
import { Schema } from "effect";

/** There is no file of that name. */
export class FileMissing extends Schema.TaggedError<FileMissing>()("FileMissing", {
  path: Schema.String,
  message: Schema.String,
}) {}

/** The file is too large to be read whole. Nothing was read. */
export class FileTooLarge extends Schema.TaggedError<FileTooLarge>()("FileTooLarge", {
  path: Schema.String,
  bytes: Schema.Natural,
  maxBytes: Schema.Natural,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** It cannot be read: no permission, no file (a folder, a pipe, a device), no path, or the disk failed. */
export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  path: Schema.String,
  reason: Schema.Literals(["permission", "notAFile", "path", "other"]),
  message: Schema.String,
  hint: Schema.String,
}) {}
