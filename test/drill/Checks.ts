/**
 * What must be true of the store, held against what importers were told and against an import that nothing disturbed.
 *
 * Every check gives sentences, one for each thing that differs; none means that all is well.
 */
import { Effect, Stream } from "effect";
import { createHash } from "node:crypto";
import { isMisfit } from "../../src/domain/Event.ts";
import { keyOf } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Generations from "../../src/projection/rebuild/Generations.ts";
import { ask } from "../projection/World.ts";
import type { Note } from "./Notes.ts";

/** One event of a stream, as far as it must be the same however it came in. */
export interface Held {
  readonly sequence: number;
  readonly id: string;
  readonly threadId: string;
  /** Of its history, type and body. Not of its mark and source: those tell which run of which importer wrote it. */
  readonly digest: string;
  /** The SHA-256 of its entry in the object store, when the entry is too large for the event. */
  readonly blob: string | undefined;
}

/** A body that holds a reference in place of an entry is short. */
const longestReference = 400;
const reference = /"blob":\{"sha256":"([0-9a-f]{64})"/;

const blobOf = (body: Uint8Array): string | undefined =>
  body.length > longestReference ? undefined : reference.exec(Buffer.from(body).toString("utf8"))?.[1];

const most = 5;

/** A sentence with the first few of many, or none when there are none. */
const all = (what: string, found: ReadonlyArray<string>): ReadonlyArray<string> =>
  found.length === 0
    ? []
    : [`${what}: ${found.length} (${found.slice(0, most).join(", ")}${found.length > most ? " …" : ""})`];

/** The whole stream as it is now, read as a projector reads it. A misfit has no id: nobody here writes one. */
export const readStream = Effect.gen(function* () {
  const log = yield* EventLog;
  const { lastSequence } = yield* log.info;
  const held: Array<Held> = [];
  if (lastSequence === 0) return held;
  yield* log.follow({ after: 0 }).pipe(
    Stream.take(lastSequence),
    Stream.runForEach((entry) =>
      Effect.sync(() => {
        const { body, sequence } = entry;
        const digest = createHash("sha256").update(body);
        const blob = blobOf(body);
        if (isMisfit(entry)) held.push({ sequence, id: "", threadId: entry.subject, digest: entry.problem, blob });
        else {
          const { history, id, type } = entry;
          digest.update(`${keyOf(history)} ${type}`);
          held.push({ sequence, id, threadId: history.id, digest: digest.digest("base64"), blob });
        }
      }),
    ),
  );
  return held;
});

/** The stream by itself: sequences without a hole, every id once. */
export const sound = (held: ReadonlyArray<Held>): ReadonlyArray<string> => {
  const seen = new Set<string>();
  const twice: Array<string> = [];
  const misplaced: Array<string> = [];
  const misfits: Array<string> = [];
  for (const [index, { id, sequence }] of held.entries()) {
    if (sequence !== index + 1) misplaced.push(`${sequence} in place of ${index + 1}`);
    if (id === "") misfits.push(String(sequence));
    else if (seen.has(id)) twice.push(`${id} again at ${sequence}`);
    seen.add(id);
  }
  return [
    ...all("sequences that are not the next one", misplaced),
    ...all("events that are in the stream more than once", twice),
    ...all("messages that are no events", misfits),
  ];
};

/** What was acknowledged is there, where it was said to be. */
export const kept = (held: ReadonlyArray<Held>, notes: ReadonlyArray<Note>): ReadonlyArray<string> => {
  const sequences = new Map(held.map(({ id, sequence }) => [id, sequence]));
  const lost: Array<string> = [];
  const moved: Array<string> = [];
  for (const { id, sequence } of notes) {
    const found = sequences.get(id);
    if (found === undefined) lost.push(`${id}, acknowledged at ${sequence}`);
    else if (sequence !== undefined && found !== sequence) moved.push(`${id} at ${found}, acknowledged at ${sequence}`);
  }
  return [...all("acknowledged events that are lost", lost), ...all("acknowledged events somewhere else", moved)];
};

/** The order of one thread's events, as one string. */
const ordersOf = (held: ReadonlyArray<Held>, threads: ReadonlySet<string>): ReadonlyMap<string, string> => {
  const orders = new Map<string, string>();
  for (const { id, threadId } of held) {
    if (threads.has(threadId)) orders.set(threadId, `${orders.get(threadId) ?? ""} ${id}`);
  }
  return orders;
};

/** The same events as an undisturbed import gives; of `threads`, each in one file, in the same order. */
export const equal = (options: {
  readonly held: ReadonlyArray<Held>;
  readonly undisturbed: ReadonlyArray<Held>;
  readonly threads: ReadonlySet<string>;
}): ReadonlyArray<string> => {
  const digests = new Map(options.held.map(({ digest, id }) => [id, digest]));
  const expected = new Map(options.undisturbed.map(({ digest, id }) => [id, digest]));
  const missing = [...expected.keys()].filter((id) => !digests.has(id));
  const foreign = [...digests.keys()].filter((id) => !expected.has(id));
  const other = [...expected].filter(([id, digest]) => digests.has(id) && digests.get(id) !== digest);
  const orders = ordersOf(options.held, options.threads);
  const disordered = [...ordersOf(options.undisturbed, options.threads)].filter(
    ([thread, order]) => orders.get(thread) !== order,
  );
  const nameOf = ([name]: readonly [string, string]) => name;
  return [
    ...all("entries of the corpus that are missing", missing),
    ...all("events that no entry of the corpus gives", foreign),
    ...all("events with other content than the corpus gives", other.map(nameOf)),
    ...all("threads whose events are in another order than in their file", disordered.map(nameOf)),
  ];
};

const ask1 = (database: string, sql: string) => ask(Generations.current(database) ?? database, sql);

/** How far every projection has come. */
export const checkpoint = (database: string): number => {
  const [row] = ask1(database, "SELECT min(sequence) AS reached FROM v_checkpoints");
  return Number(row?.["reached"] ?? 0);
};

/** The ledger has every event of the stream once, at its sequence, and no projection has refused one. */
export const recorded = (database: string, held: ReadonlyArray<Held>): ReadonlyArray<string> => {
  const rows = ask1(database, "SELECT sequence, event_id FROM v_events ORDER BY sequence");
  const wrong = held.flatMap(({ id, sequence }, index) => {
    const row = rows[index];
    return row?.["sequence"] === sequence && row["event_id"] === id ? [] : [`${id} at ${sequence}`];
  });
  const dead = ask1(database, "SELECT DISTINCT projection || ' at ' || sequence AS dead FROM v_dead_letters");
  return [
    ...(rows.length === held.length ? [] : [`the ledger has ${rows.length} rows for ${held.length} events`]),
    ...all("events that are not in the ledger at their sequence", wrong),
    ...all(
      "dead letters",
      dead.map((row) => String(row["dead"])),
    ),
  ];
};
