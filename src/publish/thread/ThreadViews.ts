/**
 * A thread as this process knows it: what the log has, and on top of it what waits on this machine for the log.
 *
 * Room: publish.
 *
 * Promises, each a test in `test/publish/ThreadViews.test.ts`:
 * - what this machine has accepted is shown, wherever it is: in the log, on its way, in the spool;
 * - a thread that is deleted or expired reads as one that does not exist, unless the caller asks for it;
 * - with the log away the last known state is shown, and marked as such; where none is known it is an error; no read waits for a log that does not answer
 *   for longer than our patience, and then not again for a while.
 */
import { Clock, Context, Effect, Layer, Result, Stream } from "effect";
import { type History, type Sequence, thread } from "../../domain/History.ts";
import * as Thread from "../../domain/thread/Thread.ts";
import type { ThreadMessage } from "../../domain/thread/ThreadMessage.ts";
import { elapsedUnsafe } from "../../log/connection/Elapsed.ts";
import { EventLog, LogUnavailable } from "../../log/EventLog.ts";
import { type ThreadBehind, ThreadReader } from "../../snapshot/ThreadReader.ts";
import type { Command } from "../../spool/Spool.ts";
import { asRecorded, onto } from "../../spool/Waiting.ts";
import { Publisher } from "../Publisher.ts";
import * as ForkedMessages from "./ForkedMessages.ts";
import { wholeParts } from "./WholeParts.ts";

export interface ThreadView {
  /** Everything known. Sequences of what waits are those after the log's, and say nothing of where it will stand. */
  readonly state: Thread.ThreadState;
  /** Number of its events that the log may not have yet. */
  readonly waiting: number;
  /** False: the log did not answer, and what it had when it was last read here is shown. */
  readonly isCurrent: boolean;
}

interface Reading {
  /** Sequence of an append of the caller's, here or elsewhere, that the answer must hold. */
  readonly atLeast?: Sequence | undefined;
  /** True: also a thread that is deleted or expired. */
  readonly deleted?: boolean | undefined;
}

export class ThreadViews extends Context.Service<
  ThreadViews,
  {
    /**
     * The thread; undefined when neither the log nor this machine has anything of it. Fails where the log does not answer, or
     * cannot prove it, and this process knows nothing of the thread: never an empty thread in its place.
     */
    readonly get: (
      threadId: string,
      options?: Reading,
    ) => Effect.Effect<ThreadView | undefined, ThreadBehind | LogUnavailable>;
    /**
     * Every message, none of them cut, in the order in which they began; those that wait on this machine at the end. A
     * fork begins with those of the thread that it continues, up to where it left it; nothing is copied.
     */
    readonly messages: (
      threadId: string,
      options?: Pick<Reading, "deleted">,
    ) => Stream.Stream<ThreadMessage, LogUnavailable>;
  }
>()("recollect/publish/ThreadViews") {}

/** Longest wait for a log while callers are sent to the spool: what they are made to wait when it goes away. */
const patienceMillis = 250;
/** For so long after that a log that did not answer is not asked again while callers are sent to the spool. */
const restMillis = 1_000;

const none: ReadonlySet<string> = new Set();

interface Known {
  /** Undefined: the log has nothing of it. */
  readonly state: Thread.ThreadState | undefined;
  /** Ids of commands that are listed as waiting and are in the state. */
  readonly met: ReadonlySet<string>;
}

const make = Effect.gen(function* () {
  const publisher = yield* Publisher;
  const reader = yield* ThreadReader;
  const log = yield* EventLog;
  const messagesOf = ForkedMessages.make(log, reader);
  const clock = yield* Clock.Clock;
  let silentAt = Number.NEGATIVE_INFINITY;

  const silent = new LogUnavailable({ reason: `the log did not answer within ${patienceMillis} ms` });

  /**
   * Ids of those commands that the state has: found in the log, behind where the stream ended before the first of them was
   * tried. Nothing is asked where none can be there.
   */
  const metIn = Effect.fnUntraced(function* (
    history: History,
    state: Thread.ThreadState | undefined,
    commands: ReadonlyArray<Command>,
  ) {
    const after = commands.reduce((least, command) => Math.min(least, command.after?.sequence ?? 0), Infinity);
    const last = state?.lastSequence ?? 0;
    if (after >= last) return none;
    const events = log.read({ history, after }).pipe(Stream.takeWhile(({ sequence }) => sequence <= last));
    const listed = new Set(commands.map(({ event }) => event.id));
    const ids = yield* Stream.runCollect(Stream.map(events, ({ id }) => id));
    return new Set(ids.filter((id) => listed.has(id))) as ReadonlySet<string>;
  });

  /** The thread as the log has it, and which of the commands are in it already. */
  const known = Effect.fnUntraced(function* (
    history: History,
    options: Reading,
    commands: ReadonlyArray<Command>,
  ): Effect.fn.Return<Known, ThreadBehind | LogUnavailable> {
    const state = yield* reader.get(history.id, { ...options, tenant: history.tenant });
    if (commands.length === 0) return { state, met: none };
    return { state, met: yield* metIn(history, state, commands) };
  });

  /** A log that callers are kept from may be on its way back, and holds what has left the spool: it is asked, briefly. */
  const ask = Effect.fnUntraced(function* (history: History, options: Reading, commands: ReadonlyArray<Command>) {
    const asking = known(history, options, commands);
    if (publisher.isDirect()) return yield* asking;
    if (elapsedUnsafe(clock) - silentAt < restMillis) return yield* silent;
    return yield* Effect.timeoutOrElse(asking, {
      duration: patienceMillis,
      orElse: () => {
        silentAt = elapsedUnsafe(clock);
        return silent;
      },
    });
  });

  // Without a span: it is a third of a warm read.
  const get = Effect.fnUntraced(function* (threadId: string, options: Reading = {}) {
    const history = thread(threadId, publisher.tenant);
    // First, so that what is delivered meanwhile is in both and not in neither.
    const commands = yield* publisher.waitingFor(history);
    const asked = yield* Effect.result(ask(history, options, commands));
    if (Result.isFailure(asked) && asked.failure._tag === "ThreadBehind") return yield* asked.failure;
    const isCurrent = Result.isSuccess(asked);
    const { met, state: found } = isCurrent
      ? asked.success
      : { state: reader.lastKnown(threadId, { tenant: history.tenant }), met: none };
    if (Result.isFailure(asked) && found === undefined && commands.length === 0) return yield* asked.failure;
    const before = found ?? Thread.empty(history);
    const state = commands.length === 0 ? before : onto(before, commands, met);
    if (state.lastSequence === 0 && isCurrent) return undefined;
    if (options.deleted !== true && Thread.isHidden(state.metadata, clock.currentTimeMillisUnsafe())) return undefined;
    return { state, waiting: state.lastSequence - before.lastSequence, isCurrent } satisfies ThreadView;
  });

  const whole = Effect.fnUntraced(function* (message: ThreadMessage) {
    if (message.segments.every(({ parts }) => parts.every(({ blob }) => blob == null))) return message;
    const segments = yield* Effect.forEach(message.segments, (segment) =>
      Effect.map(wholeParts(segment.parts, publisher.blob), (parts) => ({ ...segment, parts })),
    );
    return { ...message, segments };
  });

  const isHiddenWith = (history: History, commands: ReadonlyArray<Command>) =>
    known(history, {}, commands).pipe(
      // Only a reader that demands a sequence can be behind one.
      Effect.catchTag("ThreadBehind", () => Effect.succeed({ state: undefined, met: none })),
      Effect.map(({ met, state }) => {
        const { metadata } = onto(state ?? Thread.empty(history), commands, met);
        return Thread.isHidden(metadata, clock.currentTimeMillisUnsafe());
      }),
    );

  return ThreadViews.of({
    get,
    messages: (threadId, { deleted = false } = {}) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const history = thread(threadId, publisher.tenant);
          // First, so that what is delivered meanwhile is in both and not in neither.
          const commands = yield* publisher.waitingFor(history);
          if (!deleted && (yield* isHiddenWith(history, commands))) return Stream.empty;
          return messagesOf(history, asRecorded(commands, 0));
        }),
      ).pipe(Stream.mapEffect(whole)),
  });
});

export const layer = Layer.effect(ThreadViews, make);
