/**
 * The gate of a connection: open while the server is there and, with a guard, is the one that is meant.
 *
 * Room: log.
 *
 * A socket that is connected again leads to whoever listens on that port now. So the gate stays shut until the guard
 * has looked, and whoever waits for the connection waits for that. While it is open the guard looks again every ten
 * seconds, and at once when a caller doubts: a stream can be deleted or changed under a connection that holds.
 */
import { Clock, Effect, type Scope, SubscriptionRef, type Stream } from "effect";
import type { NatsConnection as Client } from "@nats-io/transport-node";
import { elapsedUnsafe } from "./Elapsed.ts";
import type { Guard, Link, LinkState, Verdict } from "./LinkNats.ts";
import type { LogCondition } from "./LogCondition.ts";
import type { Replies } from "./RepliesNats.ts";

/** A look costs the server a fraction of a millisecond. A change by others is known this soon. */
const lookMillis = 10_000;
/** A server that was refused, or did not answer the guard, is asked again this often. */
const refusedLookMillis = 1_000;
/** Doubts that come more often than this are one. */
const doubtMillis = 250;

interface Gate {
  readonly link: Link;
  readonly changes: Stream.Stream<LinkState>;
  readonly state: Effect.Effect<LinkState>;
  readonly conditions: () => ReadonlyArray<LogCondition>;
  /** The first look of a connection that was just made. */
  readonly first: Effect.Effect<void, never, Scope.Scope>;
  readonly lookAgain: Effect.Effect<void>;
  readonly lost: Effect.Effect<void>;
  /** While it is away: the server takes our credentials no longer. */
  readonly denied: (condition: LogCondition) => void;
  /** The socket is connected again. */
  readonly back: (server: string) => Effect.Effect<void>;
}

const isSame = (before: LinkState, now: LinkState): boolean =>
  before._tag === now._tag &&
  (before._tag !== "Refused" || now._tag !== "Refused" || before.condition.message === now.condition.message);

export const make = Effect.fnUntraced(function* (options: {
  readonly nc: Client;
  readonly replies: Replies;
  readonly route: Link["route"];
  readonly writes: Link["writes"];
  readonly guard: Guard | undefined;
}): Effect.fn.Return<Gate> {
  const { guard, nc, replies, route, writes } = options;
  const clock = yield* Clock.Clock;
  const callbacks = new Set<() => void>();
  let wake: (() => void) | undefined;
  let doubtedAt = Number.NEGATIVE_INFINITY;
  /** The socket alone: only the guard asks over it. */
  const socket = {
    replies,
    route,
    writes,
    connected: true,
    refused: undefined,
    lostAt: undefined as number | undefined,
    onLost: (callback: () => void) => {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    doubt: () => undefined,
  };
  const link = {
    replies,
    route,
    writes,
    connected: guard === undefined,
    refused: undefined as LogCondition | undefined,
    lostAt: guard === undefined ? undefined : elapsedUnsafe(clock),
    onLost: socket.onLost,
    doubt: () => {
      const now = elapsedUnsafe(clock);
      if (now - doubtedAt < doubtMillis) return;
      doubtedAt = now;
      wake?.();
    },
  };
  const sinceNow = () => clock.currentTimeMillisUnsafe();
  const state = yield* SubscriptionRef.make<LinkState>(
    guard === undefined
      ? { _tag: "Connected", server: nc.getServer(), since: sinceNow() }
      : { _tag: "Away", since: sinceNow() },
  );

  const become = Effect.fnUntraced(function* (now: LinkState) {
    if (isSame(yield* SubscriptionRef.get(state), now)) return;
    yield* SubscriptionRef.set(state, now);
    if (now._tag === "Refused") {
      yield* Effect.logWarning(`NATS at ${now.server}: ${now.condition.message} ${now.condition.hint}`);
    }
  });

  const shut = (refused: LogCondition | undefined) => {
    const wasOpen = link.connected;
    link.connected = false;
    link.refused = refused;
    link.lostAt ??= elapsedUnsafe(clock);
    if (!wasOpen && socket.connected) return;
    const waiting = [...callbacks];
    callbacks.clear();
    for (const callback of waiting) callback();
  };

  const open = (server: string) => {
    link.connected = true;
    link.refused = undefined;
    link.lostAt = undefined;
    return become({ _tag: "Connected", server, since: sinceNow() });
  };

  const apply = (verdict: Verdict, server: string) => {
    if (!socket.connected) return Effect.void;
    if (verdict._tag === "Admitted") return open(server);
    if (verdict._tag === "Unsure") return Effect.void;
    shut(verdict.condition);
    return become({ _tag: "Refused", server, since: sinceNow(), condition: verdict.condition });
  };

  const look =
    guard === undefined
      ? Effect.void
      : Effect.gen(function* () {
          if (!socket.connected) return;
          const server = nc.getServer();
          const verdict = yield* guard.look({ nc, link: socket });
          yield* apply(verdict, server);
        });

  /** Returns after a while, when a caller doubts, or when the socket is back. */
  const pause = (millis: number) =>
    Effect.callback<void>((resume) => {
      const finish = () => {
        clearTimeout(timer);
        wake = undefined;
        resume(Effect.void);
      };
      const timer = setTimeout(finish, millis);
      // The socket or a waiting caller holds the process: a look that may come does not.
      timer.unref();
      wake = finish;
      return Effect.sync(() => {
        clearTimeout(timer);
        wake = undefined;
      });
    });

  const keepLooking = Effect.suspend(() => pause(link.connected ? lookMillis : refusedLookMillis)).pipe(
    Effect.andThen(look),
    Effect.forever,
  );

  return {
    link,
    changes: SubscriptionRef.changes(state),
    state: SubscriptionRef.get(state),
    conditions: () => (link.refused === undefined ? (guard?.conditions() ?? []) : [link.refused]),
    first: guard === undefined ? Effect.void : Effect.andThen(look, Effect.asVoid(Effect.forkScoped(keepLooking))),
    lookAgain: look,
    lost: Effect.suspend(() => {
      socket.connected = false;
      socket.lostAt ??= elapsedUnsafe(clock);
      shut(undefined);
      return become({ _tag: "Away", since: sinceNow() });
    }),
    denied: (condition: LogCondition) => {
      if (!socket.connected) link.refused = condition;
    },
    back: (server: string) =>
      Effect.suspend(() => {
        socket.connected = true;
        socket.lostAt = undefined;
        if (guard === undefined) return open(server);
        wake?.();
        return Effect.void;
      }),
  };
});
