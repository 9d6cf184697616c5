/**
 * The process of one statement: reads what it is asked from stdin, and writes frames to stdout until the end.
 *
 * Room: query.
 *
 * A program of its own, with as few imports as it needs, because it is started for each statement. SQLite keeps its only
 * thread busy; a second one waits for the end of stdin, which is the end of the asker, and for the time to be over.
 *
 * Decision: `node:sqlite` and not better-sqlite3, which has no authorizer. A process and not a thread, because a statement
 * that SQLite is at can only be ended with its process.
 */
import { randomBytes } from "node:crypto";
import { readSync, writeSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import type { SqlParameters, Value } from "../Sql.ts";
import { type Authorizer, authorize, maskViews } from "./AuthorizerSqlite.ts";
import { lengthBytes, pack, type SandboxFrame, type SandboxRequest, unpack } from "./Frames.ts";
import { addPercentileDisc } from "./PercentileDiscSqlite.ts";
import { plain } from "../AllRowsSqlite.ts";
import { matchOf } from "../search/SearchText.ts";
import { isEmptySql, withoutLead } from "./SqlText.ts";

const watch = `
const { workerData } = require("node:worker_threads");
const { fstatSync, read, readdirSync, readlinkSync, writeSync } = require("node:fs");
const end = (why) => {
  try { writeSync(2, why); } catch {}
  process.kill(process.pid, "SIGKILL");
};
setTimeout(() => end("time"), workerData.timeoutMillis);
// Temporary files have no names by now: their sizes are known by the descriptors alone.
const spent = () => {
  let sum = 0;
  try {
    for (const fd of readdirSync("/proc/self/fd")) {
      try {
        if (/\\/etilqs_/.test(readlinkSync("/proc/self/fd/" + fd))) sum += fstatSync(Number(fd)).size;
      } catch {}
    }
  } catch {}
  return sum;
};
setInterval(() => { if (spent() > workerData.diskBytes) end("disk"); }, workerData.lookMillis);
const piece = Buffer.alloc(1);
read(0, piece, 0, 1, null, () => end("gone"));
`;

/** Interval of looking at its temporary files: a fast disk takes a tenth of a gigabyte meanwhile. */
const lookMillis = 50;
/** Rows of one frame: enough to cost little, few enough to take little memory. */
const rowsPerFrame = 512;
const bytesPerFrame = 256 * 1024;
/** Rows that come slowly are shown meanwhile. */
const frameMillis = 50;
/** Of one value, where Node can say so (from 26 on); SQLite's own limit is 1 GB. */
const longestValue = 128 * 1024 * 1024;

const readBytes = (count: number): Buffer => {
  const all = Buffer.alloc(count);
  for (let at = 0; at < count;) {
    const read = readSync(0, all, at, count - at, null);
    if (read === 0) process.exit(1);
    at += read;
  }
  return all;
};

const write = (frame: SandboxFrame): void => {
  const bytes = pack(frame);
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
};

/** SQLite reads the index without MATCH where a sum or a join keeps it from handing the words down. */
const howToSearch =
  "v_search is asked with words MATCH '…', in a SELECT of its own. For sums and joins: " +
  "WITH hits AS MATERIALIZED (SELECT … FROM v_search WHERE words MATCH '…') SELECT … FROM hits.";

const codes = { noMemory: 7, corrupt: 11, cannotOpen: 14, tooBig: 18, notDatabase: 26, busy: 5, input: 10 } as const;

const codeOf = (cause: unknown): number => {
  const code: unknown = cause instanceof Error && "errcode" in cause ? cause.errcode : undefined;
  return typeof code === "number" ? code & 0xff : 0;
};

const failureOf = (cause: unknown, refusal: string | undefined): SandboxFrame => {
  const said = refusal ?? (cause instanceof Error ? cause.message : String(cause));
  const message = /no such function: search_(?:words|json)\b/.test(said) ? howToSearch : said;
  const code = codeOf(cause);
  const reasonOf = () => {
    if (code === codes.noMemory || code === codes.tooBig) return "memory";
    if (code === codes.cannotOpen) return "gone";
    if (code === codes.corrupt || code === codes.notDatabase || code === codes.busy || code === codes.input)
      return "storage";
    return "refused";
  };
  return { _tag: "Failed", reason: reasonOf(), message };
};

const bytesOf = (value: Value): number =>
  typeof value === "string" || value instanceof Uint8Array ? 8 + value.length : 8;

const open = (request: SandboxRequest): { readonly db: DatabaseSync; readonly authorizer: Authorizer } => {
  const db = new DatabaseSync(request.file, { readOnly: true, allowExtension: false, timeout: 5000 });
  db.exec(`PRAGMA hard_heap_limit = ${request.memoryBytes}; PRAGMA cache_size = -16384; PRAGMA trusted_schema = OFF;`);
  db.function("search_match", { deterministic: true }, (text) =>
    typeof text === "string" ? (matchOf(text) ?? '""') : null,
  );
  addPercentileDisc(db);
  // The copy is ours, and no statement of anybody.
  if (request.copyTo !== undefined) return { db, authorizer: { refusal: () => undefined } };
  if ("limits" in db) Object.assign(db.limits as object, { length: Math.min(longestValue, request.memoryBytes) });
  const believed = `__${randomBytes(12).toString("hex")}`;
  if (request.masked !== undefined) maskViews(db, request.masked, believed);
  if (typeof db.setAuthorizer !== "function") return { db, authorizer: { refusal: () => undefined } };
  return { db, authorizer: authorize(db, request.masked === undefined ? undefined : { believed }) };
};

/** A whole number is an integer: node:sqlite makes a real of every number. */
const bound = (value: Value): Value =>
  typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;

const rowsOf = (statement: StatementSync, parameters: SqlParameters): Iterator<unknown> =>
  Array.isArray(parameters)
    ? statement.iterate(...(parameters as ReadonlyArray<Value>).map(bound))
    : statement.iterate(Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, bound(value)])));

/** Every page as it is at this moment, in order and without holes, also while others write. */
const copy = (db: DatabaseSync, file: string): void => {
  db.prepare("VACUUM INTO ?").run(file);
  write({ _tag: "Columns", columns: [] });
  write({ _tag: "End", isCut: false });
};

const answer = (db: DatabaseSync, request: SandboxRequest): void => {
  const text = withoutLead(request.statement);
  const statement = db.prepare(text);
  // SQLite prepares the first statement of a text and leaves the rest.
  if (!isEmptySql(text.slice(statement.sourceSQL.length))) throw new Error("This is more than one statement.");
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  const rows = rowsOf(statement, request.parameters);
  write({ _tag: "Columns", columns: statement.columns().map(({ name }) => name) });
  let frame: Array<ReadonlyArray<Value>> = [];
  let bytes = 0;
  let given = 0;
  let sent = 0;
  let last = performance.now();
  const flush = () => {
    if (frame.length > 0) write({ _tag: "Rows", rows: frame });
    frame = [];
    bytes = 0;
    last = performance.now();
  };
  for (;;) {
    const next = rows.next();
    if (next.done === true || given === request.maxRows) {
      flush();
      return write({ _tag: "End", isCut: next.done !== true });
    }
    const row = next.value as ReadonlyArray<Value>;
    const size = row.reduce<number>((sum, value) => sum + bytesOf(value), 0);
    sent += size;
    if (sent > request.maxBytes) {
      flush();
      return write({ _tag: "End", isCut: true });
    }
    bytes += size;
    frame.push(row.map(plain));
    given++;
    if (frame.length >= rowsPerFrame || bytes >= bytesPerFrame || performance.now() - last >= frameMillis) flush();
  }
};

const main = (): void => {
  const request = unpack<SandboxRequest>(readBytes(readBytes(lengthBytes).readUInt32LE()));
  // Its output is its own: to be joined to ours, ours would no longer wait for a reader that is slow.
  new Worker(watch, {
    eval: true,
    workerData: { timeoutMillis: request.timeoutMillis, diskBytes: request.diskBytes, lookMillis },
    stdout: true,
    stderr: true,
  }).unref();
  let authorizer: Authorizer | undefined;
  try {
    const opened = open(request);
    ({ authorizer } = opened);
    if (request.copyTo === undefined) answer(opened.db, request);
    else copy(opened.db, request.copyTo);
  } catch (cause) {
    // The asker has gone.
    if (cause instanceof Error && "code" in cause && cause.code === "EPIPE") return process.exit(0);
    write(failureOf(cause, authorizer?.refusal()));
  }
  process.exit(0);
};

main();
