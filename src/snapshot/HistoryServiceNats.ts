/**
 * Whole histories over NATS: a process that has the ledger says where the events of a history stand, and one elsewhere
 * reads those very places of the stream.
 *
 * Room: snapshot.
 *
 * Core request and reply on `recollect-history.<tenant>.<kind>.<id>`, which no stream listens to. The subject alone says
 * which history is asked for, so that a server's permissions can keep the users of one tenant from the others'. Several that
 * answer share the questions.
 *
 * Promise: a false answer is never believed. It names sequences and nothing else; the events come from the log itself, and
 * the log says how many there are of the history. So an answer that leaves one out, or names one too many or another
 * history's, is none, and the reader goes on with the log.
 *
 * Decision: places and not events, because whoever may subscribe may answer, and the log has no key to check an event
 * with; reading the log by sequence costs 0.1 ms an event and no scan of its blocks, which is what makes a long history slow.
 */
import type { Msg } from "@nats-io/transport-node";
import { Effect, Layer, Option, Queue, Result, Schema, Stream } from "effect";
import { isMisfit, type RecordedEvent } from "../domain/Event.ts";
import { type History, keyOf, Sequence } from "../domain/History.ts";
import { NatsConnection } from "../log/connection/NatsConnectionNats.ts";
import { ask as askNats } from "../log/connection/RequestNats.ts";
import { defaultStream } from "../log/connection/StreamNats.ts";
import { entryOf } from "../log/Envelope.ts";
import { StreamEnd } from "../log/EventLog.ts";
import * as DirectGet from "../log/read/DirectGetNats.ts";
import { historyOf, root, subjectOf } from "../log/Subject.ts";
import { HistorySource, SourceUnavailable } from "./HistorySource.ts";

/** Outside of `recollect.*.*.*`, which the stream listens to. */
const firstToken = `${root}-history`;
const queue = "recollect";

/** Longer than SQLite takes for a page; after it the log is asked instead. */
const timeoutMillis = 5_000;
/** Patience for a log that does not answer, milliseconds: after that the reader asks it in its own way. */
const patienceMillis = 5_000;
/** Sequences in one answer: some 180 KB. */
const mostSequences = 20_000;
/** Of one history: its sequences lie in memory, 8 bytes each. A longer one comes from the log. */
const mostOfOne = 5_000_000;
/** Events read from the log at once, and given on together. */
const atOncePlaces = 32;
const chunkEvents = 256;
/** Questions answered at once. */
const atOnce = 4;
/** Questions that wait for that. Beyond them one is not answered, and who asked goes on with the log. */
const mostWaiting = 256;

const Question = Schema.Union([
  Schema.Struct({ ask: Schema.Literal("reach") }),
  Schema.Struct({ ask: Schema.Literal("places"), after: Sequence, upTo: Sequence }),
]);
type Question = typeof Question.Type;

const Reached = Schema.Struct({
  reach: Schema.NullOr(
    Schema.Struct({
      sequence: Sequence,
      eventId: Schema.String,
      recordedAt: Schema.Finite,
      of: Schema.optionalKey(StreamEnd),
    }),
  ),
});

const Places = Schema.Struct({ places: Schema.Array(Sequence), isLast: Schema.Boolean });

const decodeQuestion = Schema.decodeUnknownResult(Schema.fromJsonString(Question));
const decodeReached = Schema.decodeUnknownResult(Schema.fromJsonString(Reached));
const decodePlaces = Schema.decodeUnknownResult(Schema.fromJsonString(Places));

/** Places of the events, as many as one message carries. */
const placesOf = Effect.fnUntraced(function* (source: HistorySource, question: Parameters<HistorySource["read"]>[0]) {
  const places =
    source.places === undefined
      ? yield* source.read(question).pipe(
          Stream.map(({ sequence }) => sequence),
          Stream.take(mostSequences),
          Stream.runCollect,
        )
      : yield* source.places({ ...question, limit: mostSequences });
  return JSON.stringify({ places, isLast: places.length < mostSequences });
});

/** A question, and its history. */
interface Asked {
  readonly subject: string;
  readonly text: string;
}

const answerTo = (source: HistorySource, { subject, text }: Asked) => {
  const history = historyOf(subject, firstToken);
  const read = decodeQuestion(text);
  if (history === undefined || Result.isFailure(read))
    return Effect.succeed(JSON.stringify({ problem: "this is no question" }));
  const question = read.success;
  const answer =
    question.ask === "reach"
      ? Effect.map(source.reach(history), (reach) => JSON.stringify({ reach: reach ?? null }))
      : placesOf(source, { ...question, history });
  return answer.pipe(
    Effect.catchTag("SourceUnavailable", ({ reason }) => Effect.succeed(JSON.stringify({ problem: reason }))),
    // A fault of ours must not end the answers to all others.
    Effect.catchDefect((defect) => Effect.succeed(JSON.stringify({ problem: String(defect) }))),
  );
};

/** Answers with the source that is there, until the scope closes. */
export const serve = Layer.effectDiscard(
  Effect.gen(function* () {
    const { nc } = yield* NatsConnection;
    const source = yield* HistorySource;
    const asked = yield* Queue.dropping<Msg>(mostWaiting);
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        nc.subscribe(`${firstToken}.*.*.*`, {
          queue,
          callback: (error, message) => {
            if (error === null) Queue.offerUnsafe(asked, message);
          },
        }),
      ),
      (opened) => Effect.sync(() => opened.unsubscribe()),
    );
    const respond = Effect.fnUntraced(function* (message: Msg) {
      const { subject } = message;
      const answer = yield* answerTo(source, { subject, text: message.string() });
      // An answer to a connection that is gone goes nowhere; the client throws when it was closed.
      yield* Effect.ignore(Effect.try(() => message.respond(answer)));
    });
    yield* Stream.fromQueue(asked).pipe(
      Stream.mapEffect(respond, { concurrency: atOnce, unordered: true }),
      Stream.runDrain,
      Effect.forkScoped,
    );
  }),
);

const unreadable = new SourceUnavailable({ reason: "the answer cannot be read" });
const untrue = new SourceUnavailable({ reason: "the answer is not what the log says" });

/** The source of a process that has no ledger: whoever answers on the same server. */
export const layer = Layer.effect(
  HistorySource,
  Effect.gen(function* () {
    const { link, nc } = yield* NatsConnection;
    const ask = Effect.fnUntraced(function* (history: History, question: Question) {
      const asked = { subject: subjectOf(history, firstToken), payload: JSON.stringify(question), timeoutMillis };
      const answer = yield* Effect.promise(() => askNats(nc, link, asked));
      if (answer._tag === "Answer") return answer.message.string();
      const isNobody = answer.why === "nobody";
      return yield* new SourceUnavailable({ reason: isNobody ? "no daemon answers for the ledger" : answer.reason });
    });
    const reach = Effect.fnUntraced(function* (history: History) {
      const answer = decodeReached(yield* ask(history, { ask: "reach" }));
      return Result.isFailure(answer) ? yield* unreadable : (answer.success.reach ?? undefined);
    });
    const get = DirectGet.make({ nc, link, patienceMillis });
    const fromLog = <A>(asked: Effect.Effect<A, { readonly reason: string }>) =>
      Effect.mapError(asked, ({ reason }) => new SourceUnavailable({ reason }));

    /** Number of events of the history in the log after a sequence. */
    const countAfter = (history: History, after: Sequence) =>
      Effect.map(
        fromLog(get.batch(defaultStream, { seq: after + 1, next_by_subj: subjectOf(history) }, 1)),
        ([first]) => (first === undefined ? 0 : first.pending + 1),
      );

    /** Every place after one sequence and up to another, as many as the log has events. */
    const placesIn = Effect.fnUntraced(function* (history: History, after: Sequence, upTo: Sequence) {
      const places: Array<Sequence> = [];
      const count = (yield* countAfter(history, after)) - (yield* countAfter(history, upTo));
      if (count > mostOfOne) return yield* untrue;
      for (let last = after, isLast = false; !isLast;) {
        const answer = decodePlaces(yield* ask(history, { ask: "places", after: last, upTo }));
        if (Result.isFailure(answer)) return yield* unreadable;
        for (const place of answer.success.places) {
          if (place <= last || place > upTo || places.length === count) return yield* untrue;
          places.push(place);
          last = place;
        }
        isLast = answer.success.isLast || answer.success.places.length === 0;
      }
      return places.length === count ? places : yield* untrue;
    });

    const eventAt = Effect.fnUntraced(function* (history: History, sequence: Sequence) {
      const found = yield* fromLog(get.one(defaultStream, { seq: sequence }, "any"));
      const entry = found === undefined ? undefined : entryOf(found);
      if (entry === undefined || isMisfit(entry) || keyOf(entry.history) !== keyOf(history)) return yield* untrue;
      return entry;
    });

    const read: HistorySource["read"] = ({ after, history, upTo }) =>
      Stream.unwrap(
        Effect.map(placesIn(history, after, upTo), (places) =>
          Stream.paginate(0, (from) =>
            Effect.map(
              Effect.forEach(places.slice(from, from + chunkEvents), (place) => eventAt(history, place), {
                concurrency: atOncePlaces,
              }),
              (events: ReadonlyArray<RecordedEvent>) => {
                const next = from + chunkEvents;
                return [events, next < places.length ? Option.some(next) : Option.none<number>()] as const;
              },
            ),
          ),
        ),
      );
    return { reach, read } satisfies HistorySource;
  }),
);
