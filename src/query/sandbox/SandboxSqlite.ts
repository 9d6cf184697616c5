/**
 * SQL from an analyst, a page or a model, in a process of its own that can do no harm and is ended at any moment.
 *
 * Room: query.
 *
 * Walls, each on its own: the file is opened read-only; one statement that begins with SELECT, WITH, VALUES or EXPLAIN;
 * SQLite asks the authorizer for each table, column and function; time, rows and memory have limits; the process has no
 * environment, and ends with the scope, with its asker's process, and with its time, whatever SQLite is at.
 */
import { Effect, type Scope, Stream } from "effect";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { existsSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as Generations from "../../projection/rebuild/Generations.ts";
import { StorageTrouble } from "../../projection/ReadModel.ts";
import { openReader } from "../ConnectionSqlite.ts";
import { QueryRefused, QueryStopped, type SqlOptions, type SqlParameters, type SqlResult } from "../Sql.ts";
import { FrameReader, pack, type SandboxFrame, type SandboxRequest } from "./Frames.ts";
import { joinsByName, readSql } from "./SqlText.ts";

const defaultMillis = 600_000;
/** Of SQLite, and as much again of the process that hands its rows on. */
const defaultMemoryBytes = 256 * 1024 * 1024;
/** Limit of temporary files for sorting and grouping, bytes. */
const defaultDiskBytes = 2 * 1024 * 1024 * 1024;
/** Patience beyond its time for a process that should have ended itself, milliseconds. */
const graceMillis = 5_000;
/** A rebuild may remove the file between finding its name and opening it. */
const attempts = 3;

/** The process's program, as it lies beside this file: TypeScript in the repository, JavaScript in the package. */
const program = fileURLToPath(
  new URL(`./SandboxProcessSqlite${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url),
);

const hint = "One SELECT, WITH, VALUES or EXPLAIN statement. SELECT * FROM v_dictionary shows every view and column.";

const refuse = (message: string, because = hint): QueryRefused => new QueryRefused({ message, hint: because });

/** Node before 24.10 has no authorizer. Asked by its number, because Node 22 and 24 announce `node:sqlite` on stderr. */
const hasAuthorizer = (): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > 24 || (major === 24 && minor >= 10);
};

/** Fault of a question, found before it costs a process. */
const faultOf = (text: string, parameters: SqlParameters, options: SqlOptions): QueryRefused | undefined => {
  const read = readSql(text);
  if (!/^(?:select|with|values|explain)$/.test(read.words[0] ?? ""))
    return refuse(
      text.trim() === ""
        ? "The statement is empty."
        : `Only reading is possible here, and this does not begin with SELECT: ${text.trim().slice(0, 60)}`,
    );
  const given = Array.isArray(parameters) ? parameters.length : 0;
  if (read.positional !== given)
    return refuse(`The statement has ${read.positional} parameters (?), and ${given} values were given.`);
  const names = Array.isArray(parameters) ? [] : Object.keys(parameters).map((name) => name.replace(/^[:@$]/, ""));
  const missing = read.named.find((name) => !names.includes(name));
  if (missing !== undefined) return refuse(`The parameter :${missing} has no value.`);
  const strange = names.find((name) => !read.named.includes(name));
  if (strange !== undefined) return refuse(`The statement has no parameter :${strange}.`);
  if (options.personal === "masked" && joinsByName(read))
    return refuse(
      "This role cannot join by USING or NATURAL.",
      "Name the columns: JOIN … ON a.thread_id = b.thread_id.",
    );
  if (hasAuthorizer()) return undefined;
  if (options.personal === "masked")
    return refuse(
      "Columns are masked by SQLite's authorizer, which this Node does not have.",
      "Use Node 24.10 or newer.",
    );
  if (read.words.includes("fts3_tokenizer")) return refuse("fts3_tokenizer reaches into the memory of the process.");
  const pragma = read.words.find((word) => word.startsWith("pragma_"));
  return pragma === undefined ? undefined : refuse("PRAGMA is not possible here.");
};

/** Loaded where they are asked for: with them comes every read model. */
const personal = Effect.map(
  Effect.promise(() => import("./Personal.ts")),
  ({ personalColumns }) => personalColumns,
);

type Process = ChildProcessByStdio<Writable, Readable, Readable>;

/** The variables that SQLite and the clock of days need; nothing else of ours is theirs. */
const environmentOf = (zone: string | undefined): NodeJS.ProcessEnv => {
  const kept = ["TZ", "TMPDIR", "SQLITE_TMPDIR", "TEMP", "SystemRoot"];
  const own = Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
  return { ...own, ...(zone === undefined ? {} : { TZ: zone }), NODE_NO_WARNINGS: "1" };
};

/** Of a group of its own, so that Ctrl-C reaches its asker alone, who then ends it. */
const start = (request: SandboxRequest, zone: string | undefined): Process => {
  const megabytes = Math.max(32, Math.ceil(request.memoryBytes / 1024 / 1024));
  const child = spawn(process.execPath, [`--max-old-space-size=${megabytes}`, program], {
    stdio: ["pipe", "pipe", "pipe"],
    env: environmentOf(zone),
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  // Whatever it has not read when it ends is nothing to fail of.
  child.stdin.on("error", () => {});
  child.stdin.write(pack(request));
  return child;
};

/** One process and the frames that it writes. Plain and mutable: it speaks in events. */
class Asked {
  private readonly reader = new FrameReader();
  private readonly pieces: AsyncIterator<Buffer>;
  private readonly ended: Promise<NodeJS.Signals | number | string>;
  private said = "";
  private readonly child: Process;
  private readonly request: SandboxRequest;

  constructor(request: SandboxRequest, zone: string | undefined) {
    const child = start(request, zone);
    this.child = child;
    this.request = request;
    this.pieces = child.stdout[Symbol.asyncIterator]();
    child.stderr.on("data", (piece: Buffer) => (this.said = (this.said + piece.toString()).slice(-2000)));
    this.ended = new Promise((resolve) => {
      child.on("error", (error) => resolve(error.message));
      child.on("close", (code, signal) => resolve(signal ?? code ?? 1));
    });
  }

  async frame(): Promise<SandboxFrame | QueryStopped> {
    for (;;) {
      const frame = this.reader.next();
      if (frame !== undefined) return frame;
      // oxlint-disable-next-line eslint/no-await-in-loop -- the pieces of one pipe
      const piece = await this.pieces.next();
      if (piece.done === true) return this.lost(await this.ended);
      this.reader.push(piece.value);
    }
  }

  /** It ended without a word. */
  private lost(how: NodeJS.Signals | number | string): QueryStopped {
    if (this.said.endsWith("time")) return tooLong(this.request);
    if (this.said.endsWith("disk")) return tooWide(this.request);
    if (/heap out of memory/.test(this.said) || how === "SIGABRT" || how === 134) return tooMuch(this.request);
    const message = `The process of the statement ended (${String(how)}).`;
    return new QueryStopped({ reason: "ended", message, hint: "Ask again." });
  }

  async end(): Promise<void> {
    this.child.kill("SIGKILL");
    this.child.stdin.destroy();
    this.child.stdout.destroy();
    await this.ended;
  }
}

const tooLong = ({ timeoutMillis }: SandboxRequest): QueryStopped =>
  new QueryStopped({
    reason: "time",
    message: `The statement took longer than ${timeoutMillis / 1000} s and was ended.`,
    hint: "Ask for less, or give it more time: --timeout SECONDS on the command line, timeoutSeconds over HTTP.",
  });

const tooMuch = ({ memoryBytes }: SandboxRequest): QueryStopped =>
  new QueryStopped({
    reason: "memory",
    message: `The statement needed more than ${Math.round(memoryBytes / 1024 / 1024)} MB of memory and was ended.`,
    hint: "Ask for less at once: fewer rows in one group, or no texts.",
  });

const tooWide = ({ diskBytes }: SandboxRequest): QueryStopped =>
  new QueryStopped({
    reason: "disk",
    message: `The statement needed more than ${Math.round(diskBytes / 1024 / 1024)} MB of temporary files and was ended.`,
    hint: "Sort or group less at once: fewer rows, or no texts.",
  });

type Ended = QueryRefused | QueryStopped | StorageTrouble;

/** The next frame that is no failure. `undefined`: the file went away. */
const nextOf = (asked: Asked, request: SandboxRequest): Effect.Effect<SandboxFrame | undefined, Ended> =>
  Effect.promise(() => asked.frame()).pipe(
    Effect.timeoutOrElse({
      duration: request.timeoutMillis + graceMillis,
      orElse: () => Effect.succeed(tooLong(request)),
    }),
    Effect.flatMap((frame): Effect.Effect<SandboxFrame | undefined, Ended> => {
      if (frame instanceof QueryStopped) return Effect.fail(frame);
      if (frame._tag !== "Failed") return Effect.succeed(frame);
      const { message, reason } = frame;
      if (reason === "gone") return Effect.succeed(undefined);
      if (reason === "memory") return Effect.fail(tooMuch(request));
      if (reason === "refused") return Effect.fail(refuse(message));
      return Effect.fail(
        new StorageTrouble({
          reason: "other",
          path: request.file,
          message: `${request.file} cannot be read (${message}).`,
          hint: "Run: recollect check",
        }),
      );
    }),
  );

const begin = (request: SandboxRequest, zone: string | undefined) =>
  Effect.acquireRelease(
    Effect.sync(() => new Asked(request, zone)),
    (asked) => Effect.promise(() => asked.end()),
  );

const resultOf = (asked: Asked, request: SandboxRequest, columns: ReadonlyArray<string>): SqlResult => {
  let isCut = false;
  const rows = Stream.fromEffectRepeat(nextOf(asked, request)).pipe(
    Stream.takeWhile((frame) => {
      if (frame?._tag !== "End") return true;
      isCut = frame.isCut;
      return false;
    }),
    Stream.map((frame) => (frame?._tag === "Rows" ? frame.rows : [])),
    Stream.flattenIterable,
  );
  return { columns, rows, isCut: Effect.sync(() => isCut) };
};

/** Prepares the statement in a process of its own, which the scope ends. */
export const sql = (
  path: string,
  text: string,
  parameters: SqlParameters = [],
  options: SqlOptions = {},
): Effect.Effect<SqlResult, Ended, Scope.Scope> =>
  Effect.gen(function* () {
    const fault = faultOf(text, parameters, options);
    if (fault !== undefined) return yield* fault;
    // Says in a sentence what is wrong with the file, if anything is.
    yield* Effect.scoped(Effect.acquireRelease(openReader(path), ({ db }) => Effect.sync(() => db.close())));
    for (let attempt = 1; ; attempt++) {
      const request: SandboxRequest = {
        file: Generations.current(path) ?? path,
        statement: text,
        parameters,
        maxRows: options.maxRows ?? Number.MAX_SAFE_INTEGER,
        maxBytes: options.maxBytes ?? Number.MAX_SAFE_INTEGER,
        timeoutMillis: options.timeoutMillis ?? defaultMillis,
        memoryBytes: options.memoryBytes ?? defaultMemoryBytes,
        diskBytes: options.diskBytes ?? defaultDiskBytes,
        masked: options.personal === "masked" ? yield* personal : undefined,
      };
      const asked = yield* begin(request, options.zone);
      const first = yield* nextOf(asked, request);
      if (first?._tag === "Columns") return resultOf(asked, request, first.columns);
      if (attempt === attempts) return yield* refuse(`${path} cannot be opened.`, "Run: recollect check");
    }
  });

/** A day: a copy of any size takes as long as the disk needs. */
const copyMillis = 86_400_000;

/**
 * A copy of the database as it is now into a file that must not exist, whole or not at all, while others read and write.
 * In a process of its own, so that it can be ended.
 */
export const copyInto = (path: string, file: string): Effect.Effect<void, Ended> =>
  Effect.gen(function* () {
    yield* Effect.scoped(Effect.acquireRelease(openReader(path), ({ db }) => Effect.sync(() => db.close())));
    const unfinished = `${file}.unfinished-${process.pid}`;
    const request: SandboxRequest = {
      file: Generations.current(path) ?? path,
      statement: "",
      parameters: [],
      maxRows: 0,
      maxBytes: 0,
      timeoutMillis: copyMillis,
      memoryBytes: defaultMemoryBytes,
      diskBytes: Number.MAX_SAFE_INTEGER,
      copyTo: unfinished,
    };
    if (existsSync(file)) return yield* refuse(`${file} is there already.`, "Name another file.");
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(unfinished, { force: true })));
    const asked = yield* begin(request, undefined);
    for (;;) {
      const frame = yield* nextOf(asked, request);
      if (frame === undefined) return yield* refuse(`${unfinished} cannot be written.`, "Is there such a folder?");
      if (frame._tag === "End") break;
    }
    yield* Effect.sync(() => renameSync(unfinished, file));
  }).pipe(Effect.scoped);
