/**
 * Whole histories over NATS: a process that has the ledger answers, one elsewhere asks.
 *
 * Room: snapshot.
 *
 * Core request and reply on `recollect-history.<tenant>.<kind>.<id>`, which no stream listens to. The subject alone says
 * which history is asked for, so that a server's permissions can keep the users of one tenant from the others'. One answer is one page, bounded by what a message may carry; who
 * asks sends the next question when he has taken the page, so nobody's memory holds more than one, and a page that is
 * lost is a question without an answer: the reader goes on from the log. Several that answer share the questions.
 *
 * A page is a line of JSON for each event, its body in base64, behind a first line with the number of events and
 * whether the history goes on. What does not read as that is no page. What a page says is believed as any copy is.
 */
import type { Msg } from "@nats-io/transport-node";
import { Effect, Layer, Option, Queue, Result, Schema, Stream } from "effect";
import type { RecordedEvent } from "../domain/Event.ts";
import { type History, Sequence } from "../domain/History.ts";
import { NatsConnection } from "../log/connection/NatsConnectionNats.ts";
import { ask as askNats } from "../log/connection/RequestNats.ts";
import { historyOf, root, subjectOf } from "../log/Subject.ts";
import { HistorySource, SourceUnavailable } from "./HistorySource.ts";

/** Outside of `recollect.*.*.*`, which the stream listens to. */
const firstToken = `${root}-history`;
const queue = "recollect";

/** Longer than SQLite takes for a page; after it the log is asked instead. */
const timeoutMillis = 5_000;
/** Of a page: 700 KiB of bodies in base64, and so the time for which the answering process does nothing else. */
const pageBytes = 1024 * 1024;
/** Of the server's largest message, for a page of one large event: what is larger still comes from the log. */
const largestShare = 0.9;
/** Questions answered at once; each holds a page. */
const atOnce = 4;
/** Questions that wait for that. Beyond them one is not answered, and who asked goes on with the log. */
const mostWaiting = 256;

const Question = Schema.Union([
  Schema.Struct({ ask: Schema.Literal("reach") }),
  Schema.Struct({ ask: Schema.Literal("page"), after: Sequence, upTo: Sequence }),
]);
type Question = typeof Question.Type;

const Reached = Schema.Struct({
  reach: Schema.NullOr(Schema.Struct({ sequence: Sequence, eventId: Schema.String, recordedAt: Schema.Finite })),
});

const PageHead = Schema.Struct({ events: Schema.Natural, isLast: Schema.Boolean });

const maybe = Schema.optionalKey(Schema.String);
/** An event without its history, which the question named. */
const Line = Schema.Struct({
  sequence: Sequence,
  recordedAt: Schema.Finite,
  id: Schema.String,
  type: Schema.String,
  source: Schema.String,
  schemaVersion: Schema.Finite,
  occurredAt: Schema.Finite,
  actor: maybe,
  session: maybe,
  correlationId: maybe,
  causationId: maybe,
  traceparent: maybe,
  extensions: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  body: Schema.String,
});

const decodeQuestion = Schema.decodeUnknownResult(Schema.fromJsonString(Question));
const decodeReached = Schema.decodeUnknownResult(Schema.fromJsonString(Reached));
const decodeHead = Schema.decodeUnknownResult(Schema.fromJsonString(PageHead));
const decodeLine = Schema.decodeUnknownResult(Schema.fromJsonString(Line));

const lineOf = (event: RecordedEvent): string => {
  const { buffer, byteLength, byteOffset } = event.body;
  const body = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
  return JSON.stringify({ ...event, history: undefined, body });
};

/** As many events as one message carries. */
const pageOf = Effect.fnUntraced(function* (
  source: HistorySource,
  question: Parameters<HistorySource["read"]>[0],
  most: number,
) {
  const lines: Array<string> = [];
  let bytes = 0;
  let isCut = false;
  yield* source.read(question).pipe(
    Stream.map(lineOf),
    Stream.takeWhile((line) => {
      const room = bytes === 0 ? most : Math.min(most, pageBytes);
      bytes += Buffer.byteLength(line) + 1;
      isCut = bytes > room;
      return !isCut;
    }),
    Stream.runForEach((line) => Effect.sync(() => lines.push(line))),
  );
  return [JSON.stringify({ events: lines.length, isLast: !isCut }), ...lines].join("\n");
});

/** What was asked, and of which history. */
interface Asked {
  readonly subject: string;
  readonly text: string;
}

const answerTo = (source: HistorySource, { subject, text }: Asked, most: number) => {
  const history = historyOf(subject, firstToken);
  const read = decodeQuestion(text);
  if (history === undefined || Result.isFailure(read))
    return Effect.succeed(JSON.stringify({ problem: "this is no question" }));
  const question = read.success;
  const answer =
    question.ask === "reach"
      ? Effect.map(source.reach(history), (reach) => JSON.stringify({ reach: reach ?? null }))
      : pageOf(source, { ...question, history }, most);
  return answer.pipe(
    Effect.catchTag("SourceUnavailable", ({ reason }) => Effect.succeed(JSON.stringify({ problem: reason }))),
    // A fault of ours must not end the answers to all others.
    Effect.catchDefect((defect) => Effect.succeed(JSON.stringify({ problem: String(defect) }))),
  );
};

/** Answers with the source that is there, until the scope closes. */
export const serve = Layer.effectDiscard(
  Effect.gen(function* () {
    const { nc, serverInfo } = yield* NatsConnection;
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
      const most = serverInfo().max_payload * largestShare;
      const answer = yield* answerTo(source, { subject, text: message.string() }, most);
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

/** What the log says of an event that does not say it. */
const absent = {
  actor: undefined,
  session: undefined,
  correlationId: undefined,
  causationId: undefined,
  traceparent: undefined,
};

/** The events of a page, or that it is none. */
const eventsOf = (text: string, history: History) => {
  const [first = "", ...lines] = text.split("\n");
  const head = decodeHead(first);
  if (Result.isFailure(head) || head.success.events !== lines.length) return unreadable;
  const events: Array<RecordedEvent> = [];
  for (const line of lines) {
    const event = decodeLine(line);
    if (Result.isFailure(event)) return unreadable;
    events.push({ ...absent, ...event.success, history, body: Buffer.from(event.success.body, "base64") });
  }
  return { events, isLast: head.success.isLast };
};

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
      return yield* new SourceUnavailable({ reason: isNobody ? "nobody answers for the ledger" : answer.reason });
    });
    const reach = Effect.fnUntraced(function* (history: History) {
      const answer = decodeReached(yield* ask(history, { ask: "reach" }));
      return Result.isFailure(answer) ? yield* unreadable : (answer.success.reach ?? undefined);
    });
    const read: HistorySource["read"] = ({ after, history, upTo }) =>
      Stream.paginate(after, (from) =>
        Effect.gen(function* () {
          const page = eventsOf(yield* ask(history, { ask: "page", after: from, upTo }), history);
          if (page instanceof SourceUnavailable) return yield* page;
          const last = page.events.at(-1)?.sequence;
          return [
            page.events,
            page.isLast || last === undefined ? Option.none<Sequence>() : Option.some(last),
          ] as const;
        }),
      );
    return { reach, read } satisfies HistorySource;
  }),
);
