/**
 * Entries out of the queue's consumers, the most urgent first, to whoever waits for them in this process.
 *
 * Room: coordination. In: log (the connection), TaskQueue. Out: TaskQueueNats.
 *
 * A lane is one agent type in one priority. Somebody who comes is served by asking each of his lanes in turn for what
 * is there now; when there is nothing, one pull per lane waits at the server, for everyone in this process who waits.
 * An entry for which nobody waits any more is given back at once.
 *
 * Plain promises around the client, because a pull is a subscription and a callback; they never reject.
 */
import { Effect } from "effect";
import type { TaskPriority } from "../domain/TaskEvents.ts";
import type { NatsConnection } from "../log/NatsConnectionNats.ts";
import { type Entry, priorities } from "./TaskQueue.ts";

export interface Lane {
  readonly filter: string;
  readonly durable: string;
}

interface OpenLane extends Lane {
  readonly agentType: string;
  /** Undefined until the consumer is known to be there. */
  leaseMillis: number | undefined;
  /** A pull waits at the server, so the lane was empty a moment ago. */
  isWaiting: boolean;
}

interface Waiter {
  readonly agentTypes: ReadonlySet<string>;
  readonly give: (entry: Entry) => void;
  entry: Entry | undefined;
}

export interface Settings {
  readonly connection: NatsConnection["Service"];
  readonly stream: string;
  readonly lane: (agentType: string, priority: TaskPriority) => Lane;
  /** Makes stream and consumer where they are missing; answers the consumer's lease. */
  readonly ensure: (lane: Lane) => Promise<number>;
}

/** How long a pull waits at the server. It is asked again as long as somebody waits. */
const waitMillis = 5_000;
/** How much later than it said the server may answer. */
const graceMillis = 2_000;
/** Between two tries while the queue cannot be reached. */
const pauseMillis = 100;

type Pulled = Entry | "nothing" | "failed";

const sleep = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis));

export class Puller {
  readonly #settings: Settings;
  readonly #lanes = new Map<string, OpenLane>();
  readonly #waiters = new Set<Waiter>();
  #isClosed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiters.clear();
  }

  take(agentTypes: ReadonlyArray<string>): Effect.Effect<Entry> {
    return Effect.suspend(() => {
      let waiter: Waiter | undefined;
      return Effect.callback<Entry>((resume) => {
        const made: Waiter = {
          agentTypes: new Set(agentTypes),
          give: (entry) => resume(Effect.succeed(entry)),
          entry: undefined,
        };
        waiter = made;
        this.#waiters.add(made);
        void this.#serve(made);
      }).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            if (waiter === undefined) return;
            this.#waiters.delete(waiter);
            if (waiter.entry !== undefined) this.#giveBack(waiter.entry);
          }),
        ),
      );
    });
  }

  #lanesOf(agentTypes: ReadonlySet<string>): ReadonlyArray<OpenLane> {
    return priorities.flatMap((priority) =>
      [...agentTypes].map((agentType) => {
        const lane = this.#settings.lane(agentType, priority);
        const open = this.#lanes.get(lane.durable) ?? { ...lane, agentType, leaseMillis: undefined, isWaiting: false };
        this.#lanes.set(lane.durable, open);
        return open;
      }),
    );
  }

  async #serve(waiter: Waiter): Promise<void> {
    const lanes = this.#lanesOf(waiter.agentTypes);
    for (let at = 0; at < lanes.length && this.#waiters.has(waiter);) {
      const lane = lanes[at];
      if (lane === undefined) return;
      const pulled = lane.isWaiting ? "nothing" : await this.#pull(lane, { no_wait: true });
      if (pulled === "failed") await sleep(pauseMillis);
      // What another of this process has taken leaves the lane as it was: ask it again.
      else if (pulled === "nothing") at++;
      else this.#handOut(lane, pulled);
    }
    if (this.#waiters.has(waiter)) for (const lane of lanes) void this.#wait(lane);
  }

  /** Waits at the server for as long as somebody waits for this lane. */
  async #wait(lane: OpenLane): Promise<void> {
    if (lane.isWaiting) return;
    lane.isWaiting = true;
    while (!this.#isClosed && this.#isWanted(lane)) {
      const pulled = await this.#pull(lane, { expires: waitMillis * 1e6 });
      if (pulled === "failed") await sleep(pauseMillis);
      else if (pulled !== "nothing") this.#handOut(lane, pulled);
    }
    lane.isWaiting = false;
  }

  #isWanted({ agentType }: OpenLane): boolean {
    for (const { agentTypes } of this.#waiters) if (agentTypes.has(agentType)) return true;
    return false;
  }

  #handOut({ agentType }: OpenLane, entry: Entry): void {
    for (const waiter of this.#waiters) {
      if (!waiter.agentTypes.has(agentType)) continue;
      this.#waiters.delete(waiter);
      waiter.entry = entry;
      waiter.give(entry);
      return;
    }
    this.#giveBack(entry);
  }

  #giveBack(entry: Entry): void {
    const { link, nc } = this.#settings.connection;
    if (link.connected && !nc.isClosed()) nc.publish(entry.receipt, "-NAK");
  }

  async #pull(lane: OpenLane, how: { readonly no_wait: true } | { readonly expires: number }): Promise<Pulled> {
    const { connection, ensure, stream } = this.#settings;
    if (!connection.link.connected || connection.nc.isClosed()) return "failed";
    if (lane.leaseMillis === undefined) {
      lane.leaseMillis = await ensure(lane).catch(() => undefined);
      if (lane.leaseMillis === undefined) return "failed";
    }
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${lane.durable}`;
    const message = await this.#ask(subject, JSON.stringify({ batch: 1, ...how }));
    // 404: nothing there; 408: nothing came. Anything else may mean that the consumer is gone.
    if (message?.headers?.code === 404 || message?.headers?.code === 408) return "nothing";
    if (message === undefined || message.reply === undefined || (message.headers?.code ?? 0) >= 400) {
      lane.leaseMillis = undefined;
      return "failed";
    }
    const { taskId }: { readonly taskId: string } = message.json();
    return { taskId, receipt: message.reply, leaseMillis: lane.leaseMillis };
  }

  /** Undefined when there is no answer, or the connection is lost first. */
  #ask(subject: string, payload: string) {
    const { nc, link } = this.#settings.connection;
    const timeout = waitMillis + graceMillis;
    const answer = nc.request(subject, payload, { noMux: true, timeout }).catch(() => undefined);
    let ignoreLoss = () => {};
    const lost = new Promise<undefined>((resolve) => {
      ignoreLoss = link.onLost(() => resolve(undefined));
    });
    return Promise.race([answer, lost]).finally(() => ignoreLoss());
  }
}
