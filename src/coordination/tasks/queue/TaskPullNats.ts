/**
 * Entries out of the queue's consumers for the waiting claims of this process: the most urgent first, types of the same
 * priority in turn.
 *
 * Room: coordination.
 *
 * A lane is one agent type in one priority. All claims that wait are served together: each lane they want is asked in turn
 * for as many entries as they can use and are there now. What is still missing is waited for at the server, by one pull per
 * lane. An entry without a waiting claim is given back at once. A lane that more urgent ones have kept from being asked for
 * a while comes first, once: priorities age.
 *
 * Decision: pulls for as many as wait, because one at a time a worker's claim took two questions to the server, and 64
 * that had ended their tasks together 128: half of what a task cost this process.
 * Decision: the lanes of high and low priority are opened when there is something in them, because a consumer costs the
 * server 75 KB and each lane one question a claim, and most types have only tasks of normal priority.
 * Decision: not the client's `fetch` and `consume`, because they cannot ask for what is there now, cannot tell an empty lane,
 * and `consume` takes entries that no claim waits for.
 *
 * Plain promises around the client, because a pull is a subscription and a callback; they never reject.
 */
import { createInbox, type Msg, type Subscription } from "@nats-io/transport-node";
import { Effect } from "effect";
import type { TaskPriority } from "../../../domain/task/TaskEvents.ts";
import type { NatsConnection } from "../../../log/connection/NatsConnectionNats.ts";
import { type Entry, priorities, type Trouble } from "./TaskQueue.ts";

export interface Lane {
  readonly agentType: string;
  readonly priority: TaskPriority;
  /** The subjects of its entries. */
  readonly filter: string;
  readonly durable: string;
}

interface OpenLane extends Lane {
  /** Undefined until the consumer is known to be there. */
  leaseMillis: number | undefined;
  /** A pull waits at the server, so the lane was empty a moment ago. */
  isWaiting: boolean;
  askedAt: number;
}

interface Waiter {
  readonly agentTypes: ReadonlyArray<string>;
  readonly give: (entry: Entry) => void;
  readonly trouble: ((trouble: Trouble) => void) | undefined;
  /** All lanes were asked for it in turn. */
  isServed: boolean;
}

export interface Settings {
  readonly connection: NatsConnection["Service"];
  readonly stream: string;
  readonly lane: (agentType: string, priority: TaskPriority) => Lane;
  /** Makes stream and consumer where they are missing; answers the consumer's lease. */
  readonly ensure: (lane: Lane) => Promise<number>;
  /** True when there is an entry in the lane. */
  readonly hasAny: (lane: Lane) => Promise<boolean>;
  /** Entry of a message, beside its origin; undefined for one that is no entry. */
  readonly entryOf: (message: Msg) => Pick<Entry, "taskId" | "known"> | undefined;
}

/** Wait of a pull at the server. It is repeated as long as a claim waits. */
const waitMillis = 20_000;
/** Tolerance for a late answer of the server. */
const graceMillis = 2_000;
/** Between two tries while a lane cannot be asked, at first and at most. */
const pauseMillis = 100;
const longestPauseMillis = 5_000;
/** A lane that was not asked for so long comes before more urgent ones. */
const agedMillis = 10_000;
/** Entries of one pull: as many tasks as a process runs side by side, and a message each in its memory. */
const maxPulled = 256;

/** The most urgent first, of equally urgent ones the one that was asked longest ago; before all others those that have aged. */
export const inOrder = <A extends Pick<OpenLane, "priority" | "askedAt">>(
  lanes: ReadonlyArray<A>,
  now: number,
): ReadonlyArray<A> => {
  const rank = ({ askedAt, priority }: A) => (now - askedAt > agedMillis ? -1 : priorities.indexOf(priority));
  return lanes.toSorted((one, other) => rank(one) - rank(other) || one.askedAt - other.askedAt);
};

export class Puller {
  readonly #settings: Settings;
  readonly #types = new Map<string, Array<OpenLane>>();
  readonly #waiters = new Set<Waiter>();
  readonly #pulls = new Set<(isAsked: boolean) => void>();
  #isServing = false;
  /** A claim has come for which nothing was asked yet. */
  #isWanted = false;
  #isClosed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiters.clear();
    for (const end of this.#pulls) end(false);
  }

  take(agentTypes: ReadonlyArray<string>, trouble?: (trouble: Trouble) => void): Effect.Effect<Entry> {
    return Effect.suspend(() => {
      let given: Entry | undefined;
      let waiter: Waiter | undefined;
      return Effect.callback<Entry>((resume) => {
        waiter = { agentTypes, give: (entry) => resume(Effect.succeed((given = entry))), trouble, isServed: false };
        this.#waiters.add(waiter);
        this.#isWanted = true;
        // At the end of this turn, so that all who come in it are served together.
        if (!this.#isServing) queueMicrotask(() => void this.#serve());
      }).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            if (waiter !== undefined) this.#waiters.delete(waiter);
            if (given !== undefined) this.#giveBack(given.receipt);
          }),
        ),
      );
    });
  }

  /** Something was put into a lane that may not be open. */
  hear(agentType: string, priority: TaskPriority): void {
    if (this.#types.get(agentType)?.every((lane) => lane.priority !== priority) === true)
      void this.#wait(this.#open(agentType, priority));
  }

  #open(agentType: string, priority: TaskPriority): OpenLane {
    const lanes = this.#types.get(agentType) ?? [];
    this.#types.set(agentType, lanes);
    const known = lanes.find((lane) => lane.priority === priority);
    if (known !== undefined) return known;
    const lane = this.#settings.lane(agentType, priority);
    const open = { ...lane, leaseMillis: undefined, isWaiting: false, askedAt: performance.now() };
    lanes.push(open);
    return open;
  }

  /** Opens the lanes of a type in which there is anything: at its first use, and now and again while a claim waits. */
  async #openAll(agentType: string): Promise<void> {
    const { hasAny, lane } = this.#settings;
    this.#open(agentType, "normal");
    await Promise.all(
      priorities.map(async (priority) => {
        if (this.#types.get(agentType)?.some((open) => open.priority === priority) === true) return;
        const isThere = await this.#unlessLost(hasAny(lane(agentType, priority))).catch(() => undefined);
        if (isThere === true) this.#open(agentType, priority);
      }),
    );
  }

  #lanesOf(agentType: string): ReadonlyArray<OpenLane> {
    return this.#types.get(agentType) ?? [];
  }

  /** Claims that wait for a type. */
  #waitersOf(agentType: string): ReadonlyArray<Waiter> {
    return [...this.#waiters].filter((waiter) => waiter.agentTypes.includes(agentType));
  }

  /** Rounds for as long as a claim is there for which nothing was asked yet. One that comes in a round waits for the next. */
  async #serve(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false;
      const round = new Set(this.#waiters);
      const types = [...new Set([...round].flatMap(({ agentTypes }) => agentTypes))];
      const fresh = types.filter((agentType) => !this.#types.has(agentType));
      await Promise.all(fresh.map((agentType) => this.#openAll(agentType)));
      for (const lane of inOrder(
        types.flatMap((type) => this.#lanesOf(type)),
        performance.now(),
      )) {
        // A lane where a pull waits was empty a moment ago; one that cannot be asked is tried again by those who wait.
        if (lane.isWaiting) continue;
        const { length } = this.#waitersOf(lane.agentType).filter((waiter) => round.has(waiter));
        if (length > 0 && !this.#isClosed) await this.#pull(lane, length, "now");
      }
      for (const waiter of round) waiter.isServed = true;
      for (const lane of types.flatMap((type) => this.#lanesOf(type))) void this.#wait(lane);
    }
    this.#isServing = false;
  }

  /** Waits at the server for as long as a claim waits for this lane. */
  async #wait(lane: OpenLane): Promise<void> {
    if (lane.isWaiting) return;
    lane.isWaiting = true;
    let pause = pauseMillis;
    for (;;) {
      const { length } = this.#waitersOf(lane.agentType).filter(({ isServed }) => isServed);
      if (this.#isClosed || length === 0) break;
      if (await this.#pull(lane, length, "wait")) {
        pause = pauseMillis;
        if (lane.priority === "normal")
          void this.#openAll(lane.agentType).then(() => this.#lanesOf(lane.agentType).map((one) => this.#wait(one)));
      } else {
        await new Promise<void>((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, longestPauseMillis);
      }
    }
    lane.isWaiting = false;
  }

  #handOut(entry: Entry): void {
    for (const waiter of this.#waiters) {
      if (!waiter.agentTypes.includes(entry.agentType)) continue;
      this.#waiters.delete(waiter);
      return waiter.give(entry);
    }
    this.#giveBack(entry.receipt);
  }

  #giveBack(receipt: string): void {
    const { link, nc } = this.#settings.connection;
    if (link.connected && !nc.isClosed()) nc.publish(receipt, "-NAK");
  }

  /**
   * Asks for entries and returns when all have come that will: `now` brings what is there, `wait` waits until there is
   * something and brings that. False: the lane cannot be asked, and those who wait for it are told why.
   */
  async #pull(lane: OpenLane, wanted: number, when: "now" | "wait"): Promise<boolean> {
    const { link } = this.#settings.connection;
    const { agentType } = lane;
    try {
      if (!link.connected) throw new Error(link.refused?.message ?? "NATS is away");
      lane.leaseMillis ??= await this.#unlessLost(this.#settings.ensure(lane));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      for (const { trouble } of this.#waitersOf(agentType)) trouble?.({ agentType, reason });
      return false;
    }
    if (lane.leaseMillis === undefined || this.#isClosed) return false;
    lane.askedAt = performance.now();
    const isAsked = await this.#asked(lane, lane.leaseMillis, Math.min(wanted, maxPulled), when);
    // It may be that the consumer is gone.
    if (!isAsked) lane.leaseMillis = undefined;
    return isAsked;
  }

  /** Undefined as soon as the connection is lost: the client itself would wait on for five seconds. */
  #unlessLost<A>(asked: Promise<A>): Promise<A | undefined> {
    let ignoreLoss = () => {};
    const lost = new Promise<undefined>((resolve) => {
      ignoreLoss = this.#settings.connection.link.onLost(() => resolve(undefined));
    });
    return Promise.race([asked, lost]).finally(() => ignoreLoss());
  }

  /** An entry comes under its own subject, what the server says of the pull under the inbox's. */
  #asked(lane: OpenLane, leaseMillis: number, batch: number, when: "now" | "wait"): Promise<boolean> {
    const { connection, entryOf, stream } = this.#settings;
    const { inboxPrefix, link, nc } = connection;
    return new Promise((resolve) => {
      let left = batch;
      let subscription: Subscription | undefined;
      const inbox = createInbox(inboxPrefix);
      const end = (isAsked: boolean) => {
        if (!this.#pulls.delete(end)) return;
        clearTimeout(timer);
        ignoreLoss();
        // Later answers find no subscription, and the server keeps no request for it.
        if (!nc.isClosed()) subscription?.unsubscribe();
        resolve(isAsked);
      };
      const hear = (error: Error | null, message: Msg) => {
        if (error !== null) return end(false);
        const { headers, reply = "", subject } = message;
        // 404: no more is there; 408: nothing came. Anything else may mean that the consumer is gone.
        if (subject === inbox) return end(headers?.code === 404 || headers?.code === 408);
        const said = entryOf(message);
        if (said === undefined) this.#giveBack(reply);
        else this.#handOut({ ...said, agentType: lane.agentType, receipt: reply, leaseMillis });
        if (--left === 0) end(true);
      };
      const ignoreLoss = link.onLost(() => end(false));
      const timer = setTimeout(() => end(false), (when === "wait" ? waitMillis : 0) + graceMillis);
      this.#pulls.add(end);
      try {
        subscription = nc.subscribe(inbox, { callback: hear });
        const expires = when === "wait" ? { expires: waitMillis * 1e6 } : {};
        const question = JSON.stringify({ batch, no_wait: true, ...expires });
        nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${lane.durable}`, question, { reply: inbox });
      } catch {
        // The client was closed, or refuses to ask.
        end(false);
      }
    });
  }
}
