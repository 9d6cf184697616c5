/**
 * The recorder: what passed between client and server, published as a session and a thread. Runs in a thread of its own.
 *
 * Room: edge. In: LimitedCalls, Lines, Traffic, publish. Out: none (started by Tap).
 *
 * Events go to the publisher in the order in which they were seen and nobody awaits them one by one; when many are
 * outstanding, reading on waits, and with it the acknowledgement to the tap.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Clock, Deferred, Effect, Layer, Option, Queue, References, Result } from "effect";
import { parentPort, workerData } from "node:worker_threads";
import * as Caches from "../../coordination/Caches.ts";
import * as PresentSessions from "../../coordination/PresentSessions.ts";
import * as LimitsWhenNeeded from "../../coordination/LimitsWhenNeeded.ts";
import * as ResponseCache from "../../coordination/ResponseCache.ts";
import { Publisher } from "../../publish/Publisher.ts";
import type { FromRecorder, RecorderOptions, ToRecorder } from "./Messages.ts";
import * as LimitedCalls from "./LimitedCalls.ts";
import { Lines } from "./Lines.ts";
import { record } from "./Record.ts";
import * as Reuse from "./Reuse.ts";
import { type Direction, type Observation, Traffic } from "./Traffic.ts";

/** Events in the publisher at one time. Its own limit is higher, and beyond it it refuses. */
const maxOutstandingEvents = 2_000;
/** The server has ended; if the log can be reached, it gets what the spool holds before we end too. */
const drainMillis = 500;

const options = workerData as RecorderOptions;
const place = { url: options.url, data: options.data, tenant: options.tenant, source: "recollect/wrap" };

const tell = (message: FromRecorder) => Effect.sync(() => parentPort?.postMessage(message, []));

type Question = Extract<ToRecorder, { _tag: "Ask" }>;

/**
 * Everything the tap says, in order, from the moment this file runs: the publisher may take longer to be there.
 * Questions by themselves, because a call waits for the answer.
 */
const told = Effect.gen(function* () {
  const traffic = yield* Queue.unbounded<Exclude<ToRecorder, Question>>();
  const questions = yield* Queue.unbounded<Question>();
  parentPort?.on("message", (message: ToRecorder) => {
    if (message._tag === "Ask") Queue.offerUnsafe(questions, message);
    else Queue.offerUnsafe(traffic, message);
  });
  return { traffic, questions };
});
type Told = Effect.Success<typeof told>;

/** What a session without limits has: nothing is asked of it. */
const unlimited = (why?: string) => ({ told: Effect.void, unlimited: why });

/** Answers questions for as long as the session lasts. Limits that cannot be had refuse nothing, and the end says why. */
const limiting = Effect.fnUntraced(function* (questions: Told["questions"], sessionId: string) {
  if (options.limits === undefined) return unlimited();
  const built = yield* Effect.result(Layer.build(LimitsWhenNeeded.layer(place)));
  const { user } = options.limits;
  const calls = Result.isFailure(built)
    ? undefined
    : yield* Effect.provide(LimitedCalls.make({ sessionId, user }), built.success);
  const answer = ({ number, tool }: Question) =>
    Effect.flatMap(calls?.decide(tool) ?? Effect.undefined, (refusal) => tell({ _tag: "Decided", number, refusal }));
  const answering = Effect.forever(Effect.flatMap(Queue.take(questions), (one) => Effect.forkChild(answer(one))));
  yield* Effect.forkScoped(answering);
  if (Result.isFailure(built)) return unlimited(built.failure.message);
  return { told: calls?.told ?? Effect.void, unlimited: undefined };
});

const run = Effect.fnUntraced(function* ({ questions, traffic: queue }: Told) {
  const publisher = yield* Publisher;
  const traffic = new Traffic();
  const lines: Record<Direction, Lines> = { toServer: new Lines(), toClient: new Lines() };
  const recording = yield* record({ options, traffic });
  const cache = yield* Effect.serviceOption(ResponseCache.ResponseCache);
  const reuse = Option.getOrUndefined(Option.map(cache, (there) => Reuse.make({ cache: there, options, traffic })));
  const limits = yield* limiting(questions, recording.sessionId);
  let outstanding = 0;
  let lost = 0;
  let room = yield* Deferred.make<void>();

  /** Begins to publish; nobody waits here, and the publisher keeps the order. */
  const publish = Effect.fnUntraced(function* (event: Effect.Effect<unknown, unknown>) {
    outstanding++;
    const settled = Effect.tap(Effect.result(event), (result) =>
      Effect.gen(function* () {
        outstanding--;
        if (Result.isFailure(result)) lost++;
        if (outstanding < maxOutstandingEvents) yield* Deferred.succeed(room, undefined);
      }),
    );
    yield* Effect.forkChild(settled, { startImmediately: true });
    if (outstanding < maxOutstandingEvents) return;
    room = yield* Deferred.make<void>();
    yield* Deferred.await(room);
  });

  const observe = Effect.fnUntraced(function* (observations: ReadonlyArray<Observation>) {
    for (const event of observations.flatMap(recording.observed)) yield* publish(event);
    if (reuse !== undefined) for (const observation of observations) yield* reuse.observed(observation);
  });

  for (;;) {
    const message = yield* Queue.take(queue);
    if (message._tag === "Gap") lines[message.direction].gap();
    if (message._tag === "Chunk") {
      const { direction, bytes, at } = message;
      const { byteLength } = bytes;
      for (const line of lines[direction].take(bytes)) yield* observe(traffic.see(direction, line, at));
      yield* tell({ _tag: "Taken", bytes: byteLength });
    }
    if (message._tag === "Find" && reuse !== undefined) {
      // Nobody behind it waits for it: lines are looked at in order, and the caller asks one at a time.
      const { find } = message;
      const found = Effect.flatMap(reuse.find(message), (result) => tell({ _tag: "Found", find, result }));
      yield* Effect.forkChild(found, { startImmediately: true });
    }
    const again = message._tag === "Went" ? reuse?.went(message) : undefined;
    if (again !== undefined) yield* publish(recording.reused(again, yield* Clock.currentTimeMillis));
    if (message._tag !== "Ended") continue;
    const { ended, at } = message;
    const line = lines.toClient.end();
    if (line !== undefined) yield* observe(traffic.see("toClient", line, at));
    yield* observe(traffic.end(at));
    yield* limits.told;
    // Awaited: behind its event the session is taken out of the list.
    const last = yield* Effect.result(recording.ended(ended, at));
    if (Result.isFailure(last)) lost++;
    yield* publisher.flush;
    yield* Effect.timeoutOption(publisher.drained, drainMillis);
    return { lost, unlimited: limits.unlimited };
  }
});

/** A cache only where somebody allowed a tool: it costs a connection. */
const caching =
  options.cacheTools.length === 0 ? Layer.empty : ResponseCache.layerCare.pipe(Layer.provide(Caches.around(place)));

const layer = caching.pipe(
  Layer.provideMerge(PresentSessions.layer(place)),
  Layer.provideMerge(NodeServices.layer),
  // Log lines belong nowhere: the server's standard error is its own.
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None")),
);

const program = Effect.gen(function* () {
  const all = yield* told;
  const done = yield* Effect.scoped(Effect.provide(run(all), layer));
  yield* tell({ _tag: "Done", ...done });
});

await Effect.runPromise(program);
parentPort?.unref();
