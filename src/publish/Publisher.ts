/**
 * The way in: whoever records a conversation, a task or a session does it here.
 *
 * Room: publish.
 *
 * Promises, each a test in `test/publish/`:
 * - a call returns when its event is on disk, and says where: in the log, or in this machine's spool; with `durable: "log"`
 *   in the log only, or it fails; in memory nothing is kept but for who asks for it (`durable: "memory"`);
 * - events of one history arrive in the order of the calls, awaited or not;
 * - messages of several writers on one thread merge: none is lost, none is doubled;
 * - a task never makes a move that its state does not allow, whoever else moves it at the same moment;
 * - the log being away or slow costs a caller our patience (250 ms) once, and then one write to disk per call;
 * - who puts more than is delivered while the log is back is slowed down, and sent to the log in the end (`SpoolBackpressure`);
 * - an event that its Schema does not allow is refused before anything is written;
 * - secrets are replaced by their marks before the command is made (`storing/StoragePolicy`).
 */
import { Context, Effect, Layer, Schedule, Stream } from "effect";
import type { NewEvent, Provenance, RecordedEvent } from "../domain/Event.ts";
import { defaultTenant, type History, type Sequence } from "../domain/History.ts";
import type { TaskRefusal } from "../domain/task/Task.ts";
import {
  type AccessDenied,
  type AppendRefused,
  EventLog,
  LogUnavailable,
  type SequenceConflict,
} from "../log/EventLog.ts";
import type { Command } from "../spool/Spool.ts";
import { AuditLevels } from "./storing/AuditLevels.ts";
import { type Policy, policyHere } from "./storing/StoragePolicy.ts";
import { compose, type Composing, newId, type TypeName } from "./write/NewEvent.ts";
import { type InvalidEvent } from "./write/InvalidEvent.ts";
import * as Delivery from "./delivery/Delivery.ts";
import type { NotAccepted } from "./delivery/SpoolOrMemory.ts";
import { putBlobs } from "./write/WriteCommand.ts";

/** Outcome of an event: see `Delivered`. */
export type Published = Delivery.Delivered & { readonly eventId: string };

/** `LogUnavailable` only for an event that must be in the log (`durable: "log"`). */
export type PublishError = AccessDenied | InvalidEvent | AppendRefused | TaskRefusal | NotAccepted | LogUnavailable;

/** A call whose event must be in the log waits for it so long in all: a server that is started again is back by then. */
const logMillis = 5_000;
/** Number of retries meanwhile. */
const logRetryMillis = 50;
/** Patience for a blob while callers are sent to the spool, milliseconds. */
const blobMillis = 2_000;

export interface PublishOptions<Name extends TypeName> extends Composing<Name> {}

/** One event of an `appendAll`. */
export interface AppendedEvent extends Omit<Composing<TypeName>, "history" | "data"> {
  /** The event's data: by its Schema for our own types, any JSON for `x.<vendor>.<name>`. */
  readonly data: unknown;
}

export interface AppendedAll {
  /** Sequence of the last event of the append. */
  readonly sequence: Sequence;
  /** True when all of them were there already. */
  readonly duplicate: boolean;
  /** Events of which the audit policy records nothing (level `None`). With all of them `sequence` is `expected`, or 0. */
  readonly withheld: number;
  /** In the order of the events, also of those withheld. */
  readonly eventIds: ReadonlyArray<string>;
}

export interface Options extends Delivery.Options {
  /** Default `default`. */
  readonly tenant?: string | undefined;
  /** Publisher: the CloudEvents source of events that name no other. Default `recollect`. */
  readonly source?: string | undefined;
  /** Said of every event that does not say otherwise. */
  readonly actor?: string | undefined;
  readonly session?: string | undefined;
}

export class Publisher extends Context.Service<
  Publisher,
  {
    readonly tenant: string;
    /** Defaults of each event. */
    readonly speaks: Provenance;
    /** Storage policy in force. */
    readonly policy: () => Policy;
    /** Any event of the catalogue. */
    readonly publish: <Name extends TypeName>(options: PublishOptions<Name>) => Effect.Effect<Published, PublishError>;
    /**
     * An event that holds only while the history is as the caller read it. Never spooled: with the log unreachable
     * that cannot be known. After `LogUnavailable` the same call with the same id is safe.
     */
    readonly publishExpecting: <Name extends TypeName>(
      options: PublishOptions<Name> & { readonly expected: Sequence },
    ) => Effect.Effect<
      Extract<Published, { readonly _tag: "Appended" | "Withheld" }>,
      InvalidEvent | AppendRefused | SequenceConflict | LogUnavailable
    >;
    /**
     * Events of one history into the log, all or none, on disk when it returns. Never spooled: with the log away it is
     * `LogUnavailable`, after which the same call with the same ids is safe. `expected` is the last sequence of the history
     * that the caller saw, `"any"` when it saw nothing.
     */
    readonly appendAll: (options: {
      readonly history: History;
      readonly events: ReadonlyArray<AppendedEvent>;
      readonly expected: Sequence | "any";
    }) => Effect.Effect<AppendedAll, InvalidEvent | AppendRefused | SequenceConflict | LogUnavailable>;
    /** The events as the log takes them, as far as the audit policy keeps them, checked, their blobs in the object store: for who decides what to append. */
    readonly prepare: (
      history: History,
      events: ReadonlyArray<AppendedEvent>,
    ) => Effect.Effect<ReadonlyArray<NewEvent>, InvalidEvent | AppendRefused | LogUnavailable>;
    /**
     * Keeps commands that begin a history each on this machine's disk, all or none, for a log that its caller has found
     * away. The log then takes all of them or none: none when one of the histories has begun there, and what is missing of
     * them is then added by itself. Refused without a disk: memory promises too little.
     */
    readonly keepBatch: (commands: ReadonlyArray<Command>) => Effect.Effect<void, Delivery.DeliveryError>;
    /** Events of a history after a sequence. Fails at once while callers are sent to the spool. */
    readonly read: (history: History, after: Sequence) => Stream.Stream<RecordedEvent, LogUnavailable>;
    /** The bytes of a blob that an event refers to, also of one that waits; undefined when they are lost. */
    readonly blob: (sha256: string) => Effect.Effect<Uint8Array | undefined, LogUnavailable>;
    /** Returns when every call made so far has returned: what was accepted is durable. */
    readonly flush: Effect.Effect<void>;
    /** Returns when the log has everything. Waits for as long as the log is away, so bound it. */
    readonly drained: Effect.Effect<void>;
    /**
     * Commands that this machine accepted for a history and the log may not have yet, in order: on disk, whichever process
     * put it there, and in this one's memory. `Waiting.onto` (spool) puts it on a thread's state.
     */
    readonly waitingFor: (history: History) => Effect.Effect<ReadonlyArray<Command>>;
    /** True while commands go straight to the log. Costs nothing, unlike `waiting`, which counts the spool. */
    readonly isDirect: () => boolean;
    /** Waiting commands, by where they wait. */
    readonly waiting: Effect.Effect<Delivery.Waiting>;
  }
>()("recollect/publish/Publisher") {}

/** Fields the caller left out must not hide the publisher's own. */
const about = ({ source, actor, session }: Options): Partial<Provenance> => ({
  ...(source === undefined ? {} : { source }),
  ...(actor === undefined ? {} : { actor }),
  ...(session === undefined ? {} : { session }),
});

export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const log = yield* EventLog;
  const delivery = yield* Delivery.make(options);
  const source = options.source ?? "recollect";
  const own = about(options);
  const policy = yield* policyHere;

  /** Into the log or nowhere. A tried append may be there: it is looked for before it is written again. */
  const deliverToLog = (command: Command) =>
    Effect.catchTag(delivery.deliver(command), "LogUnavailable", () =>
      Effect.retry(delivery.deliver({ ...command, isNew: undefined }), {
        while: ({ _tag }) => _tag === "LogUnavailable",
        schedule: Schedule.spaced(logRetryMillis).pipe(Schedule.upTo({ duration: logMillis })),
      }),
    ).pipe(Effect.ensuring(Effect.sync(() => delivery.forget(command.event.id))));

  const levels = new AuditLevels();

  /** An event as far as the audit policy keeps it; undefined: nothing of it. */
  const audited = <Given extends Pick<AppendedEvent, "type" | "data" | "actor">>(given: Given, holds: Policy) => {
    const data = levels.audited(holds, given.type, given.data, given.actor ?? own.actor);
    return data === undefined && given.data !== undefined ? undefined : ({ ...given, data } as Given);
  };

  const publish = Effect.fn("publish.publish")(function* <Name extends TypeName>(given: PublishOptions<Name>) {
    const holds = policy();
    const kept = audited(given, holds);
    if (kept === undefined) return { _tag: "Withheld" as const, eventId: given.id ?? (yield* newId) };
    const composed = yield* compose({ ...own, ...kept }, { source, policy: holds });
    const durable = composed.durable ?? options.durable;
    const command = durable === undefined ? composed : { ...composed, durable };
    const delivered = yield* durable === "log" ? deliverToLog(command) : delivery.deliver(command);
    return { ...delivered, eventId: command.event.id };
  });

  const publishExpecting = Effect.fn("publish.publishExpecting")(function* <Name extends TypeName>(
    given: PublishOptions<Name> & { readonly expected: Sequence },
  ) {
    const { expected, ...rest } = given;
    const holds = policy();
    const kept = audited(rest as unknown as PublishOptions<Name>, holds);
    if (kept === undefined) return { _tag: "Withheld" as const, eventId: given.id ?? (yield* newId) };
    const command = yield* compose({ ...own, ...kept }, { source, policy: holds });
    if (!delivery.isDirect) {
      const hint = "Publish without an expected sequence, or wait until the log is back.";
      return yield* new LogUnavailable({
        reason: "the log is away, so nobody knows the history's last sequence",
        hint,
      });
    }
    yield* putBlobs(log, [command]);
    const { history, event } = command;
    const { sequence } = yield* log.append({ history, events: [event], expected });
    return { _tag: "Appended" as const, sequence, eventId: event.id };
  });

  const prepare = Effect.fn("publish.prepare")(function* (history: History, given: ReadonlyArray<AppendedEvent>) {
    const holds = policy();
    const kept = given.flatMap((event) => audited(event, holds) ?? []);
    const commands = yield* Effect.forEach(kept, (event) =>
      compose({ ...own, ...event, history } as Composing<TypeName>, { source, policy: holds }),
    );
    yield* putBlobs(log, commands);
    return commands.map(({ event }) => event);
  });

  const appendAll = Effect.fn("publish.appendAll")(function* (given: {
    readonly history: History;
    readonly events: ReadonlyArray<AppendedEvent>;
    readonly expected: Sequence | "any";
  }) {
    const { expected, history } = given;
    const named = yield* Effect.forEach(given.events, (event) =>
      event.id === undefined
        ? Effect.map(newId, (id) => ({ ...event, id }))
        : Effect.succeed({ ...event, id: event.id }),
    );
    const eventIds = named.map(({ id }) => id);
    const events = yield* prepare(history, named);
    if (events.length === 0 && named.length > 0) {
      return { sequence: expected === "any" ? 0 : expected, duplicate: false, withheld: named.length, eventIds };
    }
    const { duplicate, sequence } = yield* log.append({ history, events, expected });
    return { sequence, duplicate, withheld: named.length - events.length, eventIds };
  });

  const away = new LogUnavailable({ reason: "the log is away; what is published waits in the spool" });
  const read = (history: History, after: Sequence): Stream.Stream<RecordedEvent, LogUnavailable> =>
    delivery.isDirect ? log.read({ history, after }) : Stream.fail(away);
  const blob = Effect.fn("publish.blob")((sha256: string) =>
    Effect.flatMap(delivery.waitingBlob(sha256), (waiting) => {
      if (waiting !== undefined) return Effect.succeed(waiting);
      // The caller has read the event, so the log was there a moment ago.
      return delivery.isDirect
        ? log.getBlob(sha256)
        : Effect.timeoutOrElse(log.getBlob(sha256), { duration: blobMillis, orElse: () => Effect.fail(away) });
    }).pipe(
      Effect.catchTag("LogDamaged", ({ reason }) =>
        Effect.as(Effect.logWarning(`The blob ${sha256} is damaged: ${reason}`), undefined),
      ),
    ),
  );

  return Publisher.of({
    tenant: options.tenant ?? defaultTenant,
    speaks: { ...own, source },
    policy,
    publish,
    publishExpecting,
    appendAll,
    prepare,
    keepBatch: (commands) => delivery.keepBatch(commands),
    read,
    blob,
    flush: delivery.flush,
    drained: delivery.drained,
    waitingFor: (history) => delivery.waitingFor(history),
    isDirect: () => delivery.isDirect,
    waiting: delivery.state,
  });
});

export const layer = (options: Options = {}) => Layer.effect(Publisher, make(options));
