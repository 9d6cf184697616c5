/**
 * True when a connection keeps its process alive. A program's own does not: it ends when nothing is in flight.
 *
 * Room: log.
 *
 * The client of NATS offers no such option: its socket and two repeating timers are let go of here. Tried with
 * `@nats-io/nats-core` 3.4; `test/client/Forgotten.test.ts` is red where they are elsewhere.
 */
import { Heartbeat, IdleHeartbeatMonitor } from "@nats-io/nats-core/internal";
import { Clock, Context, Duration, Effect, Layer } from "effect";

/** `no`: sockets and timers of this runtime's connections let the process end; who waits for something holds it. */
export const HoldsProcess = Context.Reference<"yes" | "no">("recollect/log/HoldsProcess", {
  defaultValue: () => "yes",
});

interface Timed {
  timer?: unknown;
  _schedule: () => void;
}

interface Unreferenced {
  readonly unref: () => void;
}

const canLetGo = (value: unknown): value is Unreferenced =>
  typeof value === "object" && value !== null && "unref" in value && typeof value.unref === "function";

const letGo = (value: unknown): void => {
  if (canLetGo(value)) value.unref();
};

let isPatched = false;

/** Pings, and the heartbeats of consumers: a process that does nothing else may end. */
const letTimersGo = (): void => {
  if (isPatched) return;
  isPatched = true;
  for (const { prototype } of [Heartbeat, IdleHeartbeatMonitor]) {
    const timed = prototype as unknown as Timed;
    const schedule = timed._schedule;
    timed._schedule = function (this: Timed) {
      schedule.call(this);
      letGo(this.timer);
    };
  }
};

/** Before a client is made: what it begins with is let go of, too. */
export const prepare: Effect.Effect<void> = Effect.map(HoldsProcess, (holds) => {
  if (holds === "no") letTimersGo();
});

/** After each connect and reconnect: the socket is another one then. */
export const letSocketGo = Effect.fnUntraced(function* (nc: object) {
  if ((yield* HoldsProcess) === "yes") return;
  const protocol: unknown = Reflect.get(nc, "protocol");
  const transport: unknown =
    typeof protocol === "object" && protocol !== null ? Reflect.get(protocol, "transport") : undefined;
  if (typeof transport === "object" && transport !== null) letGo(Reflect.get(transport, "socket"));
});

const longestMillis = 2 ** 31 - 1;

/** Sleeps as the system's clock does, and holds no process. A pause too long for a timer is slept in pieces. */
const sleepLoosely = (millis: number): Effect.Effect<void> => {
  if (millis <= 0) return Effect.yieldNow;
  if (!Number.isFinite(millis)) return Effect.never;
  const piece = Math.min(millis, longestMillis);
  return Effect.callback((resume) => {
    const timer = setTimeout(() => resume(millis > piece ? sleepLoosely(millis - piece) : Effect.void), piece);
    timer.unref();
    return Effect.sync(() => clearTimeout(timer));
  });
};

const looseClock = Layer.effect(
  Clock.Clock,
  Effect.map(Clock.Clock, (clock): Clock.Clock => {
    const sleep = (duration: Duration.Duration) => sleepLoosely(Duration.toMillis(duration));
    return Object.create(clock, { sleep: { value: sleep } });
  }),
);

/** For a runtime that does not hold its process: neither by connections nor by sleepers. */
export const loose = Layer.merge(Layer.succeed(HoldsProcess, "no"), looseClock);
