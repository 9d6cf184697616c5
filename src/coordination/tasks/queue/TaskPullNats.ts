/**
 * Entries out of the queue's consumers for the waiting claims of this process: the most urgent first, types of the same
 * priority in turn.
 *
 * Room: coordination.
 *
 * A lane is one agent type in one priority. All claims that wait are served together, in rounds: each lane they want is
 * asked in turn for as many entries as they can use and are there now, and then, by one pull per lane, for what comes. A
 * lane that more urgent ones have kept from being asked for a while comes first, once: priorities age. An entry without a
 * waiting claim is given back at once.
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

export interface LaneName {
  readonly agentType: string;
  readonly priority: TaskPriority;
  /** The subjects of its entries. */
  readonly filter: string;
  readonly durable: string;
}

interface Waiter {
  readonly agentTypes: ReadonlyArray<string>;
  readonly give: (entry: Entry) => void;
  readonly trouble: ((trouble: Trouble) => void) | undefined;
}

export interface Settings {
  readonly connection: NatsConnection["Service"];
  readonly stream: string;
  readonly lane: (agentType: string, priority: TaskPriority) => LaneName;
  /** Makes stream and consumer where they are missing; answers the consumer's lease. */
  readonly ensure: (lane: LaneName) => Promise<number>;
  /** True when there is an entry in the lane. */
  readonly hasAny: (lane: LaneName) => Promise<boolean>;
  /** Entry of a message, beside its origin; undefined for one that is no entry. */
  readonly entryOf: (message: Msg) => Pick<Entry, "taskId" | "known"> | undefined;
}

/** Wait of a pull at the server. It is repeated as long as a claim waits. */
const waitMillis = 20_000;
/** Tolerance for a late answer of the server. */
const graceMillis = 2_000;
/** Between two tries while a lane cannot be asked. */
const pauseMillis = 500;
/** A lane that was not asked for so long comes before more urgent ones. */
const agedMillis = 10_000;
/** Interval at which a claim that waits looks for lanes that were filled without a word. */
const lookMillis = 10_000;
/** Entries of one pull: as many tasks as a process runs side by side, and a message each in its memory. */
const maxPulled = 256;

/** The most urgent first, of equally urgent ones the one that was asked longest ago; before all others those that have aged. */
export const inOrder = <A extends { readonly priority: TaskPriority; readonly askedAt: number }>(
  lanes: ReadonlyArray<A>,
  now: number,
): ReadonlyArray<A> => {
  const rank = ({ askedAt, priority }: A) => (now - askedAt > agedMillis ? -1 : priorities.indexOf(priority));
  return lanes.toSorted((one, other) => rank(one) - rank(other) || one.askedAt - other.askedAt);
};

const away = "NATS is away";
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Undefined as soon as the connection is lost: the client itself would wait on for five seconds. */
const unlessLost = <A>({ link }: NatsConnection["Service"], asked: Promise<A>): Promise<A | undefined> => {
  const lost = Promise.withResolvers<undefined>();
  const ignoreLoss = link.onLost(() => lost.resolve(undefined));
  return Promise.race([asked, lost.promise]).finally(ignoreLoss);
};

interface Lane extends LaneName {
  askedAt: number;
  /** A pull waits at the server, so the lane was empty a moment ago; or it cannot be asked for now. */
  isResting: boolean;
  /** Resolves when all have come that will, with the reason if the lane cannot be asked. */
  readonly pull: (wanted: number, when: "now" | "wait") => Promise<string | undefined>;
  readonly close: () => void;
}

/**
 * A lane, to whose consumer at most one pull at a time is on its way: `now` brings what is there, `wait` waits until there is
 * something and brings that.
 *
 * Decision: one subscription for as long as the lane is open, because one for each pull was two more messages to the server
 * and a change of its routing table for each task of a lone worker.
 */
const openLane = (settings: Settings, name: LaneName, handOut: (entry: Entry) => void): Lane => {
  const { connection, ensure, entryOf, stream } = settings;
  const { inboxPrefix, link, nc } = connection;
  const inbox = createInbox(inboxPrefix);
  let subscription: Subscription | undefined;
  /** Undefined until the consumer is known to be there. */
  let leaseMillis: number | undefined;
  let pulls = 0;
  let left = 0;
  let end: (reason?: string) => void = () => {};

  /** Entries arrive under their own subject, status messages of a pull under the pull's. */
  const hear = (error: Error | null, message: Msg) => {
    const { headers, reply = "", subject } = message;
    if (error !== null) return end(error.message);
    if (subject.startsWith(inbox)) {
      if (subject !== `${inbox}.${pulls}`) return;
      // 404: no more is there; 408: nothing came. Anything else may mean that the consumer is gone.
      const isOver = headers?.code === 404 || headers?.code === 408;
      return end(isOver ? undefined : `its consumer says ${headers?.code} ${headers?.description}`);
    }
    const said = entryOf(message);
    if (said === undefined || leaseMillis === undefined) message.respond("-NAK");
    else handOut({ ...said, agentType: name.agentType, receipt: reply, leaseMillis });
    if (--left === 0) end();
  };

  const asked = (batch: number, when: "now" | "wait") =>
    new Promise<string | undefined>((resolve) => {
      const silent = () => end("its consumer does not answer");
      const timer = setTimeout(silent, (when === "wait" ? waitMillis : 0) + graceMillis);
      const ignoreLoss = link.onLost(() => end(away));
      end = (reason) => {
        clearTimeout(timer);
        ignoreLoss();
        resolve(reason);
      };
      left = batch;
      const expires = when === "wait" ? { expires: waitMillis * 1e6 } : {};
      const question = JSON.stringify({ batch, no_wait: true, ...expires });
      try {
        subscription ??= nc.subscribe(`${inbox}.*`, { callback: hear });
        nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name.durable}`, question, { reply: `${inbox}.${++pulls}` });
      } catch (error) {
        // The client was closed, or refuses to ask.
        end(reasonOf(error));
      }
    });

  const lane: Lane = {
    ...name,
    askedAt: performance.now(),
    isResting: false,
    pull: async (wanted, when) => {
      if (!link.connected) return link.refused?.message ?? away;
      try {
        leaseMillis ??= await unlessLost(connection, ensure(name));
      } catch (error) {
        return reasonOf(error);
      }
      lane.askedAt = performance.now();
      const reason = leaseMillis === undefined ? away : await asked(Math.min(wanted, maxPulled), when);
      // It may be that the consumer is gone.
      if (reason !== undefined) leaseMillis = undefined;
      return reason;
    },
    close: () => {
      if (!nc.isClosed()) subscription?.unsubscribe();
      end(away);
    },
  };
  return lane;
};

export class Puller {
  readonly #settings: Settings;
  readonly #types = new Map<string, { readonly lanes: Array<Lane>; lookedAt: number }>();
  readonly #waiters = new Set<Waiter>();
  #isServing = false;
  /** A claim has come, or a pull has ended, since the last round began. */
  #isWanted = false;
  #isClosed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiters.clear();
    for (const { lanes } of this.#types.values()) for (const lane of lanes) lane.close();
  }

  take(agentTypes: ReadonlyArray<string>, trouble?: (trouble: Trouble) => void): Effect.Effect<Entry> {
    return Effect.suspend(() => {
      let given: Entry | undefined;
      let waiter: Waiter | undefined;
      return Effect.callback<Entry>((resume) => {
        waiter = { agentTypes, give: (entry) => resume(Effect.succeed((given = entry))), trouble };
        this.#waiters.add(waiter);
        this.#want();
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
    if (this.#types.has(agentType)) this.#open(agentType, priority);
    this.#want();
  }

  #open(agentType: string, priority: TaskPriority): void {
    const { lanes = [], lookedAt = -Infinity } = this.#types.get(agentType) ?? {};
    this.#types.set(agentType, { lanes, lookedAt });
    if (this.#isClosed || lanes.some((lane) => lane.priority === priority)) return;
    const name = this.#settings.lane(agentType, priority);
    lanes.push(openLane(this.#settings, name, (entry) => this.#handOut(entry)));
  }

  /** Opens the lanes of a type in which there is anything: at its first use, and now and again while a claim waits. */
  async #look(agentType: string): Promise<void> {
    const { connection, hasAny, lane } = this.#settings;
    this.#open(agentType, "normal");
    const type = this.#types.get(agentType);
    if (type === undefined || performance.now() - type.lookedAt < lookMillis) return;
    type.lookedAt = performance.now();
    const closed = priorities.filter((priority) => type.lanes.every((open) => open.priority !== priority));
    for (const priority of closed) {
      const isThere = await unlessLost(connection, hasAny(lane(agentType, priority))).catch(() => undefined);
      if (isThere === true) this.#open(agentType, priority);
    }
  }

  #want(): void {
    this.#isWanted = true;
    if (this.#isServing) return;
    this.#isServing = true;
    // At the end of this turn of the event loop: all requests of the turn share one round.
    queueMicrotask(() => void this.#serve());
  }

  /** Rounds, for as long as a claim or the end of a pull asks for another one. */
  async #serve(): Promise<void> {
    while (this.#isWanted && !this.#isClosed && this.#waiters.size > 0) {
      this.#isWanted = false;
      const round = new Set(this.#waiters);
      const types = [...new Set([...round].flatMap(({ agentTypes }) => agentTypes))];
      await Promise.all(types.map((agentType) => this.#look(agentType)));
      const lanes = types.flatMap((agentType) => this.#types.get(agentType)?.lanes ?? []);
      const idle = inOrder(lanes, performance.now()).filter(({ isResting }) => !isResting);
      const wanted = ({ agentType }: Lane) => this.#waitersOf(agentType).filter((waiter) => round.has(waiter)).length;
      // A single lane has no order to keep: a waiting pull also returns entries that are already there.
      if (idle.length > 1) for (const lane of idle) if (wanted(lane) > 0) await this.#pull(lane, wanted(lane), "now");
      for (const lane of idle) if (wanted(lane) > 0 && !lane.isResting) void this.#pull(lane, wanted(lane), "wait");
    }
    this.#isServing = false;
  }

  /** A waiting pull that ended is followed by another round, a failed one by a round after a pause. */
  async #pull(lane: Lane, wanted: number, when: "now" | "wait"): Promise<void> {
    lane.isResting = true;
    const reason = await lane.pull(wanted, when);
    const { agentType } = lane;
    const rested = () => {
      lane.isResting = false;
      if (when === "wait" || reason !== undefined) this.#want();
    };
    if (reason === undefined || this.#isClosed) return rested();
    for (const { trouble } of this.#waitersOf(agentType)) trouble?.({ agentType, reason });
    setTimeout(rested, pauseMillis);
  }

  #waitersOf(agentType: string): ReadonlyArray<Waiter> {
    return [...this.#waiters].filter((waiter) => waiter.agentTypes.includes(agentType));
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
}
