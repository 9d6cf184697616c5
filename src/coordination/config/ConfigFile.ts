/**
 * The file and the environment that a configuration stands on: `config.json` of the data folder, and `RECOLLECT_…`.
 *
 * Room: coordination.
 *
 * The file is one flat JSON object, fields by name; both are read once, when a process begins.
 */
import { Effect, FileSystem, Layer } from "effect";
import { isObject } from "../../domain/Json.ts";
import * as DataFolder from "../../machine/DataFolder.ts";
import * as Connect from "../../publish/Connect.ts";
import { belowOf } from "./ConfigLayers.ts";
import * as Configuration from "./Configuration.ts";
import { ConfigRefused } from "./ConfigFields.ts";

export const fileName = "config.json";

/** As large as all values together may be, twice over; another file lies there by mistake. */
const maxFileBytes = 1024 * 1024;

const refused = (path: string, why: string) =>
  new ConfigRefused({
    field: path,
    layer: "file",
    message: `${path} cannot be read as a configuration: ${why}.`,
    hint: 'It is one JSON object, for example {"snapshots.ttlMillis": 86400000}. Correct it or move it away.',
  });

/** The file's values; none when there is no file. */
const read = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem;
  const isThere = yield* fs.exists(path).pipe(Effect.orElseSucceed(() => true));
  if (!isThere) return {};
  const { size } = yield* Effect.mapError(fs.stat(path), ({ message }) => refused(path, message));
  if (size > maxFileBytes)
    return yield* refused(path, `it has ${size} bytes, and at most ${maxFileBytes} are possible`);
  const text = yield* Effect.mapError(fs.readFileString(path), ({ message }) => refused(path, message));
  const value = yield* Effect.try({
    try: () => JSON.parse(text) as unknown,
    catch: (error) => refused(path, error instanceof Error ? error.message : String(error)),
  });
  return isObject(value) ? value : yield* refused(path, "it is not an object");
});

export interface Options extends Omit<Configuration.Options, "file" | "environment"> {
  /** The data folder. */
  readonly folder: string;
}

/** Values of file and environment, without the log. */
export const below = (folder: string) =>
  Effect.flatMap(read(`${folder}/${fileName}`), (file) =>
    Effect.fromResult(belowOf({ file, environment: process.env })),
  );

/** The configuration of a process on this machine. Needs the log that its runtime layer lies in. */
export const layer = ({ folder, ...options }: Options) =>
  Layer.unwrap(
    Effect.map(read(`${folder}/${fileName}`), (file) =>
      Configuration.layer({ ...options, file, environment: process.env }),
    ),
  );

/** The same in the data folder that `Connect` means, over the log that it gives. */
export const layerOf = ({ scope, tenant, who, ...options }: Connect.Options & Omit<Options, "folder">) =>
  Layer.unwrap(Effect.map(DataFolder.DataFolder, ({ root }) => layer({ folder: root, scope, tenant, who }))).pipe(
    Layer.provide(Connect.folderLayer(options)),
  );
