/**
 * The work queue as a JetStream stream of its own, with one subject for each task and one durable consumer for each
 * agent type and priority.
 *
 * Room: coordination.
 *
 * `recollect-tasks.<tenant>.<agent type>.<priority>.<task id>`: at most one message for a subject, and a second one is
 * refused (`discard_new_per_subject`), so that putting a task in again changes nothing, whenever that is. `ack_wait` is
 * the lease, `+WPI` the heartbeat, a nak with delay the pause between two attempts.
 *
 * Decision: `persist_mode: async` on a single server, because the queue is a cache of the log: what a kill -9 costs it is
 * put in again (Tasks.requeue). In a cluster three copies, as the log has: with one, tasks would wait for its node.
 * Decision: an entry is withdrawn by purging its subject, because its sequence would have to be looked for, and the purge of
 * one subject among 10,000 takes 0.2 to 0.5 ms, no longer than other questions.
 * Decision: a new queue begins at the milliseconds of its making as its first sequence. A worker that outlived the old
 * one settles by sequence, and must never settle another task's entry in the new one.
 * Decision: how many tasks of a type run at once is said by the workers (`concurrency`), not by `max_ack_pending`,
 * because the server counts entries that wait for their delay as handed out, and would let them block the others.
 */
import { JetStreamApiError, type StreamConfig } from "@nats-io/jetstream";
import { type Msg, nanos, type ServerInfo } from "@nats-io/transport-node";
import { Clock, Effect, Layer, Option, Schema, Semaphore } from "effect";
import { createHash } from "node:crypto";
import { defaultTenant, Sequence } from "../../../domain/History.ts";
import { type TaskPriority, TaskSubmitted } from "../../../domain/task/TaskEvents.ts";
import { LogUnavailable } from "../../../log/EventLog.ts";
import { NatsConnection } from "../../../log/connection/NatsConnectionNats.ts";
import { retryPauseMillis } from "../../../log/connection/PatienceNats.ts";
import { ask, isPlace } from "../../../log/connection/RequestNats.ts";
import { ServerClock } from "../../../log/connection/ServerClockNats.ts";
import { decodeToken, encodeToken, root } from "../../../log/Subject.ts";
import { Buckets } from "../../bucket/Bucket.ts";
import * as BucketKv from "../../bucket/BucketKv.ts";
import { type LaneName, Puller } from "./TaskPullNats.ts";
import { checkedLease } from "../../config/TaskLimits.ts";
import {
  defaultLeaseMillis,
  type Entry,
  type Held,
  type Named,
  priorities,
  TaskQueue,
  type Waiting,
} from "./TaskQueue.ts";

export const streamName = "RECOLLECT_TASKS";
const subjectRoot = `${root}-tasks`;
/** Subject of the entries of all tenants. */
export const allEntries = `${subjectRoot}.*.*.*.*`;
const holderRoot = `${root}-holder`;
/** Below the holders' root, for which a worker has the rights. */
const laneRoot = `${holderRoot}.lane`;

export interface Options {
  /** Default `default`. */
  readonly tenant?: string | undefined;
  /** Default: as the consumers have it, 30 seconds for new ones. So one program sets it, and all others go by it. */
  readonly leaseMillis?: number | undefined;
}

/**
 * A holder is on the same network and answers from memory. One whose connection is gone is answered for by the server, at
 * once; one that is silent has a handler that keeps its thread, or a machine that has stopped.
 *
 * Decision: a silent holder counts as one that works, because its connection goes with its process, and with a machine that
 * vanished after three of the server's pings (60 to 80 s): a handler that computes for longer than its lease ran three
 * times, and three successes made a dead letter.
 */
const holderMillis = 1_000;
const putMillis = 5_000;
/** A clock that is off by more than machines that keep time are. */
const clockOffMillis = 5_000;
/** Patience of a put with the question for the stream. */
const lookMillis = 500;
/** A stream that was just made in a cluster elects its leader: half a second of pauses in all. */
const putAttempts = 7;
/**
 * Entries of one type and priority that may be handed out or delayed at once: the server's own limit in our
 * nats-server.conf. Delays are short (Tasks.delayHorizonMillis), so that what is due next year is not among them.
 */
const maxHandedOut = 10_000;
/**
 * An entry that says more of its task than this says nothing: the log is asked. 10,000 tasks that wait are 80 MB at most,
 * and an agent's request is rarely larger.
 */
const maxBodyLength = 8 * 1024;
/** Processes that wait for one agent type at once; a consumer has room for 512 unless it is told. */
const maxWaiting = 5_000;
/** A consumer per agent type and priority that is worked on; a stream has 1,000 unless it is told. */
const maxConsumers = 20_000;
/**
 * A consumer without a pull goes after this time. Its deliveries come to the process that makes it again, which asks the
 * holder; waiting entries stay in the stream.
 */
const inactiveMillis = 300_000;

const streamConfig = (firstSequence: number, replicas: number): Partial<StreamConfig> & { readonly name: string } => ({
  name: streamName,
  description: "Recollect: tasks that wait for a worker. A cache of the log: may be deleted at any time.",
  subjects: [allEntries],
  storage: "file",
  retention: "workqueue",
  discard: "new",
  discard_new_per_subject: true,
  max_msgs_per_subject: 1,
  max_consumers: maxConsumers,
  num_replicas: replicas,
  ...(replicas === 1 ? { persist_mode: "async" as const } : {}),
  first_seq: firstSequence,
  allow_direct: true,
});

/** 10058: another process made it at the same moment, differently: with another first sequence. */
const isThereAlready = (error: unknown): boolean => error instanceof JetStreamApiError && error.code === 10_058;
const isNotFound = (error: unknown): boolean =>
  error instanceof JetStreamApiError && (error.code === 10_059 || error.code === 10_014);

const unavailable = (error: unknown) =>
  new LogUnavailable({
    reason: `the task queue: ${error instanceof Error ? error.message : String(error)}`,
    hint: "What was submitted is in the log, and is put into the queue when it is back.",
  });

type Connection = NatsConnection["Service"];

/** As many as the log has. */
const copiesOf = ({ cluster }: ServerInfo): number => (cluster === undefined ? 1 : 3);

/** Answers when it was made. */
const ensureStream = async ({ jsm, serverInfo }: Connection, now: number): Promise<string> => {
  const replicas = copiesOf(serverInfo());
  const look = async () => (await jsm.streams.info(streamName)).created;
  try {
    return await look();
  } catch (error) {
    if (!isNotFound(error)) throw error;
    try {
      return (await jsm.streams.add(streamConfig(now, replicas))).created;
    } catch (failed) {
      if (!isThereAlready(failed)) throw failed;
      return await look();
    }
  }
};

const decodeBody = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({
      known: Schema.optionalKey(Schema.Struct({ upTo: Sequence, submitted: TaskSubmitted })),
    }),
  ),
);

/** A receipt tells how often its entry was handed out: `$JS.ACK.<stream>.<consumer>.<count>…`, with two more tokens in its second form. */
const isFirst = (receipt: string): boolean => {
  const tokens = receipt.split(".");
  return tokens[tokens.length > 9 ? 6 : 4] === "1";
};

/** The subject says which task it is. The body is a help, and no harm when it cannot be read. */
const entryOf = (message: Msg) => {
  const taskId = decodeToken(message.subject.slice(message.subject.lastIndexOf(".") + 1));
  if (taskId === undefined) return undefined;
  const body = isFirst(message.reply ?? "") ? decodeBody(message.string()) : Option.none();
  return { taskId, known: Option.getOrUndefined(body)?.known };
};

const bodyOf = ({ known }: Waiting): string => {
  const body = JSON.stringify({ known });
  return body.length > maxBodyLength ? "{}" : body;
};

/** An entry's own subject. */
export const subjectOf = (tenant: string, { agentType, priority, taskId }: Named) =>
  `${laneOf(tenant, agentType, priority).filter.slice(0, -1)}${encodeToken(taskId)}`;

/** One agent type in one priority. The name is a hash: an agent type may hold what a consumer's name may not. */
const laneOf = (tenant: string, agentType: string, priority: TaskPriority) => {
  const filter = `${subjectRoot}.${encodeToken(tenant)}.${encodeToken(agentType)}.${priority}.*`;
  return { agentType, priority, filter, durable: createHash("sha256").update(filter).digest("hex").slice(0, 32) };
};

/** Subject of news for claims that wait: a lane that they may not have opened has an entry. */
const newsOf = (tenant: string, { agentType, priority }: Pick<Named, "agentType" | "priority">) =>
  `${laneRoot}.${encodeToken(tenant)}.${encodeToken(agentType)}.${priority}`;

const isPriority = (text: string): text is TaskPriority => priorities.some((priority) => priority === text);

const hearing = ({ nc }: Connection, below: string, hear: (agentType: string, priority: TaskPriority) => void) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      nc.subscribe(`${below}.*.*`, {
        callback: (error, { subject }) => {
          if (error !== null) return;
          const [token = "", priority = ""] = subject.slice(below.length + 1).split(".");
          const agentType = decodeToken(token);
          if (agentType !== undefined && isPriority(priority)) hear(agentType, priority);
        },
      }),
    ),
    (subscription) => Effect.sync(() => subscription.unsubscribe()),
  );

/** The consumer of a lane; answers the lease it has. */
const ensureConsumer = async (
  { jsm }: Connection,
  lane: Pick<LaneName, "durable" | "filter">,
  leaseMillis: number | undefined,
): Promise<number> => {
  try {
    const { config } = await jsm.consumers.info(streamName, lane.durable);
    const has = (config.ack_wait ?? 0) / 1e6;
    const isAsSaid = leaseMillis === undefined || has === leaseMillis;
    if (isAsSaid && config.inactive_threshold === nanos(inactiveMillis)) return has;
    // Also one of an earlier version, which would stay for ever.
    const said = { ack_wait: nanos(leaseMillis ?? has), inactive_threshold: nanos(inactiveMillis) };
    await jsm.consumers.update(streamName, lane.durable, said);
    return leaseMillis ?? has;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const lives = leaseMillis ?? defaultLeaseMillis;
    await jsm.consumers.add(streamName, {
      durable_name: lane.durable,
      description: lane.filter,
      filter_subject: lane.filter,
      ack_policy: "explicit",
      deliver_policy: "all",
      ack_wait: nanos(lives),
      max_ack_pending: maxHandedOut,
      max_waiting: maxWaiting,
      max_deliver: -1,
      inactive_threshold: nanos(inactiveMillis),
    });
    return lives;
  }
};

/** This process, and what it holds: the same over every connection that it makes. */
export interface Holder {
  readonly holder: string;
  readonly tokens: Set<number>;
}

/** It comes from the log, where anybody may have written anything; a long subject costs who asks his connection. */
const holderPattern = /^[0-9a-f-]{36}$/;

export const newHolder = (): Holder => ({ holder: crypto.randomUUID(), tokens: new Set() });

/** A queue's view of its own process. */
export const answers = ({ holder, tokens }: Holder) => ({
  holder,
  hold: (token: number) => Effect.sync(() => void tokens.add(token)),
  letGo: (token: number) => Effect.sync(() => void tokens.delete(token)),
});

/** Answers others what this process holds. Dropped with the connection, which is an answer too. */
const answering = ({ nc }: Connection, { holder, tokens }: Holder) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      nc.subscribe(`${holderRoot}.${holder}`, {
        callback: (error, message) => {
          if (error === null) message.respond(tokens.has(Number(message.string())) ? "held" : "free");
        },
      }),
    ),
    (subscription) => Effect.sync(() => subscription.unsubscribe()),
  );

const make = Effect.fnUntraced(function* (options: Options, here: Holder) {
  const connection = yield* NatsConnection;
  const { jsm, nc, link } = connection;
  const tenant = options.tenant ?? defaultTenant;
  const one = yield* Semaphore.make(1);
  yield* answering(connection, here);
  const clock = yield* Clock.Clock;
  const serverClock = ServerClock.of(nc, clock);
  const timeQuestion = () => jsm.streams.info(streamName);
  const ensured = async () => {
    const created = await ensureStream(connection, clock.currentTimeMillisUnsafe());
    if (!serverClock.isLearnt) await serverClock.learn(timeQuestion);
    return created;
  };

  const puller = new Puller({
    connection,
    stream: streamName,
    lane: (agentType, priority) => laneOf(tenant, agentType, priority),
    ensure: async (lane) => {
      await ensured();
      return ensureConsumer(connection, lane, options.leaseMillis);
    },
    hasAny: async ({ filter }) => (await jsm.direct.getMessage(streamName, { last_by_subj: filter })) !== null,
    entryOf,
  });
  yield* Effect.addFinalizer(() => Effect.sync(() => puller.close()));
  yield* hearing(connection, `${laneRoot}.${encodeToken(tenant)}`, (agentType, priority) =>
    puller.hear(agentType, priority),
  );

  const put = Effect.fnUntraced(function* (waiting: Waiting) {
    const payload = bodyOf(waiting);
    const subject = subjectOf(tenant, waiting);
    for (let attempt = 0; ; attempt++) {
      const answer = yield* Effect.promise(() => ask(nc, link, { subject, payload, timeoutMillis: putMillis }));
      if (answer._tag === "Answer") {
        const { error, seq }: { readonly error?: { readonly description: string }; readonly seq?: unknown } =
          answer.message.json();
        if (error === undefined && !isPlace(seq)) return yield* unavailable("no acknowledgement of a stream");
        if (error === undefined) {
          if (waiting.priority !== "normal") yield* say(newsOf(tenant, waiting), "");
          return true;
        }
        if (/per subject exceeded/.test(error.description)) return false;
        return yield* unavailable(error.description);
      }
      if (answer.why !== "nobody" || attempt === putAttempts) return yield* unavailable(answer.reason);
      // In a cluster that elects a leader nobody says whether the stream is there.
      yield* one.withPermit(Effect.ignore(Effect.timeoutOption(Effect.tryPromise(ensured), lookMillis)));
      if (attempt > 0) yield* Effect.sleep(retryPauseMillis(attempt));
    }
  });

  /** Said once and not waited for: what is lost on the way costs one lease, and never truth. */
  const say = (subject: string, what: string) =>
    Effect.sync(() => {
      if (link.connected && !nc.isClosed()) nc.publish(subject, what);
    });
  const settle = ({ receipt }: Entry, verdict: string) => say(receipt, verdict);

  let isTold = false;
  /** The server's clock is known, if it can be asked; a machine whose own is off is told so once. */
  const learnt = Effect.suspend(() => {
    if (isTold && serverClock.isLearnt) return Effect.void;
    const asked = serverClock.isLearnt || !link.connected ? Effect.void : Effect.tryPromise(ensured);
    return asked.pipe(
      Effect.timeoutOption(lookMillis),
      Effect.ignore,
      Effect.andThen(() => {
        if (!serverClock.isLearnt || isTold) return Effect.void;
        isTold = true;
        const { skewMillis } = serverClock;
        if (Math.abs(skewMillis) < clockOffMillis) return Effect.void;
        const how = skewMillis < 0 ? "ahead of" : "behind";
        return Effect.logWarning(
          `the clock of this machine is ${Math.round(Math.abs(skewMillis) / 1_000)} s ${how} the log's, by which tasks are due`,
        );
      }),
    );
  });

  return TaskQueue.of({
    put,
    take: (agentTypes, trouble) => puller.take(agentTypes, trouble),
    keep: (entry) => settle(entry, "+WPI"),
    giveBack: (entry, delayMillis) =>
      settle(entry, delayMillis <= 0 ? "-NAK" : `-NAK ${JSON.stringify({ delay: nanos(delayMillis) })}`),
    done: (entry) => settle(entry, "+ACK"),
    withdraw: (task) => say(`$JS.API.STREAM.PURGE.${streamName}`, JSON.stringify({ filter: subjectOf(tenant, task) })),
    ...answers(here),
    isHeld: Effect.fnUntraced(function* ({ holder, token }: Held) {
      if (!holderPattern.test(holder)) return false;
      const question = { subject: `${holderRoot}.${holder}`, payload: String(token), timeoutMillis: holderMillis };
      const answer = yield* Effect.promise(() => ask(nc, link, question));
      if (answer._tag === "Answer") return answer.message.string() === "held";
      // Connected and silent, or we are away ourselves: nothing says that it is gone.
      return answer.why === "silent" || answer.why === "lost";
    }),
    now: Effect.andThen(learnt, () => serverClock.now(timeQuestion)),
    incarnation: Effect.tryPromise({ try: ensured, catch: unavailable }).pipe(
      // A killed server loses what it had not written: `persist_mode`.
      Effect.map((created) => `${created} ${connection.serverInfo().server_id}`),
    ),
  });
});

/** The buckets of the server, in as many copies as the queue. */
const buckets = Layer.effect(
  Buckets,
  Effect.gen(function* () {
    const { serverInfo } = yield* NatsConnection;
    const { open } = yield* Buckets;
    return Buckets.of({ open: (settings) => open({ replicas: copiesOf(serverInfo()), ...settings }) });
  }),
).pipe(Layer.provide(BucketKv.layer));

/**
 * The queue over the connection; the stream and its consumers are made at their first use, and again when gone. With it
 * come the buckets of that server, where the places of bounded agent types are.
 */
export const layer = (options: Options = {}) =>
  Layer.unwrap(Effect.as(checkedLease(options.leaseMillis), layerOf(options, newHolder())));

/** The same, answering for a process that may have had other connections. */
export const layerOf = (options: Options, here: Holder) =>
  Layer.merge(Layer.effect(TaskQueue, make(options, here)), buckets);
