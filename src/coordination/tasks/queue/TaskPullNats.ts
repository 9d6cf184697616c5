/**
 * Entries out of the queue's consumers for the waiting claims of this process: the most urgent first, types of the same
 * priority in turn.
 *
 * Room: coordination.
 *
 * A lane is one agent type in one priority. All who come at the same time are served together: each lane they want is
 * asked in turn for as many entries as they can use and are there now. Who is left then waits: one pull per lane waits at
 * the server for all of them, and brings what is there as soon as anything is. An entry without a waiting claim is given back
 * at once. A lane that more urgent ones have kept from being asked for a while comes first, once: priorities age.
 *
 * Decision: pulls for as many as wait, because one at a time a worker's claim took two questions to the server, and 64
 * that had ended their tasks together 128: half of what a task cost this process.
 * Decision: the lanes of high and low priority are opened when there is something in them, because a consumer costs the
 * server 75 KB and each lane one question a claim, and most types have only tasks of normal priority.
 * Decision: not the client's `fetch`, because it cannot ask for what is there now, and cannot tell an empty lane.
 *
 * Plain promises around the client, because a pull is a subscription and a callback; they never reject.
 */
import { createInbox, type Msg } from "@nats-io/transport-node";
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
  readonly agentTypes: ReadonlySet<string>;
  readonly give: (entry: Entry) => void;
  readonly trouble: ((trouble: Trouble) => void) | undefined;
  entry: Entry | undefined;
  /** The most urgent lanes were asked for him, too. */
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

const sleep = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis));

export class Puller {
  readonly #settings: Settings;
  readonly #types = new Map<string, Map<TaskPriority, OpenLane>>();
  readonly #waiters = new Set<Waiter>();
  readonly #pulls = new Set<(how: undefined) => void>();
  #isServing = false;
  #isClosed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiters.clear();
    for (const end of this.#pulls) end(undefined);
  }

  take(agentTypes: ReadonlyArray<string>, trouble?: (trouble: Trouble) => void): Effect.Effect<Entry> {
    return Effect.suspend(() => {
      const made: { waiter?: Waiter } = {};
      return Effect.callback<Entry>((resume) => {
        const give = (entry: Entry) => resume(Effect.succeed(entry));
        made.waiter = { agentTypes: new Set(agentTypes), give, trouble, entry: undefined, isServed: false };
        this.#waiters.add(made.waiter);
        // At the end of this turn, so that all who come in it are served together.
        if (!this.#isServing) queueMicrotask(() => void this.#serve());
      }).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            if (made.waiter === undefined) return;
            this.#waiters.delete(made.waiter);
            if (made.waiter.entry !== undefined) this.#giveBack(made.waiter.entry.receipt);
          }),
        ),
      );
    });
  }

  /** Something was put into a lane that may not be open. */
  hear(agentType: string, priority: TaskPriority): void {
    if (this.#types.get(agentType)?.has(priority) === false) void this.#wait(this.#open(agentType, priority));
  }

  #open(agentType: string, priority: TaskPriority): OpenLane {
    const lanes = this.#types.get(agentType) ?? new Map<TaskPriority, OpenLane>();
    this.#types.set(agentType, lanes);
    const known = lanes.get(priority);
    if (known !== undefined) return known;
    const lane = this.#settings.lane(agentType, priority);
    const open = { ...lane, leaseMillis: undefined, isWaiting: false, askedAt: performance.now() };
    lanes.set(priority, open);
    return open;
  }

  /** Opens the other lanes of a type in which there is anything: at its first use, and now and again while a claim waits. */
  async #openMore(agentType: string): Promise<void> {
    const { hasAny, lane } = this.#settings;
    const closed = priorities.filter((priority) => this.#types.get(agentType)?.has(priority) !== true);
    await Promise.all(
      closed.map(async (priority) => {
        const isThere = await this.#unlessLost(hasAny(lane(agentType, priority))).catch(() => undefined);
        if (isThere === true) this.#open(agentType, priority);
      }),
    );
  }

  /** Waiters for this agent type whose turn it is. */
  #served(agentType: string): ReadonlyArray<Waiter> {
    return [...this.#waiters].filter((waiter) => waiter.isServed && waiter.agentTypes.has(agentType));
  }

  /** Rounds for as long as a claim is there for which nothing was asked yet. */
  async #serve(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    while (!this.#isClosed && [...this.#waiters].some(({ isServed }) => !isServed)) {
      for (const waiter of this.#waiters) waiter.isServed = true;
      const wanted = [...new Set([...this.#waiters].flatMap(({ agentTypes }) => [...agentTypes]))];
      const fresh = wanted.filter((agentType) => !this.#types.has(agentType));
      for (const agentType of wanted) this.#open(agentType, "normal");
      await Promise.all(fresh.map((agentType) => this.#openMore(agentType)));
      for (const lane of inOrder(this.#lanesOf(wanted), performance.now())) {
        // A lane where a pull waits was empty a moment ago; one that cannot be asked is tried again by those who wait.
        const { length } = this.#served(lane.agentType);
        if (!lane.isWaiting && length > 0 && !this.#isClosed) await this.#pull(lane, length, "now");
      }
      this.#waitAll(wanted);
    }
    this.#isServing = false;
  }

  #lanesOf(agentTypes: ReadonlyArray<string>): ReadonlyArray<OpenLane> {
    return agentTypes.flatMap((agentType) => [...(this.#types.get(agentType)?.values() ?? [])]);
  }

  #waitAll(agentTypes: ReadonlyArray<string>): void {
    for (const lane of this.#lanesOf(agentTypes)) void this.#wait(lane);
  }

  /** Waits at the server for as long as a claim waits for this lane. */
  async #wait(lane: OpenLane): Promise<void> {
    if (lane.isWaiting) return;
    lane.isWaiting = true;
    let pause = pauseMillis;
    for (;;) {
      const { length } = this.#served(lane.agentType);
      if (this.#isClosed || length === 0) break;
      if (await this.#pull(lane, length, "wait")) {
        pause = pauseMillis;
        if (lane.priority === "normal") void this.#openMore(lane.agentType).then(() => this.#waitAll([lane.agentType]));
      } else {
        await sleep(pause);
        pause = Math.min(pause * 2, longestPauseMillis);
      }
    }
    lane.isWaiting = false;
  }

  #handOut({ agentType }: Lane, entry: Entry): void {
    const [waiter] = [...this.#waiters].filter((one) => one.agentTypes.has(agentType));
    if (waiter === undefined) return this.#giveBack(entry.receipt);
    this.#waiters.delete(waiter);
    waiter.entry = entry;
    waiter.give(entry);
  }

  #giveBack(receipt: string): void {
    const { link, nc } = this.#settings.connection;
    if (link.connected && !nc.isClosed()) nc.publish(receipt, "-NAK");
  }

  /**
   * Asks for entries and returns when all have come that will: `now` brings what is there, `wait` waits until there is
   * something and brings that. False: the lane cannot be asked.
   */
  async #pull(lane: OpenLane, wanted: number, when: "now" | "wait"): Promise<boolean> {
    const { link, nc } = this.#settings.connection;
    const { agentType } = lane;
    const tell = (reason: string) => {
      for (const { trouble } of this.#served(agentType)) trouble?.({ agentType, reason });
      return false;
    };
    if (!link.connected || nc.isClosed()) return tell(link.refused?.message ?? "NATS is away");
    try {
      lane.leaseMillis ??= await this.#unlessLost(this.#settings.ensure(lane));
    } catch (error) {
      return tell(error instanceof Error ? error.message : String(error));
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
      const inbox = createInbox(inboxPrefix);
      const end = (isAsked: boolean | undefined) => {
        if (!this.#pulls.delete(end)) return;
        clearTimeout(timer);
        ignoreLoss();
        // Later answers find no subscription, and the server keeps no request for it.
        if (!nc.isClosed()) subscription?.unsubscribe();
        resolve(isAsked === true);
      };
      const hear = (error: Error | null, message: Msg) => {
        if (error !== null) return end(false);
        const { headers, reply = "", subject } = message;
        // 404: no more is there; 408: nothing came. Anything else may mean that the consumer is gone.
        if (subject === inbox) return end(headers?.code === 404 || headers?.code === 408);
        const said = entryOf(message);
        if (said === undefined) this.#giveBack(reply);
        else this.#handOut(lane, { ...said, agentType: lane.agentType, receipt: reply, leaseMillis });
        if (--left === 0) end(true);
      };
      const ignoreLoss = link.onLost(() => end(false));
      const timer = setTimeout(() => end(false), (when === "wait" ? waitMillis : 0) + graceMillis);
      let subscription: { readonly unsubscribe: () => void } | undefined;
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
