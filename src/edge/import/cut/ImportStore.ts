/**
 * Imports an agent's SQLite database: each session a thread, each row an entry.
 *
 * Room: edge.
 *
 * A session whose thread the log has is gone through once to be held against the log's mark, then to be taken; rows are
 * read anew each time, so memory is one session's ids and one row.
 */
import { Effect } from "effect";
import { thread } from "../../../domain/History.ts";
import { chatOf, chatParts } from "../formats/ChatFormats.ts";
import { readFrom } from "../find/Detect.ts";
import type { Entry, StoreFormat } from "../Entry.ts";
import { readRange } from "../find/FileBytes.ts";
import type { Found } from "../find/FileWalk.ts";
import { importChat } from "./ImportChat.ts";
import type { ImportRun } from "../ImportRun.ts";
import { outlineOf } from "../formats/JsonOutline.ts";
import { asked, openStore, type Rows, sqliteHead, StoreTrouble } from "./StoreSqlite.ts";
import { type StoreDocument, type StoreEntry, type StoreSession, storeOf } from "../formats/Stores.ts";
import { boundedId } from "../ThreadIds.ts";
import { FileThread, isCovered } from "../Threads.ts";

const headBytes = 100;
/** Reads of a store that was taken for an idle one and was written to: after them it counts as one in use. */
const attempts = 2;
/** Tables that are named when a database is of no agent that is known. */
const namedTables = 8;

/** True when the file is a SQLite database. */
export const isStore = (file: Found) =>
  file.bytes < headBytes || file.packing !== undefined
    ? Effect.succeed(false)
    : Effect.map(readRange(file.path, 0, sqliteHead.length), (head) => head.equals(sqliteHead));

/** Gives each row of a session to `use`, in order. Rows come from questions to SQLite, which may fail at any of them. */
const forEachRow = Effect.fnUntraced(function* (
  { entries }: StoreSession,
  format: StoreFormat,
  modified: number,
  use: (entry: Entry) => ReturnType<ImportRun["take"]>,
) {
  const iterator = entries()[Symbol.iterator]();
  let occurredAt: number | undefined;
  for (let line = 1; ; line++) {
    const next = yield* asked(() => iterator.next());
    if (next.done === true) return;
    const { raw, time, value }: StoreEntry = next.value;
    occurredAt = time ?? occurredAt;
    const effect = use({ format, place: "line", raw, kind: "json", value, occurredAt: occurredAt ?? modified, line });
    if (effect !== undefined) yield* effect;
  }
});

const importSession = Effect.fnUntraced(function* (
  job: ImportRun,
  file: Found,
  format: StoreFormat,
  session: StoreSession,
) {
  const state = yield* job.open(thread(boundedId(session.name), job.tenant));
  const fileThread = new FileThread(state);
  if (!state.complete) {
    const looked = new FileThread(state);
    let verified = 0;
    yield* forEachRow(session, format, file.modified, (entry) => {
      looked.next(entry);
      if (looked.isAtMark()) verified = looked.count;
      return undefined;
    });
    if (isCovered(state, verified, looked.count)) fileThread.verified = verified;
    else yield* job.threads.complete(state);
  }
  yield* forEachRow(session, format, file.modified, (entry) => job.take(fileThread, entry));
});

/** A conversation that is one document; answers whether there was one. */
const importDocument = Effect.fnUntraced(function* (
  job: ImportRun,
  file: Found,
  document: StoreDocument,
  taken: Set<string>,
) {
  const bytes = yield* asked(document.bytes);
  const outline = typeof bytes === "string" ? undefined : outlineOf(bytes, chatParts);
  const [root] = outline?.roots ?? [];
  const isWhole = root !== undefined && outline?.problem === undefined;
  const chat = typeof bytes !== "string" && isWhole ? yield* chatOf(readFrom(bytes), root, file.path) : undefined;
  if (typeof bytes === "string" || root === undefined || chat === undefined) {
    const reason = typeof bytes === "string" ? bytes : `the row ${document.name} holds no conversation`;
    job.draft.refused.push({ file: file.path, reason });
    return false;
  }
  yield* importChat(job, file, { chat, read: readFrom(bytes), root, taken });
  return true;
});

const tablesOf = ({ tables }: Rows): string => {
  const names = [...tables.keys()].toSorted();
  if (names.length === 0) return "it has no tables";
  return `its tables are ${names.slice(0, namedTables).join(", ")}${names.length > namedTables ? ", …" : ""}`;
};

/** A session, or a document, that stands on a damaged page costs no other one. */
const beside = <A, E, R>(job: ImportRun, file: Found, name: string, read: Effect.Effect<A, E | StoreTrouble, R>) =>
  read.pipe(
    Effect.catchIf(
      (error): error is Extract<E | StoreTrouble, StoreTrouble> => error instanceof StoreTrouble && error.isDamage,
      ({ reason }) =>
        Effect.sync(() => {
          job.draft.refused.push({ file: file.path, reason: `${name}: ${reason}` });
          return undefined;
        }),
    ),
  );

const once = Effect.fnUntraced(function* (job: ImportRun, file: Found) {
  const { isStill, rows } = yield* openStore(file.path, yield* readRange(file.path, 0, headBytes));
  const store = storeOf(rows);
  if (store === undefined) {
    const reason = `it is a SQLite database of no agent that is known: ${tablesOf(rows)}`;
    return { isStill: true, sessions: 0, format: undefined, reason };
  }
  const { format } = store;
  let sessions = 0;
  for (const session of yield* asked(() => [...(store.sessions?.(rows) ?? [])])) {
    yield* beside(job, file, session.name, importSession(job, file, format as StoreFormat, session));
    sessions++;
  }
  const taken = new Set<string>();
  for (const found of yield* asked(() => [...(store.documents?.(rows) ?? [])]))
    if (yield* beside(job, file, found.name, importDocument(job, file, found, taken))) sessions++;
  return { isStill: yield* isStill, sessions, format, reason: `the database (${format}) has no session in it yet` };
}, Effect.scoped);

/** All sessions of a database. Rows that cannot be read are refused; rows read before stay. */
export const importStore = Effect.fn("edge.importStore")(function* (job: ImportRun, file: Found) {
  const read = Effect.gen(function* () {
    let isCounted = false;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const takeBack = job.draft.before();
      const { format, isStill, reason, sessions } = yield* once(job, file);
      if (!isCounted && format !== undefined && sessions > 0) job.draft.fileOf(format);
      isCounted ||= sessions > 0;
      if (isStill) {
        if (sessions === 0) job.draft.skipped.push({ file: file.path, reason });
        return;
      }
      if (attempt < attempts) takeBack();
    }
    job.draft.refused.push({ file: file.path, reason: "the database was written to while it was read: import again" });
  });
  yield* read.pipe(
    Effect.catchTag("StoreTrouble", ({ reason }) =>
      Effect.sync(() => {
        job.draft.refused.push({ file: file.path, reason });
      }),
    ),
  );
});
