/**
 * Entries out of the queue's consumers, the most urgent first, to whoever waits for them in this process.
 *
 * Room: coordination.
 *
 * A lane is one agent type in one priority. All who come at the same time are served together: each lane they want is
 * asked in turn, the most urgent first, for as many entries as they can use and are there now. Who is left then waits:
 * one pull per lane waits at the server for all of them, and brings what is there as soon as anything is. An entry for
 * which nobody waits any more is given back at once.
 *
 * Decision: pulls for as many as wait, because one at a time a worker's claim took two questions to the server, and 64
 * that had ended their tasks together 128: half of what a task cost this process.
 *
 * Plain promises around the client, because a pull is a subscription and a callback; they never reject.
 */
import { createInbox, type Msg } from "@nats-io/transport-node";
import { Effect } from "effect";
import type { TaskPriority } from "../../../domain/task/TaskEvents.ts";
import type { NatsConnection } from "../../../log/connection/NatsConnectionNats.ts";
import { type Entry, priorities } from "./TaskQueue.ts";

export interface Lane {
  /** The subjects of its entries: all but the last token are the lane's, the last is the task's. */
  readonly filter: string;
  readonly durable: string;
}

interface OpenLane extends Lane {
  readonly agentType: string;
  readonly priority: TaskPriority;
  /** Undefined until the consumer is known to be there. */
  leaseMillis: number | undefined;
  /** Somebody waits at the server, so the lane was empty a moment ago. */
  isWaiting: boolean;
  pull: Pull | undefined;
}

/** A question for entries that is not answered in full. */
interface Pull {
  /** How many entries may still come. */
  left: number;
  readonly end: (how: Pulled) => void;
}

/** How a pull ended: the server has told all it has to tell, or cannot be asked. */
type Pulled = "ended" | "failed";

interface Waiter {
  readonly agentTypes: ReadonlySet<string>;
  readonly give: (entry: Entry) => void;
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
  /** What a message says, beside where it came from; undefined for one that is no entry. */
  readonly entryOf: (message: Msg) => Pick<Entry, "taskId" | "known"> | undefined;
}

/** How long a pull waits at the server. It is asked again as long as somebody waits. */
const waitMillis = 5_000;
/** How much later than it said the server may answer. */
const graceMillis = 2_000;
/** Between two tries while the queue cannot be reached. */
const pauseMillis = 100;
/** Entries of one pull: as many tasks as a process runs side by side, and a message each in its memory. */
const maxPulled = 256;

const sleep = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis));

export class Puller {
  readonly #settings: Settings;
  /** By the subject of their entries, without its last token. */
  readonly #lanes = new Map<string, OpenLane>();
  readonly #waiters = new Set<Waiter>();
  readonly #inbox: string;
  readonly #pulls = new Map<string, Pull>();
  #subscription: { readonly unsubscribe: () => void } | undefined;
  #asked = 0;
  #isServing = false;
  #isClosed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#inbox = `${createInbox(settings.connection.inboxPrefix)}.`;
  }

  close(): void {
    this.#isClosed = true;
    this.#waiters.clear();
    this.#subscription?.unsubscribe();
    for (const { end } of this.#pulls.values()) end("failed");
  }

  take(agentTypes: ReadonlyArray<string>): Effect.Effect<Entry> {
    return Effect.suspend(() => {
      let waiter: Waiter | undefined;
      return Effect.callback<Entry>((resume) => {
        const made: Waiter = {
          agentTypes: new Set(agentTypes),
          give: (entry) => resume(Effect.succeed(entry)),
          entry: undefined,
          isServed: false,
        };
        waiter = made;
        this.#waiters.add(made);
        // At the end of this turn, so that all who come in it are served together.
        if (!this.#isServing) queueMicrotask(() => void this.#serve());
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

  #laneOf(agentType: string, priority: TaskPriority): OpenLane {
    const lane = this.#settings.lane(agentType, priority);
    const key = lane.filter.slice(0, lane.filter.lastIndexOf("."));
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const open = { ...lane, agentType, priority, leaseMillis: undefined, isWaiting: false, pull: undefined };
    this.#lanes.set(key, open);
    return open;
  }

  get #hasNew(): boolean {
    for (const { isServed } of this.#waiters) if (!isServed) return true;
    return false;
  }

  /** How many wait for this agent type whose turn it is. */
  #served(agentType: string): number {
    let count = 0;
    for (const waiter of this.#waiters) if (waiter.isServed && waiter.agentTypes.has(agentType)) count++;
    return count;
  }

  /** Rounds for as long as somebody is there for whom nothing was asked yet. */
  async #serve(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    while (!this.#isClosed && this.#hasNew) {
      for (const waiter of this.#waiters) waiter.isServed = true;
      const wanted = new Set([...this.#waiters].flatMap(({ agentTypes }) => [...agentTypes]));
      const lanes = priorities.flatMap((priority) => [...wanted].map((agentType) => this.#laneOf(agentType, priority)));
      for (const lane of lanes) {
        // A lane where a pull waits was empty a moment ago.
        for (let isAsked = lane.isWaiting; !isAsked && this.#served(lane.agentType) > 0 && !this.#isClosed;) {
          isAsked = (await this.#pull(lane, this.#served(lane.agentType), "now")) === "ended";
          if (!isAsked) await sleep(pauseMillis);
        }
      }
      for (const lane of lanes) void this.#wait(lane);
    }
    this.#isServing = false;
  }

  /** Waits at the server for as long as somebody waits for this lane. */
  async #wait(lane: OpenLane): Promise<void> {
    if (lane.isWaiting) return;
    lane.isWaiting = true;
    for (;;) {
      const wanted = this.#served(lane.agentType);
      if (this.#isClosed || wanted === 0) break;
      if ((await this.#pull(lane, wanted, "wait")) === "failed") await sleep(pauseMillis);
    }
    lane.isWaiting = false;
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

  #giveBack({ receipt }: Pick<Entry, "receipt">): void {
    const { link, nc } = this.#settings.connection;
    if (link.connected && !nc.isClosed()) nc.publish(receipt, "-NAK");
  }

  /**
   * Asks for entries and returns when all have come that will. `now` brings what is there; `wait` waits until there is
   * something, and brings that.
   */
  async #pull(lane: OpenLane, wanted: number, when: "now" | "wait"): Promise<Pulled> {
    const { connection, ensure, stream } = this.#settings;
    const { link, nc } = connection;
    if (!link.connected || nc.isClosed()) return "failed";
    if (lane.leaseMillis === undefined) {
      lane.leaseMillis = await this.#unlessLost(ensure(lane));
      if (lane.leaseMillis === undefined || this.#isClosed) return "failed";
    }
    const batch = Math.min(wanted, maxPulled);
    const isToWait = when === "wait";
    const expires = isToWait ? { expires: waitMillis * 1e6 } : {};
    const how = await this.#answered(lane, batch, isToWait ? waitMillis + graceMillis : graceMillis, (reply) =>
      nc.publish(
        `$JS.API.CONSUMER.MSG.NEXT.${stream}.${lane.durable}`,
        JSON.stringify({ batch, no_wait: true, ...expires }),
        { reply },
      ),
    );
    // It may be that the consumer is gone.
    if (how === "failed") lane.leaseMillis = undefined;
    return how;
  }

  /** Undefined when it fails, or as soon as the connection is lost: the client itself would wait on for five seconds. */
  #unlessLost<A>(asked: Promise<A>): Promise<A | undefined> {
    const { link } = this.#settings.connection;
    let ignoreLoss = () => {};
    const lost = new Promise<undefined>((resolve) => {
      ignoreLoss = link.onLost(() => resolve(undefined));
    });
    return Promise.race([asked.catch(() => undefined), lost]).finally(() => ignoreLoss());
  }

  #answered(lane: OpenLane, batch: number, millis: number, ask: (reply: string) => void): Promise<Pulled> {
    return new Promise((resolve) => {
      const token = (this.#asked++).toString(36);
      const pull: Pull = {
        left: batch,
        end: (how) => {
          if (!this.#pulls.delete(token)) return;
          if (lane.pull === pull) lane.pull = undefined;
          clearTimeout(timer);
          ignoreLoss();
          resolve(how);
        },
      };
      const timer = setTimeout(() => pull.end("failed"), millis);
      const ignoreLoss = this.#settings.connection.link.onLost(() => pull.end("failed"));
      this.#pulls.set(token, pull);
      lane.pull = pull;
      try {
        this.#listen();
        ask(this.#inbox + token);
      } catch {
        // The client was closed, or refuses to ask.
        pull.end("failed");
      }
    });
  }

  #listen(): void {
    this.#subscription ??= this.#settings.connection.nc.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) return this.#hear(message);
        this.#subscription = undefined;
        for (const { end } of this.#pulls.values()) end("failed");
      },
    });
  }

  /** An entry comes under its own subject, what the server says of a pull under the pull's. */
  #hear(message: Msg): void {
    const { reply, subject } = message;
    if (subject.startsWith(this.#inbox)) {
      const code = message.headers?.code ?? 0;
      // 404: no more is there; 408: nothing came. Anything else may mean that the consumer is gone.
      this.#pulls.get(subject.slice(this.#inbox.length))?.end(code === 404 || code === 408 ? "ended" : "failed");
      return;
    }
    const lane = this.#lanes.get(subject.slice(0, subject.lastIndexOf(".")));
    if (reply === undefined || reply === "") return;
    const said = this.#settings.entryOf(message);
    if (said !== undefined && lane?.leaseMillis !== undefined) {
      this.#handOut(lane, { ...said, agentType: lane.agentType, receipt: reply, leaseMillis: lane.leaseMillis });
    } else this.#giveBack({ receipt: reply });
    const pull = lane?.pull;
    if (pull !== undefined && --pull.left === 0) pull.end("ended");
  }
}
