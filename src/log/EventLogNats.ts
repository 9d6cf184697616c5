/**
 * The event log on NATS JetStream.
 *
 * Room: log.
 *
 * This file only wires; how each promise is kept is said at the head of the file that keeps it.
 */
import { Effect, Layer, Option, Stream } from "effect";
import { isMisfit, type RecordedEvent } from "../domain/Event.ts";
import type { History } from "../domain/History.ts";
import { checkAll } from "./append/AppendCheck.ts";
import * as BlobStore from "./BlobStoreNats.ts";
import * as GroupCommit from "./append/GroupCommitNats.ts";
import * as DirectGet from "./read/DirectGetNats.ts";
import { entryOf, provenEntryOf, type StoredMessage } from "./Envelope.ts";
import { EventLog, type LogUnavailable } from "./EventLog.ts";
import { follow } from "./read/FollowNats.ts";
import { followAsTenant, isTenants } from "./read/FollowTenantNats.ts";
import * as HistoryIds from "./append/HistoryIds.ts";
import { proveWhole, removed, unreadable } from "./read/GapNats.ts";
import * as HistoryRead from "./read/HistoryReadNats.ts";
import type { LogCondition } from "./connection/LogCondition.ts";
import type { Writer } from "./append/IdSearchNats.ts";
import { NatsConnection } from "./connection/NatsConnectionNats.ts";
import * as Unusable from "./connection/NatsUnusable.ts";
import { because, unavailable } from "./connection/PatienceNats.ts";
import * as StreamGuard from "./connection/StreamGuardNats.ts";
import * as StreamNats from "./connection/StreamNats.ts";
import { subjectOf } from "./Subject.ts";

export interface Options {
  /** Default `RECOLLECT`. Two streams on one server cannot both listen to our subjects. */
  readonly stream?: string | undefined;
  /** Default `RECOLLECT_BLOBS`. */
  readonly bucket?: string | undefined;
  /**
   * Copies of a stream that is made now, on as many servers; one that is there keeps its own. Default: 3 on a cluster,
   * 1 on a server that stands alone.
   */
  readonly replicas?: 1 | 3 | undefined;
  /** Default and most, with our nats-server.conf: ten minutes. Shorter only for tests. */
  readonly duplicateWindowMillis?: number | undefined;
  /**
   * Patience of one attempt to write for its acknowledgement, milliseconds. Default 2,500: an fsync takes 1 to 50 ms, and what is
   * asked again is not written again.
   */
  readonly answerMillis?: number | undefined;
  /** Longest silence of a read before it is asked again, milliseconds. Default 5,000. Shorter only for tests. */
  readonly silenceMillis?: number | undefined;
}

const defaultAnswerMillis = 2_500;
/** A read asks again this long while no leader is there: an election takes 4 to 9 s. */
const readPatienceMillis = 15_000;

const eventsOf = (messages: ReadonlyArray<StoredMessage>): Array<RecordedEvent> => {
  const events: Array<RecordedEvent> = [];
  for (const message of messages) {
    const entry = entryOf(message);
    if (!isMisfit(entry)) events.push(entry);
  }
  return events;
};

/** Count of unreadable events of a history, by the server's count; asked only where it cannot be seen. */
interface Counting {
  readonly history: History;
  readonly after: number;
  /** Messages of a subject in the server's index; 0 where that may not be asked. */
  readonly countOf: (subject: string) => Effect.Effect<number>;
}

/**
 * Of a history that seems to have nothing: events that are there and cannot be read.
 *
 * Decision: not asked for a task, because each new one begins with such a read, and it costs a fifth of a millisecond.
 */
const unreadableOfNothing = Effect.fnUntraced(function* (read: HistoryRead.HistoryRead, counting: Counting) {
  const { after, countOf, history } = counting;
  if (history.kind === "task") return 0;
  const subject = subjectOf(history);
  const count = after === 0 ? yield* countOf(subject) : ((yield* read.last(subject))?.sequence ?? 0) > after ? 1 : 0;
  // Appended a moment ago, it can be read now.
  return count === 0 || (yield* read.pages(subject, { after })).length > 0 ? 0 : count;
});

/** A history in order. An event that the server counts and does not give is an error, and never a shorter history. */
const readHistory = (read: HistoryRead.HistoryRead, counting: Counting) =>
  Stream.suspend(() => {
    const { after, history } = counting;
    const subject = subjectOf(history);
    const pages = read.pages(subject, { after });
    let expected: number | undefined;
    let got = 0;
    let last = after;
    const missing = Effect.suspend(() => {
      if (got === 0) return unreadableOfNothing(read, counting);
      const short = Math.max(0, (expected ?? 0) - got);
      // Of several copies one may have counted what came after the end that the leader told.
      return short === 0
        ? Effect.succeed(0)
        : Effect.map(read.pages(subject, { after: last }), (later) => Math.max(0, short - later.length));
    });
    return Stream.paginate(undefined, () =>
      Effect.flatMap(pages, (messages) => {
        const [first] = messages;
        if (first !== undefined && got === 0) expected = "pending" in first ? Number(first.pending) + 1 : undefined;
        got += messages.length;
        last = messages.at(-1)?.sequence ?? last;
        if (messages.length > 0) return Effect.succeed([eventsOf(messages), more] as const);
        return Effect.flatMap(missing, (count) =>
          count === 0
            ? Effect.succeed([eventsOf(messages), none] as const)
            : Effect.fail(unreadable({ subject, after: last, count })),
        );
      }),
    );
  });

/** The last event. Behind it may lie misfits, which are not events; then, rarely, the history is read to find it. */
const lastEvent = Effect.fnUntraced(function* (
  read: HistoryRead.HistoryRead,
  history: History,
  countOf: Counting["countOf"],
) {
  const subject = subjectOf(history);
  const message = yield* read.last(subject);
  if (message === undefined) return undefined;
  const entry = entryOf(message);
  if (!isMisfit(entry)) return entry;
  let last: RecordedEvent | undefined;
  yield* Stream.runForEachArray(readHistory(read, { history, after: 0, countOf }), (events) =>
    Effect.sync(() => {
      last = events.at(-1) ?? last;
    }),
  );
  return last;
});

const more = Option.some(undefined);
const none = Option.none<undefined>();

/** The guard of the connection; without one, a stream that is not there is made: for tools and tests. */
const guardOf = Effect.fnUntraced(function* (connection: NatsConnection["Service"], options: Options) {
  if (connection.stream !== undefined) return connection.stream;
  const guard = StreamGuard.withoutMemory(options);
  const verdict = yield* guard.look(connection);
  if (verdict._tag === "Unsure") return yield* unavailable(verdict.reason);
  if (verdict._tag === "Refused")
    return yield* Unusable.unusableStream(verdict.condition.message, verdict.condition.hint);
  return guard;
});

/** Until a stream was admitted nothing is asked of it, and nothing of this is believed. */
const noFacts: StreamNats.StreamFacts = {
  name: "",
  created: 0,
  replicas: 1,
  firstSequence: 0,
  lastSequence: 0,
  messages: 0,
  bytes: 0,
  firstAt: 0,
  duplicateWindowMillis: 0,
  clockSkewMillis: 0,
  learntAt: 0,
};

/** The stream's facts: as the guard saw it, learnt again after every reconnect and at each request. */
const keepFacts = Effect.fnUntraced(function* (connection: NatsConnection["Service"], guard: StreamGuard.StreamGuard) {
  const learn = Effect.gen(function* () {
    if (connection.link.refused !== undefined) return yield* because(connection.link.refused);
    const learnt = yield* StreamNats.learn(connection, { stream: guard.stream, patienceMillis: readPatienceMillis });
    if (learnt === undefined) {
      connection.link.doubt();
      return yield* because(StreamGuard.gone(guard.stream));
    }
    guard.learnt(learnt);
    return learnt;
  });
  if (connection.stream === undefined) {
    yield* connection.changes.pipe(
      Stream.drop(1),
      Stream.filter(({ _tag }) => _tag === "Connected"),
      Stream.runForEach(() => Effect.ignore(learn)),
      Effect.forkScoped,
    );
  }
  return { facts: () => guard.facts() ?? noFacts, learn };
});

/** Reason to refuse appends although the stream is there: an append would remove events. */
const refusalOf = (guard: StreamGuard.StreamGuard) => guard.conditions().find(({ refusesAppends }) => refusesAppends);

/** Without `allow_direct` every read waits for an answer that does not come. */
const unserved = (guard: StreamGuard.StreamGuard) =>
  guard.conditions().find(({ field }) => field?.includes("allow_direct") === true);

/**
 * A history that is read from before the stream's first event may lack its beginning, where events can be removed or were
 * lost, and the server counts only what is left of it.
 */
const proveBegin = (guard: StreamGuard.StreamGuard, after: number): Effect.Effect<void, LogUnavailable> =>
  Effect.suspend(() => {
    const first = guard.facts()?.firstSequence ?? 0;
    const condition = unserved(guard);
    if (condition !== undefined) return because(condition);
    if (after + 1 >= first || !guard.conditions().some(({ name }) => losing.has(name))) return Effect.void;
    return Effect.fail(removed(first));
  });
const losing: ReadonlySet<string> = new Set(["streamRemoves", "streamDamaged", "streamFull"]);

/** The condition of a stream whose server counts fewer events than it has numbers. */
const isLoss = ({ name }: LogCondition): boolean => name === "streamDamaged";

export const make = Effect.fn("log.open")(function* (options: Options = {}) {
  const connection = yield* NatsConnection;
  const guard = yield* guardOf(connection, options);
  const { stream } = guard;
  const { facts, learn } = yield* keepFacts(connection, guard);
  const { link, nc } = connection;
  const get = DirectGet.make({
    nc,
    link,
    patienceMillis: readPatienceMillis,
    silenceMillis: options.silenceMillis,
    unserved: () => unserved(guard),
  });
  const read = HistoryRead.make({ get, stream, facts });
  const blobs = BlobStore.make({
    connection,
    get,
    bucket: options.bucket ?? BlobStore.defaultBucket,
    replicas: () => facts().replicas,
  });
  const writer: Writer = {
    publisher: { nc, link, timeoutMillis: options.answerMillis ?? defaultAnswerMillis },
    read,
    remembered: HistoryIds.make(),
    facts,
    learn,
  };
  const maxPayload = () => connection.serverInfo().max_payload;

  const countOf = (subject: string) =>
    StreamNats.countOf(connection, { stream, subject, patienceMillis: 0 }).pipe(Effect.orElseSucceed(() => 0));
  const groups = yield* GroupCommit.make(writer);
  /** The reason not to write, looked for before each append: plain values. */
  const write: typeof groups.write = (check) =>
    Effect.suspend(() => {
      const refusal = link.refused ?? refusalOf(guard);
      return refusal === undefined ? groups.write(check) : because(refusal);
    });
  // Untraced: an append is 0.2 ms without fsync, and a span of its own belongs to the publisher.
  return EventLog.of({
    append: (append) =>
      Effect.flatMap(
        write(() => checkAll([append], maxPayload())),
        ([appended]) => (appended === undefined ? unavailable("the append had no result") : Effect.succeed(appended)),
      ),
    appendAll: (appends) => write(() => checkAll(appends, maxPayload())),
    read: ({ after = 0, history }) =>
      Stream.unwrap(Effect.as(proveBegin(guard, after), readHistory(read, { history, after, countOf }))),
    whole: (after = 0) =>
      Effect.suspend(() =>
        guard.conditions().some(isLoss) ? proveWhole({ read, learn, after, reached: guard.reached() }) : Effect.void,
      ),
    last: (history) => lastEvent(read, history, countOf),
    at: (sequence) =>
      Effect.map(read.at(sequence), (message) => (message === undefined ? undefined : provenEntryOf(message))),
    follow: ({ after, history, patienceMillis, until = Infinity }) => {
      const subject = history === undefined ? undefined : subjectOf(history);
      if (until <= after) return Stream.empty;
      // The user of a connection is known once it stands.
      if (isTenants(link)) return followAsTenant({ get, stream, after, subject, until });
      const all = follow({ connection, read, stream, after, subject, patienceMillis });
      return until === Infinity ? all : Stream.takeUntil(all, ({ sequence }) => sequence >= until);
    },
    info: Effect.map(learn, ({ bytes, created, firstSequence, lastSequence, messages }) => ({
      bytes,
      created,
      firstSequence: lastSequence === 0 ? 0 : firstSequence,
      lastSequence,
      messages,
    })),
    putBlob: blobs.put,
    getBlob: blobs.get,
  });
});

/** Needs a `NatsConnection`. */
export const layer = (options: Options = {}) => Layer.effect(EventLog, make(options));
