/**
 * Following the stream: everything after a sequence, then live, through restarts of the server.
 *
 * Room: log.
 *
 * A pull consumer of our own, in memory on the server and without acknowledgements; what has been read is known here
 * alone, so a consumer that is lost is replaced from there. The reader's pace is the pace of the whole: two pages are
 * asked for, and the next one when the reader has taken all of one.
 *
 * Decision: asked for, because what the server pushes with flow control is up to 32 MB ahead of its reader: 49,000 small
 * events lay in memory while they were folded, 100 MB, which were most of what garbage collection had to copy.
 *
 * Why not the client's ordered consumer: it goes on over holes, over a stream that was rolled back or made anew, and
 * is recreated up to a minute after a reconnect.
 */
import { Array as Arr, Effect, Stream } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { LogDamaged, LogUnavailable } from "../EventLog.ts";
import { damage, unreadable } from "./GapNats.ts";
import { type Followed, Reader } from "./FollowReaderNats.ts";
import { elapsed } from "../connection/Elapsed.ts";
import { because, retryPauseMillis, unanswered, unavailable } from "../connection/PatienceNats.ts";
import { type ApiError, apiCode, ask } from "../connection/RequestNats.ts";
import { learn, type StreamFacts } from "../connection/StreamNats.ts";

/** The longest pause between two looks at a stream from which nothing comes: it may simply be quiet. */
const longestQuietMillis = 20_000;
/** So often a consumer is replaced that does not deliver what is there; then it is said. */
const mostStalls = 3;
/** So often the server may refuse to make a consumer, within a second; then it is said. */
const mostRefusals = 8;
/** Number of times a bad sign is looked at again, half a second apart, before it is believed: a new leader may be behind. */
const doubts = 4;
const doubtMillis = 500;

const damaged = (sequence: Sequence, reason: string) => new LogDamaged({ sequence, reason });

const stillAway = (millis: number) =>
  Effect.fail(
    new LogUnavailable({
      condition: "logAway",
      reason: `NATS has been away for ${millis / 1000} s`,
      hint: "Begin again when `recollect status` shows it.",
    }),
  );

/** The stream as it is now, however long that takes. A stream that is not there is believed to be gone after a while. */
const learnForSure = Effect.fnUntraced(function* (followed: Followed, cursor: Sequence) {
  const began = yield* elapsed;
  let missing = 0;
  for (let attempt = 0; ; attempt++) {
    const found = yield* learn(followed.connection, { stream: followed.stream, patienceMillis: 0 }).pipe(Effect.result);
    if (found._tag === "Success") {
      if (found.success !== undefined) return found.success;
      if (++missing > doubts) return yield* damaged(cursor, `the stream ${followed.stream} is gone`);
      yield* Effect.sleep(doubtMillis);
    } else {
      const { refused } = followed.connection.link;
      // A server that is refused may be so for days: whoever follows says so, and begins again.
      if (refused !== undefined) return yield* because(refused);
      const there = followed.connection.changes.pipe(
        Stream.filter(({ _tag }) => _tag !== "Away"),
        Stream.take(1),
        Stream.runDrain,
      );
      const { patienceMillis } = followed;
      // A connection that stands is no log: one without a leader, or that hangs, does not answer either.
      if (patienceMillis !== undefined && (yield* elapsed) - began >= patienceMillis)
        return yield* stillAway(patienceMillis);
      if (patienceMillis === undefined) yield* there;
      else yield* Effect.timeoutOrElse(there, { duration: patienceMillis, orElse: () => stillAway(patienceMillis) });
      yield* Effect.sleep(retryPauseMillis(attempt));
    }
  }
});

const isoOf = (millis: number) => new Date(millis).toISOString();

/** Makes sure that the stream is the one that was followed, up to the cursor. */
const verify = Effect.fnUntraced(function* (followed: Followed, reader: Reader, known: StreamFacts | undefined) {
  const { cursor } = reader;
  for (let doubt = 0; ; doubt++) {
    const facts = yield* learnForSure(followed, cursor);
    if (known !== undefined && facts.created !== known.created) {
      return yield* damaged(
        cursor,
        `the stream was made anew or restored: it was of ${isoOf(known.created)} and is now of ${isoOf(facts.created)}`,
      );
    }
    if (facts.lastSequence >= cursor) {
      yield* verifyIdentity(followed, reader, facts);
      return facts;
    }
    if (doubt >= doubts) {
      return yield* damaged(
        cursor,
        `the stream was rolled back: it ends at ${facts.lastSequence}, and ${cursor} has been read`,
      );
    }
    yield* Effect.sleep(doubtMillis);
  }
});

/** After a rollback sequences are given again: what lies at the cursor must be what came from there. */
const verifyIdentity = Effect.fnUntraced(function* (followed: Followed, reader: Reader, facts: StreamFacts) {
  const { cursor, nanos: seen } = reader;
  if (seen === "" || cursor < facts.firstSequence) return;
  const stored = yield* followed.read.at(cursor).pipe(Effect.retry({ times: doubts }));
  if (stored !== undefined && stored.recordedAt === Number(seen.slice(0, -6))) return;
  return yield* damaged(
    cursor,
    stored === undefined
      ? `the event that was read at ${cursor} is not there any more`
      : `the stream was rolled back and sequence ${cursor} given again: it was of ${isoOf(Number(seen.slice(0, -6)))} and is now of ${isoOf(stored.recordedAt)}`,
  );
});

/** Connects the reader to a new consumer that begins after the cursor. */
const attach = Effect.fnUntraced(function* (followed: Followed, reader: Reader, known: StreamFacts | undefined) {
  let refusals = 0;
  for (let attempt = 0; ; attempt++) {
    yield* detach(followed, reader);
    const facts = yield* verify(followed, reader, known).pipe(
      Effect.catchIf(
        (error): error is LogUnavailable => error._tag === "LogUnavailable" && error.condition === undefined,
        () => Effect.succeed(undefined),
      ),
    );
    if (facts === undefined) {
      yield* Effect.sleep(retryPauseMillis(attempt));
      continue;
    }
    // Events that limits removed before we came are no hole: the stream begins where it begins.
    if (reader.cursor + 1 < facts.firstSequence && followed.subject === undefined)
      reader.cursor = facts.firstSequence - 1;
    const { body, subject } = reader.begin();
    const { link, nc } = followed.connection;
    const answer = yield* Effect.promise(() =>
      ask(nc, link, { subject: `$JS.API.${subject}`, payload: JSON.stringify(body), timeoutMillis: 5_000 }),
    );
    if (answer._tag === "Answer") {
      const said: { readonly error?: ApiError } = answer.message.json();
      if (said.error === undefined) {
        reader.start();
        return facts;
      }
      const { code, description, err_code } = said.error;
      if (err_code !== apiCode.streamNotFound) yield* Effect.logWarning(`following the log: ${description}`);
      if (err_code !== apiCode.streamNotFound && code !== 503 && ++refusals >= mostRefusals)
        return yield* unavailable(`the server makes no consumer of the stream: ${description} (${err_code})`);
    } else if (answer.denied !== undefined) return yield* unanswered(answer);
    reader.broken = "lost";
    yield* Effect.sleep(retryPauseMillis(attempt));
  }
});

/** Ends the subscription and removes the consumer, without waiting for it to be gone. */
const detach = (followed: Followed, reader: Reader) =>
  Effect.sync(() => {
    const consumer = reader.end();
    const { link, nc } = followed.connection;
    if (consumer !== "" && link.connected && !nc.isClosed())
      nc.publish(`$JS.API.CONSUMER.DELETE.${followed.stream}.${consumer}`);
  });

/** A sequence did not follow the one before it: is the stream's beginning above it, is it really missing, or was it only the consumer? */
const judgeHole = Effect.fnUntraced(function* (followed: Followed, cursor: Sequence) {
  const missing = cursor + 1;
  const facts = yield* learnForSure(followed, cursor);
  if (facts.firstSequence > missing) return;
  const stored = yield* followed.read.at(missing).pipe(Effect.result);
  if (stored._tag === "Success" && stored.success === undefined) {
    return yield* yield* damage(followed.read, missing, facts.lastSequence);
  }
});

/** Of one history: what the log has of it behind the cursor and the consumer does not deliver. */
const lookWhyQuietOf = Effect.fnUntraced(function* (followed: Followed, reader: Reader, subject: string) {
  const { cursor } = reader;
  const last = yield* followed.read.last(subject).pipe(Effect.orElseSucceed(() => undefined));
  if (last === undefined || last.sequence <= cursor || reader.cursor !== cursor) return;
  if (reader.stalls >= mostStalls) return yield* unreadable({ subject, after: cursor, count: 1 });
  reader.replace();
});

/**
 * Nothing has come for a while. Either the stream is quiet, or the server does not deliver what it has: because it cannot
 * read it, which is said, or because the consumer is no good, and then another takes its place.
 */
const lookWhyQuiet = Effect.fnUntraced(function* (followed: Followed, reader: Reader) {
  reader.quiet = Math.min(reader.quiet * 2, longestQuietMillis);
  const { cursor } = reader;
  const { connection, read, stream, subject } = followed;
  if (subject !== undefined) return yield* lookWhyQuietOf(followed, reader, subject);
  const asked = yield* learn(connection, { stream, patienceMillis: 0 }).pipe(Effect.result);
  // That the log is away, or the stream gone, is found out when the consumer is missed.
  if (asked._tag === "Failure" || asked.success === undefined || asked.success.lastSequence <= cursor) return;
  const stored = yield* read.at(cursor + 1).pipe(Effect.result);
  if (stored._tag === "Failure" || reader.cursor !== cursor) return;
  if (stored.success === undefined) return yield* yield* damage(read, cursor + 1, asked.success.lastSequence);
  if (reader.stalls >= mostStalls) {
    return yield* damaged(cursor + 1, `the server has sequence ${cursor + 1} and delivers it to no consumer`);
  }
  reader.replace();
});

export const follow = (followed: Followed): Stream.Stream<LogEntry, LogUnavailable | LogDamaged> =>
  Stream.fromPull(
    Effect.gen(function* () {
      const reader = new Reader(followed);
      let known: StreamFacts | undefined;
      yield* Effect.addFinalizer(() => detach(followed, reader));
      return Effect.gen(function* () {
        for (;;) {
          const entries = reader.take();
          if (Arr.isReadonlyArrayNonEmpty(entries)) return entries;
          if (reader.broken === "hole") yield* judgeHole(followed, reader.cursor);
          if (reader.broken === undefined) {
            if (yield* reader.more) yield* lookWhyQuiet(followed, reader);
          } else {
            const facts = yield* attach(followed, reader, known);
            known ??= facts;
          }
        }
      });
    }),
  ).pipe(Stream.scoped);
