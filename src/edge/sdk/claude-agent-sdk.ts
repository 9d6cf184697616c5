/**
 * Claude Agent SDK: a `SessionStore` on threads, for `query({ options: { sessionStore } })`.
 *
 * Room: edge.
 *
 * A transcript is a thread of the session's id, a sub-agent's transcript the thread `<session>/agent-<id>`, its entries
 * events of the format `claude-code`: what `recollect import` of the same session would write, event for event, so that
 * whichever comes second adds nothing. Read from @anthropic-ai/claude-agent-sdk 0.3.332.
 */
import type { AppendedEvent, EventFold, HistoryEvent, Histories, RecollectHistory } from "./Client.ts";
import { fromContent } from "../../domain/EventId.ts";
import { thread as threadOf } from "../../domain/History.ts";
import { idOf } from "../import/Entry.ts";
import { boundedId } from "../import/ThreadIds.ts";
import { decideOrKeep } from "./Appending.ts";
import { inOrder } from "./InOrder.ts";
import { isUnavailable, SdkRefused } from "./SdkRefused.ts";
import { digestOf, type Stored, stored, storedText } from "./StoredValue.ts";
import { indexOf } from "./SessionIndex.ts";

export { SdkRefused } from "./SdkRefused.ts";

/** Key of a transcript: a session's own, or with a `subpath` one of its sub-agents'. */
export interface SessionKey {
  projectKey: string;
  sessionId: string;
  subpath?: string;
}

/** A line of a transcript: any JSON object with a type. */
export interface SessionStoreEntry {
  type: string;
  uuid?: string;
  timestamp?: string;
  [key: string]: unknown;
}

export interface SessionSummaryEntry {
  sessionId: string;
  /** Epoch milliseconds, by the log's clock. */
  mtime: number;
  data: Record<string, unknown>;
}

/** The SDK's own fold, as it exports it. */
export type FoldSessionSummary = (
  previous: SessionSummaryEntry | undefined,
  key: SessionKey,
  entries: Array<SessionStoreEntry>,
  options?: { mtime?: number },
) => SessionSummaryEntry;

export interface SessionStoreOptions {
  /** `foldSessionSummary` of the SDK: with it, `listSessionSummaries` is there, and each session is read once. */
  readonly foldSessionSummary?: FoldSessionSummary | undefined;
}

export interface RecollectSessionStore {
  /**
   * Durable when it resolves: in the log, or with the log unreachable on this machine. An entry with a `uuid` that is
   * there adds nothing; the entries of one call stand together and in order.
   */
  append(key: SessionKey, entries: Array<SessionStoreEntry>): Promise<void>;
  /** All entries in order, deep-equal to what was appended; null for what was never written, or deleted. */
  load(key: SessionKey): Promise<Array<SessionStoreEntry> | null>;
  listSessions(projectKey: string): Promise<Array<{ sessionId: string; mtime: number }>>;
  listSessionSummaries?(projectKey: string): Promise<Array<SessionSummaryEntry>>;
  /** Hides a transcript, a session with its sub-agents': its events stay in the log, and nothing reads them. */
  delete(key: SessionKey): Promise<void>;
  listSubkeys(key: { projectKey: string; sessionId: string }): Promise<Array<string>>;
}

const opened = "x.claude_agent_sdk.opened";
const format = "claude-code";
/** Sessions whose times are asked for at once. */
const atOnce = 32;

interface Transcript {
  /** Project of the session; undefined while only an import has written it. */
  readonly project: string | undefined;
  /** Number of deletions. Entries before the last one are gone. */
  readonly deletions: number;
  readonly entries: number;
  /** Time of recording of the last event, epoch milliseconds. */
  readonly lastAt: number;
  /** The folder that an import's first entry names, as Claude Code spells it. */
  readonly folder: string | undefined;
  /**
   * Ids of the events, and the `uuid` of each entry. Shared by all states: what is in it once is never another entry, so
   * it does no harm in an older one.
   */
  readonly ids: Set<string> | undefined;
}

const folderOf = (entry: unknown): string | undefined => {
  const cwd = (entry as { readonly cwd?: unknown } | null)?.cwd;
  return typeof cwd === "string" ? cwd.replaceAll(/[^a-zA-Z0-9]/g, "-") : undefined;
};

const uuidKey = (deletions: number, uuid: string): string => `${deletions} ${uuid}`;

const withEntry = (state: Transcript, { data, id }: HistoryEvent): Transcript => {
  const { blob, entry } = data as Stored;
  const ids = state.ids ?? new Set<string>();
  const uuid = blob == null ? (entry as SessionStoreEntry | null)?.uuid : undefined;
  ids.add(id);
  if (typeof uuid === "string") ids.add(uuidKey(state.deletions, uuid));
  return { ...state, ids, entries: state.entries + 1, folder: state.folder ?? folderOf(entry) };
};

const transcript: EventFold<Transcript> = {
  initial: { project: undefined, deletions: 0, entries: 0, lastAt: 0, folder: undefined, ids: undefined },
  apply: (state, event) => {
    const now = { ...state, lastAt: event.recordedAt };
    if (event.type === opened) return { ...now, project: (event.data as { readonly project: string }).project };
    if (event.type === "thread.deleted") return { ...now, deletions: state.deletions + 1, entries: 0 };
    return event.type === "thread.entry_recorded" ? withEntry(now, event) : now;
  },
};

/** An import's thread is of the project whose folder it names. */
const isOf = (state: Transcript, projectKey: string): boolean =>
  state.project === undefined ? state.entries === 0 || state.folder === projectKey : state.project === projectKey;

/** Piece that an import would have cut from a file. */
const asLine = { format, place: "line", kind: "json", value: undefined, occurredAt: 0, line: 0 } as const;
/** As an import: a larger entry lies in the object store. */
const entryBytes = 700 * 1024;

const agent = /^subagents\/(agent-[\w.-]+)$/;

const nameOf = ({ sessionId, subpath }: SessionKey): string => {
  const session = encodeURIComponent(sessionId.toWellFormed());
  if (subpath === undefined) return boundedId(session);
  return boundedId(`${session}/${agent.exec(subpath)?.[1] ?? `:${subpath}`}`);
};

const checked = (key: SessionKey): void => {
  if (key.sessionId !== "" && key.subpath !== "") return;
  throw new SdkRefused("Invalid", "A session's id or subpath is empty.", "Leave out the subpath of a main transcript.");
};

/**
 * The events of entries that are not there yet. An entry without a `uuid` has in its id the number among its equals, as an
 * import counts them; with the log unreachable that number is unknown, and it has an id of its own.
 */
const eventsOf = (
  entries: ReadonlyArray<SessionStoreEntry>,
  history: RecollectHistory,
  state: Transcript | undefined,
): ReadonlyArray<AppendedEvent> => {
  const deletions = state?.deletions ?? 0;
  const name = threadOf(history.id, history.tenant);
  const taken = new Set<string>();
  const isNew = (id: string): boolean => state?.ids?.has(id) !== true && !taken.has(id) && taken.add(id) !== undefined;
  return entries.flatMap((entry): ReadonlyArray<AppendedEvent> => {
    const text = JSON.stringify(entry);
    const { blobs, value } = stored(text, entryBytes);
    const at = typeof entry.timestamp === "string" ? Date.parse(entry.timestamp) : Number.NaN;
    const cut = { ...asLine, raw: Buffer.from(text, "utf8") };
    const idAt = (nth: number): string => {
      const id = idOf(cut, name, nth);
      return deletions === 0 ? id : fromContent("after deletion", id, String(deletions));
    };
    const about = { ...(Number.isNaN(at) ? {} : { occurredAt: at }), source: "claude-agent-sdk" };
    const event = { ...about, type: "thread.entry_recorded", data: { format, ...value }, blobs } as const;
    if (typeof entry.uuid === "string") {
      const isKnown = state?.ids?.has(uuidKey(deletions, entry.uuid)) === true;
      return !isKnown && isNew(idAt(1)) ? [{ ...event, id: idAt(1) }] : [];
    }
    if (state === undefined) return [event];
    let nth = 1;
    while (!isNew(idAt(nth))) nth++;
    return [{ ...event, id: idAt(nth) }];
  });
};

/** Sessions of the Claude Agent SDK as threads. Several stores, processes and machines may write and resume one. */
export const sessionStore = (recollect: Histories, options: SessionStoreOptions = {}): RecollectSessionStore => {
  const index = indexOf(recollect);
  const ordered = inOrder();

  /** The thread of a key. A session id that another project has too is a thread of its own there. */
  const historyOf = async (key: SessionKey): Promise<{ history: RecollectHistory; state: Transcript | undefined }> => {
    checked(key);
    const first = recollect.history({ thread: nameOf(key) });
    const { state } = await first.folded(transcript);
    if (isOf(state, key.projectKey)) return { history: first, state };
    const other = recollect.history({ thread: boundedId(`${nameOf(key)}~${digestOf(key.projectKey).slice(0, 8)}`) });
    return { history: other, state: (await other.folded(transcript)).state };
  };

  const add = async (key: SessionKey, entries: ReadonlyArray<SessionStoreEntry>): Promise<void> => {
    checked(key);
    if (entries.length === 0) return;
    const { history } = await historyOf(key).catch((error: unknown) => {
      if (!isUnavailable(error)) throw error;
      return { history: recollect.history({ thread: nameOf(key) }) };
    });
    await decideOrKeep(history, transcript, (state) => {
      const lines = eventsOf(entries, history, state);
      if (lines.length === 0 || state?.project !== undefined) return lines;
      const id = fromContent(opened, history.tenant, history.id, key.projectKey);
      return [{ id, type: opened, data: { project: key.projectKey }, source: "claude-agent-sdk" }, ...lines];
    });
    await index.list(key);
  };

  const load: RecollectSessionStore["load"] = async (key) => {
    const { history, state } = await historyOf(key);
    if (state === undefined || state.entries === 0) return null;
    const events = await history.read({ types: ["thread.entry_recorded", "thread.deleted"] });
    const from = events.findLastIndex(({ type }) => type === "thread.deleted") + 1;
    const texts = events.slice(from).map(({ data }) => storedText(history, data as Stored));
    return (await Promise.all(texts)).map((text) => JSON.parse(text) as SessionStoreEntry);
  };

  const stateOf = async (key: SessionKey): Promise<Transcript> => (await historyOf(key)).state ?? transcript.initial;

  const mains = async (projectKey: string): Promise<ReadonlyArray<string>> =>
    [...(await index.sessions(projectKey))].filter(([, { main }]) => main).map(([sessionId]) => sessionId);

  const each = async <A>(ids: ReadonlyArray<string>, read: (sessionId: string) => Promise<A>): Promise<Array<A>> => {
    const results: Array<A> = [];
    for (let at = 0; at < ids.length; at += atOnce)
      results.push(...(await Promise.all(ids.slice(at, at + atOnce).map(read))));
    return results;
  };

  const remove = async (key: SessionKey): Promise<void> => {
    const { history, state } = await historyOf(key);
    if (state === undefined || state.entries === 0) return;
    await history.append([{ type: "thread.deleted", data: { reason: "deleted by the Claude Agent SDK" } }]);
  };

  const store: RecollectSessionStore = {
    append: (key, entries) => ordered(JSON.stringify(key), () => add(key, entries)),
    load,
    listSessions: async (projectKey) =>
      each(await mains(projectKey), async (sessionId) => ({
        sessionId,
        mtime: Math.floor((await stateOf({ projectKey, sessionId })).lastAt),
      })),
    delete: async (key) => {
      const { projectKey, sessionId, subpath } = key;
      const subpaths = subpath === undefined ? await store.listSubkeys(key) : [];
      for (const inner of subpaths) await remove({ projectKey, sessionId, subpath: inner });
      await remove(key);
      await index.unlist(key);
    },
    listSubkeys: async ({ projectKey, sessionId }) => [
      ...((await index.sessions(projectKey)).get(sessionId)?.subpaths ?? []),
    ],
  };
  const { foldSessionSummary } = options;
  if (foldSessionSummary === undefined) return store;

  const folds = new Map<string, EventFold<SessionSummaryEntry | undefined>>();
  /** Kept by the client as long as it is the same object. */
  const summaryOf = (key: SessionKey) => {
    const name = JSON.stringify([key.projectKey, key.sessionId]);
    const fold = folds.get(name) ?? {
      initial: undefined,
      apply: (summary, { data, recordedAt, type }) => {
        if (type === "thread.deleted") return undefined;
        const { entry } = data as Stored;
        if (type !== "thread.entry_recorded" || entry === undefined)
          return summary && { ...summary, mtime: Math.floor(recordedAt) };
        return foldSessionSummary(summary, key, [entry as SessionStoreEntry], { mtime: Math.floor(recordedAt) });
      },
    };
    folds.set(name, fold);
    return fold;
  };
  store.listSessionSummaries = async (projectKey) => {
    const summaries = await each(await mains(projectKey), async (sessionId) => {
      const key = { projectKey, sessionId };
      return (await (await historyOf(key)).history.folded(summaryOf(key))).state;
    });
    return summaries.filter((summary) => summary !== undefined);
  };
  return store;
};
