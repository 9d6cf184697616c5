/**
 * The recorder: traffic between client and server, published as a session and a thread. Runs in a thread of its own.
 *
 * Room: edge.
 *
 * Events go to the publisher in the order in which they were seen, without one being awaited; when many are
 * outstanding, reading on waits, and with it the acknowledgement to the tap.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Clock, Context, Deferred, Effect, Layer, Queue, References, Result, Stream } from "effect";
import { parentPort, workerData } from "node:worker_threads";
import * as Layers from "../../client/Layers.ts";
import * as CacheSharing from "../../coordination/cache/CacheSharingNats.ts";
import { Configuration } from "../../coordination/config/Configuration.ts";
import * as ResponseCache from "../../coordination/cache/ResponseCache.ts";
import { Publisher } from "../../publish/Publisher.ts";
import type { AccessDenied } from "../../log/EventLog.ts";
import type { FromRecorder, RecorderOptions, ToRecorder } from "./Messages.ts";
import * as LimitedCalls from "./LimitedCalls.ts";
import { Lines } from "./Lines.ts";
import { record } from "./Record.ts";
import * as Reuse from "./Reuse.ts";
import { seeing, type Seeing } from "./Protocol.ts";
import type { Direction, Observation } from "./Traffic.ts";

/** Bytes of the journal between two notes that everything is recorded: it begins anew at eight times as much. */
const settleBytes = 1024 * 1024;
/** Events in the publisher at one time. Its own limit is higher, and beyond it it refuses. */
const maxOutstandingEvents = 2_000;
/** The server has ended; if the log can be reached, it gets what the spool holds before we end too. */
const drainMillis = 500;

const options = workerData as RecorderOptions;

/** The server's calls go on whatever ours may: what it does not let us write waits in the spool, and is said once. */
const whenDenied = ({ hint, message }: AccessDenied): void =>
  parentPort?.postMessage(
    {
      _tag: "Warned",
      text: `${message} What is recorded waits in the spool of this machine. ${hint}`,
    } satisfies FromRecorder,
    [],
  );

const place = {
  url: options.url,
  data: options.data,
  tenant: options.tenant,
  access: options.access,
  source: "recollect/wrap",
  whenDenied,
};

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

/** Limits of a session without any: nothing is asked. */
const unlimited = (problems: ReadonlyArray<string> = []) => ({ told: Effect.void, problems });

/** Configuration for limits and caches: made at the first use, once for both. */
const configuration = Effect.cached(Effect.map(Layer.build(Layers.config(place)), Layer.succeedContext));
type Configuring = Effect.Success<typeof configuration>;

/** Answers questions for as long as the session lasts. Limits that cannot be had refuse nothing, and the end says why. */
const limiting = Effect.fnUntraced(function* (questions: Told["questions"], sessionId: string, config: Configuring) {
  if (options.limits === undefined) return unlimited();
  const limits = Layers.limits.pipe(Layer.provideMerge(Layer.unwrap(config)));
  const built = yield* Effect.result(Layer.build(limits));
  const { user } = options.limits;
  const calls = Result.isFailure(built)
    ? undefined
    : yield* Effect.provide(LimitedCalls.make({ sessionId, user }), built.success);
  const answer = ({ number, tool }: Question) =>
    Effect.flatMap(calls?.decide(tool) ?? Effect.undefined, (refusal) => tell({ _tag: "Decided", number, refusal }));
  const answering = Effect.forever(Effect.flatMap(Queue.take(questions), (one) => Effect.forkChild(answer(one))));
  yield* Effect.forkScoped(answering);
  if (Result.isFailure(built)) return unlimited([`limits were not asked: ${built.failure.message}`]);
  return { told: calls?.told ?? Effect.void, problems: [] };
});

/**
 * Reuse of answers, only where it is allowed. With `--cache` the proxy is told of
 * each change which tools are configured. A cache that cannot be had spares nothing, and the end says why.
 */
const reusing = Effect.fnUntraced(function* (traffic: Seeing, config: Configuring) {
  if (options.cacheTools.length === 0 && !options.cache) return { reuse: undefined, problems: [] };
  // Side by side: the server is looked for while the configuration is read.
  const around = Layer.merge(CacheSharing.layerAway, Layer.unwrap(config));
  const built = yield* Effect.result(Layer.build(Layer.provideMerge(ResponseCache.layerCare, around)));
  if (Result.isFailure(built)) {
    return { reuse: undefined, problems: [`no answer was given again: ${built.failure.message}`] };
  }
  const tools = Context.get(built.success, Configuration).watchFamily("cache.responses.tools");
  const telling = Stream.runForEach(tools, (all) => tell({ _tag: "Tools", tools: [...all.keys()] }));
  if (options.cache) yield* Effect.forkScoped(telling);
  const cache = Context.get(built.success, ResponseCache.ResponseCache);
  return { reuse: Reuse.make({ cache, options, traffic }), problems: [] };
});

const run = Effect.fnUntraced(function* ({ questions, traffic: queue }: Told) {
  const publisher = yield* Publisher;
  const traffic = seeing(options.protocol);
  const lines: Record<Direction, Lines> = { toServer: new Lines(), toClient: new Lines() };
  const recording = yield* record({ options, traffic });
  const config = yield* configuration;
  const { problems, reuse } = yield* reusing(traffic, config);
  const limits = yield* limiting(questions, recording.sessionId, config);
  let outstanding = 0;
  let lost = 0;
  let takenBytes = 0;
  let settledBytes = 0;
  let room = yield* Deferred.make<void>();
  /** Everything that was told is in the log or the spool: the journal need not have it any more. */
  const settled = Effect.suspend(() => {
    const isAtRest = outstanding === 0 && lost === 0 && lines.toServer.isAtEnd && lines.toClient.isAtEnd;
    if (!isAtRest || takenBytes - settledBytes < settleBytes) return Effect.void;
    settledBytes = takenBytes;
    return tell({ _tag: "Settled", bytes: takenBytes, state: traffic.state });
  });

  /** Begins to publish, without waiting; the publisher keeps the order. */
  const publish = Effect.fnUntraced(function* (event: Effect.Effect<unknown, unknown>) {
    outstanding++;
    const kept = Effect.tap(Effect.result(event), (result) =>
      Effect.gen(function* () {
        outstanding--;
        if (Result.isFailure(result)) lost++;
        yield* settled;
        if (outstanding < maxOutstandingEvents) yield* Deferred.succeed(room, undefined);
      }),
    );
    yield* Effect.forkChild(kept, { startImmediately: true });
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
    if (message._tag === "Chunk") {
      const { direction, bytes, at } = message;
      const { byteLength } = bytes;
      for (const line of lines[direction].take(bytes)) yield* observe(traffic.see(direction, line, at));
      takenBytes += byteLength;
      yield* tell({ _tag: "Taken", bytes: byteLength });
      yield* settled;
    }
    if (message._tag === "Find") {
      // No line behind it waits: lines are looked at in order, and the caller asks one at a time.
      const { find } = message;
      const looked = reuse?.find(message) ?? Effect.succeed(null);
      const found = Effect.flatMap(looked, (result) => tell({ _tag: "Found", find, result }));
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
    return { lost, problems: [...problems, ...limits.problems] };
  }
});

const layer = Layers.sessions.pipe(
  Layer.provideMerge(Layers.core(place)),
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
