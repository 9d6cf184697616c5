/**
 * Live: what is being said at this moment, for those who watch. Nothing here is kept.
 *
 * Room: log.
 *
 * Deltas travel beside the log, on subjects that no stream listens to. They are numbered in their message, and who
 * says them answers what was said so far: so a watcher joins in the middle, or loses some on the way, and still sees
 * each of them once and in order. With NATS away they are dropped for watchers, by design: the message itself is not.
 */
import { Context, Effect, Layer, Queue, type Scope, Schema, Stream } from "effect";
import { maybe } from "../../domain/thread/Content.ts";
import { DraftPart } from "../../domain/thread/Draft.ts";
import { type History, keyOf } from "../../domain/History.ts";

/** The next words of an answer. */
export const LiveDelta = Schema.Struct({
  _tag: Schema.tag("Delta"),
  messageId: Schema.String,
  /** From 0, without a hole in its message. */
  number: Schema.Natural,
  /** The part it belongs to, and how much of that part came before, in UTF-16 units. */
  part: Schema.Natural,
  offset: Schema.Natural,
  delta: DraftPart,
});
export type LiveDelta = typeof LiveDelta.Type;

/** The answer is over; the log has it, or will. `number` is that of the delta that does not come. */
export const LiveEnded = Schema.Struct({
  _tag: Schema.tag("Ended"),
  messageId: Schema.String,
  number: Schema.Natural,
  ending: Schema.Literals(["complete", "aborted"]),
});

export const LiveSaid = Schema.Union([LiveDelta, LiveEnded]);
export type LiveSaid = typeof LiveSaid.Type;

/** Everything said before the delta of that number. */
export const LiveSoFar = Schema.Struct({
  messageId: Schema.String,
  number: Schema.Natural,
  role: maybe(Schema.String),
  model: maybe(Schema.String),
  parts: Schema.Array(DraftPart),
});
export type LiveSoFar = typeof LiveSoFar.Type;

/** Events of a watcher. `SoFar` replaces what it has of that message; every delta goes on where the last one ended. */
export type Watched =
  | (LiveSoFar & { readonly _tag: "SoFar" })
  | LiveSaid
  /** Deltas were lost for good: the next ones do not go on from the last. The log has the message. */
  | { readonly _tag: "Missed"; readonly messageId: string };

export class Live extends Context.Service<
  Live,
  {
    /** Says it to whoever watches. Plain code, because it runs for every delta: never waits, never fails. */
    readonly tell: (history: History, said: LiveSaid) => void;
    /** Answers those who join in the middle of a message, until the scope closes. */
    readonly answerFor: (
      history: History,
      messageId: string,
      soFar: () => LiveSoFar,
    ) => Effect.Effect<void, never, Scope.Scope>;
    /** Text so far of a message; undefined without an answer within a second. */
    readonly ask: (history: History, messageId: string) => Effect.Effect<LiveSoFar | undefined>;
    /** Everything told from now on, as it arrives. */
    readonly listen: (history: History) => Stream.Stream<LiveSaid>;
  }
>()("recollect/log/Live") {}

/** Answers that one thread has at the same time are a handful; a watcher forgets the oldest beyond this. */
const mostAnswers = 64;

/** Messages of a thread while they are written: each from its beginning, without a gap and without a duplicate. */
export const watch = (history: History): Stream.Stream<Watched, never, Live> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const live = yield* Live;
      /** The number that comes next, by message. */
      const next = new Map<string, number>();
      const seen = Effect.fnUntraced(function* (said: LiveSaid): Effect.fn.Return<ReadonlyArray<Watched>> {
        const { messageId, number } = said;
        const expected = next.get(messageId) ?? 0;
        if (number < expected) return [];
        if (number === expected) {
          remember(next, messageId, number + 1);
          return [said];
        }
        const soFar = yield* live.ask(history, messageId);
        const isNew = soFar !== undefined && soFar.number >= number;
        const caught: ReadonlyArray<Watched> = isNew ? [{ _tag: "SoFar", ...soFar }] : [{ _tag: "Missed", messageId }];
        const from = isNew ? soFar.number : number;
        remember(next, messageId, Math.max(from, number + 1));
        return number >= from ? [...caught, said] : caught;
      });
      return live.listen(history).pipe(Stream.mapEffect(seen), Stream.flattenIterable);
    }),
  );

const remember = (next: Map<string, number>, messageId: string, number: number): void => {
  next.delete(messageId);
  next.set(messageId, number);
  const [oldest] = next.keys();
  if (next.size > mostAnswers && oldest !== undefined) next.delete(oldest);
};

/** Deltas that wait for a slow watcher; the oldest go first, and it asks for what was said so far. */
const mostWaiting = 4096;

/** Deltas for a listener, as a stream; `subscribe` gives back how to end it. */
export const listening = (subscribe: (hear: (said: LiveSaid) => void) => () => void): Stream.Stream<LiveSaid> =>
  Stream.callback<LiveSaid>(
    (queue) =>
      Effect.acquireRelease(
        Effect.sync(() => subscribe((said) => void Queue.offerUnsafe(queue, said))),
        (end) => Effect.sync(end),
      ),
    { bufferSize: mostWaiting, strategy: "sliding" },
  );

type Listener = (said: LiveSaid) => void;

/** Within one process: for tests, and the example that the other layers follow. */
export const layerMemory = Layer.sync(Live, () => {
  const listeners = new Map<string, Set<Listener>>();
  const answering = new Map<string, () => LiveSoFar>();
  const nameOf = (history: History, messageId: string) => JSON.stringify([keyOf(history), messageId]);
  return Live.of({
    tell: (history, said) => {
      for (const listener of listeners.get(keyOf(history)) ?? []) listener(said);
    },
    answerFor: (history, messageId, soFar) =>
      Effect.acquireRelease(
        Effect.sync(() => answering.set(nameOf(history, messageId), soFar)),
        () => Effect.sync(() => answering.delete(nameOf(history, messageId))),
      ),
    ask: (history, messageId) => Effect.sync(() => answering.get(nameOf(history, messageId))?.()),
    listen: (history) =>
      listening((listener) => {
        const key = keyOf(history);
        const heard = listeners.get(key) ?? new Set();
        listeners.set(key, heard.add(listener));
        return () => {
          heard.delete(listener);
        };
      }),
  });
});
