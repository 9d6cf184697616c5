/**
 * Sessions: programs at work now, with their threads and tasks, and the end of each.
 *
 * Room: coordination.
 *
 * A session is a history in the log: `session.started`, then perhaps `session.resumed`, then `session.ended` with its
 * reason. Beside it a presence says that it is there now; it is refreshed every third of a lease for as long as the
 * scope of the registration is open, and gone a lease after the last refresh.
 *
 * Promises, each a test in `test/contract/SessionsContract.ts`:
 * - a session that is registered is in every list until it is ended, or was silent for a lease;
 * - a session ends once, however many say so and how often: the end of a beginning has one event id;
 * - NATS being away neither refuses a registration nor ends a session: its events wait in the spool, its presence is
 *   there again at the next beat;
 * - a session whose lease ran out although it lives says so (`session.resumed`) and is in the list again;
 * - of two holders of one session id the second is refused.
 *
 * Decision: joining and leaving are no events, because every event of a thread or task names the session that wrote it.
 */
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, type Scope, Semaphore } from "effect";
import { hostname } from "node:os";
import type { Program } from "../../domain/thread/Content.ts";
import type { EventData } from "../../domain/Event.ts";
import * as EventId from "../../domain/EventId.ts";
import * as History from "../../domain/History.ts";
import { type About, type Given, newId } from "../../publish/write/NewEvent.ts";
import { type PublishError, Publisher } from "../../publish/Publisher.ts";
import { storable } from "../../publish/storing/StoragePolicy.ts";
import { beatMillis, type Presence, PresenceBucket, type PresenceUnavailable, type Present } from "./Presence.ts";
import { SessionRefused } from "./SessionRefused.ts";

/**
 * Threads and tasks that one session is in at the same time, of each kind. An agent works on a handful; 200 ids of the
 * longest kind (`maxIdBytes`) are 40 KB in a value that is written every ten seconds.
 */
export const maxJoined = 100;
/** Patience of a caller with a server that says nothing. */
const patienceMillis = 500;
/** Longest name of a machine: what a host name may have. */
const maxMachineBytes = 255;
/** Longest name and version of a client, in UTF-16 units; they stand in every value, and the rest is cut off. */
const maxNameLength = 200;

export interface Registering extends Omit<
  Given<EventData<"session.started">>,
  "leaseMillis" | "machine" | "processId"
> {
  /** Default: a new UUIDv7. An id that was used before goes on with that session's history. */
  readonly id?: string | undefined;
  /** Default: this process on this machine. */
  readonly machine?: string | undefined;
  readonly processId?: number | undefined;
}

export type Ending = Given<EventData<"session.ended">>;

/** A session that this process holds. */
export interface Held {
  readonly id: string;
  /** Says in the presence that the session works on this thread or task; twice is once. */
  readonly join: (what: Joinable) => Effect.Effect<void, SessionRefused>;
  readonly leave: (what: Joinable) => Effect.Effect<void>;
  /** Ends it with a reason and takes it out of the list. Ending twice ends once; the first reason stands. */
  readonly end: (ending: Ending, about?: About) => Effect.Effect<void, PublishError>;
}

export type Joinable = { readonly thread: string } | { readonly task: string };

export class Sessions extends Context.Service<
  Sessions,
  {
    /**
     * Begins a session and keeps it present until the scope closes, which ends it (reason `closed`) unless it was
     * ended before. Returns when the beginning is durable; the presence follows when NATS is away.
     */
    readonly register: (
      options?: Registering,
      about?: About,
    ) => Effect.Effect<Held, SessionRefused | PublishError, Scope.Scope>;
    /** Sessions that are there now, of the publisher's tenant, longest there first. */
    readonly active: Effect.Effect<ReadonlyArray<Present>, PresenceUnavailable>;
  }
>()("recollect/coordination/Sessions") {}

/**
 * The id of the end of what began with that event. One beginning has one end: the log takes an id once, from the
 * session itself, from its spool days later, and from the sweep that noticed its silence.
 */
export const endIdOf = ({ id, tenant }: History.History, beginningId: string): string =>
  EventId.fromContent("session.ended", tenant, id, beginningId);

const refuse = (sessionId: string, reason: string, hint: string) => new SessionRefused({ sessionId, reason, hint });

const isId = (id: string): boolean => History.isHistory(History.session(id));
const idHint = `An id has 1 to ${History.maxIdBytes} bytes of well-formed UTF-8.`;

/** Fault for which no list could show it. */
const faultOf = (of: History.History, first: Presence): SessionRefused | undefined => {
  const no = (reason: string, hint: string) => refuse(of.id.slice(0, History.maxIdBytes), reason, hint);
  if (!History.isHistory(of)) return no("The session's tenant or id is none.", idHint);
  if (!first.threads.every(isId)) return no("The thread's id is none.", idHint);
  if (Buffer.byteLength(first.machine) > maxMachineBytes)
    return no("The machine's name is too long.", `It has at most ${maxMachineBytes} bytes.`);
  return Number.isSafeInteger(first.processId) && first.processId >= 0
    ? undefined
    : no(`${first.processId} is no process id.`, "It is a whole number from 0.");
};

/** A client as lists show it. The event has all of it: no name keeps a session from being recorded. */
const shownClient = (client: Given<Program> | null | undefined): Program | null => {
  if (client == null) return null;
  const shown = (text: string) => text.slice(0, maxNameLength).toWellFormed();
  const { name, version } = client;
  return { name: shown(name), version: version == null ? null : shown(version) };
};

const nameOf = (what: Joinable) =>
  "thread" in what ? { kind: "threads" as const, id: what.thread } : { kind: "tasks" as const, id: what.task };

/** Keeps one session present. */
const hold = Effect.fnUntraced(function* (options: {
  readonly bucket: PresenceBucket["Service"];
  readonly publisher: Publisher["Service"];
  readonly history: History.History;
  readonly first: Presence;
  readonly about: About;
  /** Scope in which a beat goes on when its caller waits no longer. */
  readonly scope: Scope.Scope;
}) {
  const { about, bucket, first, history, publisher, scope } = options;
  /** Writes to the bucket, and to the log, each in turn. */
  const saying = yield* Semaphore.make(1);
  const telling = yield* Semaphore.make(1);
  const over = yield* Deferred.make<void>();
  let presence = first;
  /** Of our last value; undefined while we have never been heard. */
  let revision: number | undefined;
  let beginningId = "";
  let isForgotten = false;
  let isEnded = false;

  const taken = ({ machine, processId }: Present) =>
    refuse(
      history.id,
      `The session ${history.id} is held by process ${processId} on ${machine}.`,
      `Take another id, or wait ${bucket.leaseMillis / 1000} s if that process is dead.`,
    );

  /** Says that we are there, and notices when we had been forgotten in between. */
  const say = Effect.gen(function* () {
    if (isEnded) return;
    const known = revision;
    const replaced = known === undefined ? undefined : yield* bucket.put(presence, known);
    if (replaced !== undefined) {
      revision = replaced;
      return;
    }
    const found = yield* bucket.get(presence);
    const isOurs = found.present?.holder === presence.holder;
    if (found.present !== undefined && !isOurs) return yield* taken(found.present);
    const written = yield* bucket.put(presence, found.revision);
    if (written === undefined) return;
    revision = written;
    isForgotten ||= known !== undefined && !isOurs;
  }).pipe(saying.withPermit);

  const unsay = saying.withPermit(
    Effect.suspend(() => (revision === undefined ? Effect.void : bucket.remove(presence))),
  );

  /** Written after the presence: the sweep that ends a silent session looks there last, and expects our last event. */
  const resume = telling.withPermit(
    Effect.gen(function* () {
      if (!isForgotten || isEnded) return;
      const data = { reason: "the lease had run out" };
      const { eventId } = yield* publisher.publish({ ...about, history, type: "session.resumed", data });
      beginningId = eventId;
      isForgotten = false;
    }),
  );

  const warn = (error: { readonly _tag: string; readonly reason?: string }) =>
    Effect.logDebug(`session ${history.id}: ${error.reason ?? error._tag}`);

  const beat = Effect.andThen(say, resume).pipe(Effect.catch(warn));

  /** Waits for it, but not for a server that does not answer: it goes on by itself. */
  const soon = <E>(effect: Effect.Effect<void, E>): Effect.Effect<void, E> =>
    Effect.forkIn(effect, scope).pipe(
      Effect.flatMap((fiber) => Effect.timeoutOption(Fiber.join(fiber), patienceMillis)),
      Effect.asVoid,
    );

  const end = Effect.fn("sessions.end")(function* (ending: Ending, given: About = {}) {
    const isFirst = yield* telling.withPermit(
      Effect.gen(function* () {
        if (isEnded) return false;
        const id = endIdOf(history, beginningId);
        yield* publisher.publish({ ...about, ...given, id, history, type: "session.ended", data: ending });
        isEnded = true;
        return true;
      }),
    );
    if (!isFirst) return;
    yield* Deferred.succeed(over, undefined);
    yield* soon(unsay.pipe(Effect.catch(warn)));
  });

  const change = (kind: "threads" | "tasks", ids: (now: ReadonlyArray<string>) => ReadonlyArray<string>) => {
    presence = { ...presence, [kind]: ids(presence[kind]) };
    return soon(beat);
  };

  const held: Held = {
    id: history.id,
    join: (what) =>
      Effect.suspend((): Effect.Effect<void, SessionRefused> => {
        const { id, kind } = nameOf(what);
        const now = presence[kind];
        if (now.includes(id)) return Effect.void;
        if (!isId(id)) return refuse(history.id, "The id is none.", idHint);
        if (now.length >= maxJoined)
          return refuse(history.id, `The session is in ${maxJoined} ${kind} already.`, "Leave one of them first.");
        return change(kind, (ids) => [...ids, id]);
      }),
    leave: (what) =>
      Effect.suspend(() => {
        const { id, kind } = nameOf(what);
        return presence[kind].includes(id) ? change(kind, (ids) => ids.filter((other) => other !== id)) : Effect.void;
      }),
    end,
  };

  return {
    held,
    /** The first beat: only that another holds the session is a reason not to begin. */
    claim: soon(Effect.catchTag(say, "PresenceUnavailable", warn)),
    unclaim: soon(unsay.pipe(Effect.catch(warn))),
    began: (eventId: string) => {
      beginningId = eventId;
    },
    /** Until the end. A change that cannot be said now is said by the next beat. */
    keep: Effect.raceFirst(
      Deferred.await(over),
      Effect.sleep(beatMillis(bucket.leaseMillis)).pipe(Effect.andThen(beat), Effect.forever),
    ),
  };
});

const make = Effect.gen(function* () {
  const scope = yield* Effect.scope;
  const publisher = yield* Publisher;
  const bucket = yield* PresenceBucket;

  const register = Effect.fn("sessions.register")(function* (options: Registering = {}, about: About = {}) {
    const { id, machine = hostname(), processId = process.pid, ...given } = options;
    const said = storable(publisher.policy(), "session.started", given);
    const sessionId = id ?? (yield* newId);
    const history = History.session(sessionId, publisher.tenant);
    const since = about.occurredAt ?? (yield* Clock.currentTimeMillis);
    const first: Presence = {
      tenant: publisher.tenant,
      sessionId,
      client: shownClient(said.client),
      machine,
      processId,
      since,
      threads: said.threadId == null ? [] : [said.threadId],
      tasks: [],
      holder: yield* newId,
    };
    const fault = faultOf(history, first);
    if (fault !== undefined) return yield* fault;
    const attributes: About = { session: sessionId, ...about, occurredAt: undefined, id: undefined };
    const { began, claim, held, keep, unclaim } = yield* hold({
      bucket,
      publisher,
      history,
      first,
      scope,
      about: attributes,
    });
    yield* claim;
    const { eventId } = yield* publisher
      .publish({
        ...attributes,
        id: about.id,
        occurredAt: since,
        history,
        type: "session.started",
        data: { ...said, machine, processId, leaseMillis: bucket.leaseMillis },
      })
      .pipe(Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : unclaim)));
    began(eventId);
    yield* Effect.addFinalizer(() => Effect.ignore(held.end({ reason: "closed" })));
    yield* Effect.forkScoped(keep);
    return held;
  });

  return Sessions.of({
    register,
    active: Effect.map(bucket.list, (all) =>
      all
        .filter(({ tenant }) => tenant === publisher.tenant)
        .toSorted((a, b) => a.since - b.since || (a.sessionId < b.sessionId ? -1 : 1)),
    ).pipe(Effect.withSpan("sessions.active")),
  });
});

export const layer = Layer.effect(Sessions, make);
