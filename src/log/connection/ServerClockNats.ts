/**
 * The server's time, as good as half a round trip, without asking for it each time.
 *
 * Room: log.
 *
 * Processes on several machines go by it, and so do processes of one machine whose clock is set: what is learnt of the
 * distance between the two clocks is learnt anew every minute, and at once when the machine's clock was set, or when the
 * machine has slept. Both show as a wall clock that went on otherwise than the monotonic one.
 */
import { Clock, Effect } from "effect";
import type { NatsConnection } from "./NatsConnectionNats.ts";

/** Drift between two machines' clocks is some milliseconds in so long. */
const freshMillis = 60_000;
/** Gain or loss in a minute that tells a clock that was set from one that is only adjusted. */
const stepMillis = 100;
/** A clock so far from the machine's own is a test's, and its time is the test's. */
const foreignMillis = 1_000;

/** Any question whose answer holds the server's time, ISO 8601. */
type Question = () => Promise<object>;

interface Learnt {
  /** The server's clock minus ours. */
  readonly skewMillis: number;
  readonly wallAt: number;
  readonly monotonicAt: number;
}

/** The server's clock minus this machine's, milliseconds; undefined where the server does not say. */
export const skewOf = Effect.fnUntraced(function* ({ jsm, nc, stream }: NatsConnection["Service"]) {
  if (stream === undefined) return undefined;
  const clock = ServerClock.of(nc, yield* Clock.Clock);
  const learnt = yield* Effect.option(Effect.tryPromise(() => clock.learn(() => jsm.streams.info(stream.stream))));
  return learnt._tag === "Some" ? clock.skewMillis : undefined;
});

const clocks = new WeakMap<object, ServerClock>();

export class ServerClock {
  /** The one of a connection, for whoever goes by its server's time. */
  static of(connection: object, clock: Clock.Clock): ServerClock {
    const made = clocks.get(connection) ?? new ServerClock(clock);
    clocks.set(connection, made);
    return made;
  }

  readonly #clock: Clock.Clock;
  #learnt: Learnt | undefined;
  #learning: Promise<void> | undefined;

  constructor(clock: Clock.Clock) {
    this.#clock = clock;
  }

  get isLearnt(): boolean {
    return this.#learnt !== undefined;
  }

  /** The server's clock minus ours, milliseconds; 0 before it is learnt. */
  get skewMillis(): number {
    return this.#learnt?.skewMillis ?? 0;
  }

  /** Of a few questions the one that was answered fastest, because it can be wrong by no more than half of its way. */
  async learn(question: Question): Promise<void> {
    let [skewMillis, fastest] = [this.#learnt?.skewMillis ?? 0, Infinity];
    for (let time = 0; time < 3; time++) {
      const [asked, began] = [this.#wall, performance.now()];
      const { ts } = (await question()) as { readonly ts?: string };
      const took = performance.now() - began;
      const serverNow = Date.parse(ts ?? "");
      if (Number.isNaN(serverNow) || took >= fastest) continue;
      [skewMillis, fastest] = [serverNow - (asked + this.#wall) / 2, took];
    }
    this.#learnt = { skewMillis, wallAt: this.#wall, monotonicAt: performance.now() };
  }

  /** Epoch milliseconds. Asks only when the machine's clock was set; a server that does not answer then is gone by as before. */
  now(question: Question): Effect.Effect<number> {
    return Effect.suspend(() => {
      if (this.#isStepped) {
        return Effect.map(
          Effect.promise(() => this.#again(question)),
          () => this.#now,
        );
      }
      if (this.#isOld) void this.#again(question);
      return Effect.succeed(this.#now);
    });
  }

  get #wall(): number {
    return this.#clock.currentTimeMillisUnsafe();
  }

  get #now(): number {
    return Math.round(this.#wall + (this.#learnt?.skewMillis ?? 0));
  }

  get #isForeign(): boolean {
    return Math.abs(this.#wall - Date.now()) > foreignMillis;
  }

  get #isStepped(): boolean {
    if (this.#learnt === undefined) return false;
    const { monotonicAt, wallAt } = this.#learnt;
    const gone = this.#wall - wallAt - (performance.now() - monotonicAt);
    return Math.abs(gone) > stepMillis && !this.#isForeign;
  }

  get #isOld(): boolean {
    return performance.now() - (this.#learnt?.monotonicAt ?? 0) > freshMillis && !this.#isForeign;
  }

  /** One at a time. A time that cannot be learnt now is asked for at the next need. */
  #again(question: Question): Promise<void> {
    this.#learning ??= this.learn(question)
      .catch(() => undefined)
      .finally(() => {
        this.#learning = undefined;
      });
    return this.#learning;
  }
}
