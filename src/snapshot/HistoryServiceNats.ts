/**
 * Whole histories over NATS: a process that has the ledger answers, one elsewhere asks.
 *
 * Room: snapshot. In: log (the connection), HistorySource. Out: main.
 *
 * Core request and reply on a subject of no stream. One answer is one page, bounded by what a message may carry; who
 * asks sends the next question when he has taken the page, so nobody's memory holds more than one, and a page that is
 * lost is a question without an answer: the reader goes on from the log. Several that answer share the questions.
 *
 * A page is a line of JSON for each event, its body in base64, behind a first line with the number of events and
 * whether the history goes on. What does not read as that is no page. What a page says is believed as any copy is.
 */
import { type Msg, RequestError, TimeoutError } from "@nats-io/transport-node";
import { Effect, Layer, Option, Result, Schema, Stream } from "effect";
import type { RecordedEvent } from "../domain/Event.ts";
import { History, Sequence } from "../domain/History.ts";
import { NatsConnection } from "../log/NatsConnectionNats.ts";
import { HistorySource, SourceUnavailable } from "./HistorySource.ts";

/** Outside of `recollect.*.*.*`, which the stream listens to. */
const subject = "recollect-history";
const queue = "recollect";

/** Longer than SQLite takes for a page; after it the log is asked instead. */
const timeoutMillis = 5_000;
/** Of a page: 700 KiB of bodies in base64, and so the time for which the answering process does nothing else. */
const pageBytes = 1024 * 1024;
/** Of the server's largest message, for a page of one large event: what is larger still comes from the log. */
const largestShare = 0.9;
/** Questions answered at once; each holds a page. */
const atOnce = 4;

const Question = Schema.Union([
  Schema.Struct({ ask: Schema.Literal("reach"), history: History }),
  Schema.Struct({ ask: Schema.Literal("page"), history: History, after: Sequence, upTo: Sequence }),
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
  question: Extract<Question, { readonly ask: "page" }>,
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

const answerTo = (source: HistorySource, text: string, most: number) => {
  const read = decodeQuestion(text);
  if (Result.isFailure(read)) return Effect.succeed(JSON.stringify({ problem: "this is no question" }));
  const question = read.success;
  const answer =
    question.ask === "reach"
      ? Effect.map(source.reach(question.history), (reach) => JSON.stringify({ reach: reach ?? null }))
      : pageOf(source, question, most);
  return Effect.catchTag(answer, "SourceUnavailable", ({ reason }) =>
    Effect.succeed(JSON.stringify({ problem: reason })),
  );
};

/** Answers with the source that is there, until the scope closes. */
export const serve = Layer.effectDiscard(
  Effect.gen(function* () {
    const { link, nc, serverInfo } = yield* NatsConnection;
    const source = yield* HistorySource;
    const subscription = yield* Effect.acquireRelease(
      Effect.sync(() => nc.subscribe(subject, { queue })),
      (opened) => Effect.sync(() => opened.unsubscribe()),
    );
    const respond = (message: Msg) =>
      Effect.map(answerTo(source, message.string(), serverInfo().max_payload * largestShare), (answer) => {
        if (link.connected) message.respond(answer);
      });
    yield* Stream.fromAsyncIterable(subscription, () => undefined).pipe(
      Stream.mapEffect(respond, { concurrency: atOnce, unordered: true }),
      Stream.runDrain,
      Effect.ignore,
      Effect.forkScoped,
    );
  }),
);

const unreadable = new SourceUnavailable({ reason: "the answer cannot be read" });

const why = (error: unknown): string => {
  if (error instanceof RequestError && error.isNoResponders()) return "nobody answers for the ledger";
  if (error instanceof TimeoutError) return `no answer within ${timeoutMillis} ms`;
  return error instanceof Error ? error.message : String(error);
};

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
    const ask = (question: Question) =>
      link.connected
        ? Effect.tryPromise({
            try: () => nc.request(subject, JSON.stringify(question), { timeout: timeoutMillis }),
            catch: (error) => new SourceUnavailable({ reason: why(error) }),
          }).pipe(Effect.map((message) => message.string()))
        : Effect.fail(new SourceUnavailable({ reason: "NATS is away" }));
    const reach = Effect.fnUntraced(function* (history: History) {
      const answer = decodeReached(yield* ask({ ask: "reach", history }));
      return Result.isFailure(answer) ? yield* unreadable : (answer.success.reach ?? undefined);
    });
    const read: HistorySource["read"] = ({ after, history, upTo }) =>
      Stream.paginate(after, (from) =>
        Effect.gen(function* () {
          const page = eventsOf(yield* ask({ ask: "page", history, after: from, upTo }), history);
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
