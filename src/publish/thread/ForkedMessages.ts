/**
 * The messages of a thread that continues another: those of its parent up to where it left it, then its own.
 *
 * Room: publish.
 *
 * Nothing is copied: the parent's history is read as it was at the fork. A thread of a transcript that only names its
 * parent (a sub-agent's) continues nothing, and begins with its own first message.
 */
import { Effect, Result, Stream } from "effect";
import { type History, type Sequence, thread } from "../../domain/History.ts";
import type { ThreadMessage } from "../../domain/thread/ThreadMessage.ts";
import { decodeData } from "../../domain/Upcast.ts";
import type { RecordedEvent } from "../../domain/Event.ts";
import type { EventLog, LogUnavailable } from "../../log/EventLog.ts";
import type { ThreadReader } from "../../snapshot/ThreadReader.ts";

/** Forks of forks that are followed; a program that forks each turn has as many as its conversation has turns. */
const deepest = 256;
/** The fork is the first event that a program writes into the new thread; what stands before it is a description. */
const mostBefore = 16;

interface Fork {
  readonly parent: History;
  /** The last sequence of the parent that belongs to both. */
  readonly upTo: Sequence;
  readonly messageId: string | undefined;
}

export const make = (log: EventLog["Service"], reader: ThreadReader["Service"]) => {
  const forkOf = Effect.fnUntraced(function* (history: History) {
    const known = yield* Effect.catchTag(
      reader.get(history.id, { tenant: history.tenant }),
      "ThreadBehind",
      () => Effect.undefined,
    );
    if (known?.metadata.parentThreadId === undefined) return undefined;
    const first = yield* log.read({ history }).pipe(
      Stream.take(mostBefore),
      Stream.filter(({ type }) => type === "thread.forked"),
      Stream.take(1),
      Stream.runCollect,
    );
    const [event] = first;
    const decoded = event === undefined ? undefined : Result.getOrUndefined(decodeData(event));
    if (event === undefined || decoded?._tag !== "Known" || decoded.type !== "thread.forked") return undefined;
    const { atMessageId, atSequence, fromThreadId } = decoded.data;
    const parent = thread(fromThreadId, history.tenant);
    return { parent, upTo: atSequence ?? event.sequence, messageId: atMessageId ?? undefined } satisfies Fork as Fork;
  });

  const upTo = (
    history: History,
    at: Sequence | undefined,
    depth: number,
    waiting: ReadonlyArray<RecordedEvent> = [],
  ): Stream.Stream<ThreadMessage, LogUnavailable> => {
    const own = reader.messages(history.id, {
      tenant: history.tenant,
      ...(at === undefined ? {} : { at }),
      ...(waiting.length === 0 ? {} : { waiting }),
    });
    if (depth >= deepest) return own;
    const inherited = Stream.unwrap(
      Effect.map(forkOf(history), (fork) => {
        if (fork === undefined) return Stream.empty;
        const before = upTo(fork.parent, fork.upTo, depth + 1);
        return fork.messageId === undefined
          ? before
          : Stream.takeUntil(before, ({ messageId }) => messageId === fork.messageId);
      }),
    );
    return Stream.concat(inherited, own);
  };

  /** `waiting` are events of the thread that the log does not have yet. */
  return (history: History, waiting: ReadonlyArray<RecordedEvent>) => upTo(history, undefined, 0, waiting);
};
