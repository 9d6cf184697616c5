/**
 * The event log in memory: the same promises without a server, gone with its scope.
 *
 * Room: log.
 *
 * Events pass through the same envelope as on the wire, so what cannot be written there cannot be kept here.
 */
import { Array as Arr, Clock, Context, Effect, Layer, Stream } from "effect";
import { createHash } from "node:crypto";
import { isMisfit, type LogEntry, type RecordedEvent } from "../domain/Event.ts";
import type { Sequence } from "../domain/History.ts";
import { type Checked, checkAll, checkAppend, isSameEvent, maxEventBytes, otherContent } from "./append/AppendCheck.ts";
import { entryOf, type Headers, provenEntryOf, type StoredMessage } from "./Envelope.ts";
import {
  type AppendError,
  type Appended,
  AppendRefused,
  EventLog,
  LogDamaged,
  LogUnavailable,
  SequenceConflict,
} from "./EventLog.ts";
import { subjectOf } from "./Subject.ts";

/** Faults that tests plant behind a log's back. */
export class MemoryStream extends Context.Service<
  MemoryStream,
  {
    /** Publishes as a foreign publisher could: any headers, any body, any subject of the stream. */
    readonly publish: (message: {
      readonly subject: string;
      readonly headers: Headers;
      readonly body: Uint8Array;
    }) => Effect.Effect<Sequence>;
    /** From now on everything is `LogUnavailable` and followers wait. */
    readonly goAway: Effect.Effect<void>;
    readonly comeBack: Effect.Effect<void>;
  }
>()("recollect/log/MemoryStream") {}

/** The same as in `FollowNats`. */
const maxChunk = 1_000;

interface Held {
  readonly messages: Array<StoredMessage>;
  readonly bySubject: Map<string, Array<StoredMessage>>;
  /** Every event id with its message: an id is one event over all histories. */
  readonly byId: Map<string, StoredMessage>;
  readonly blobs: Map<string, Uint8Array>;
  readonly waiting: Set<() => void>;
  bytes: number;
  away: boolean;
}

const sizeOf = ({ body, headers, subject }: StoredMessage): number =>
  Object.entries(headers).reduce(
    (sum, [name, value]) => sum + name.length + value.length + 4,
    subject.length + body.byteLength,
  );

const keep = (held: Held, message: Omit<StoredMessage, "sequence">): StoredMessage => {
  const stored: StoredMessage = { ...message, sequence: held.messages.length + 1, body: Uint8Array.from(message.body) };
  held.messages.push(stored);
  const history = held.bySubject.get(stored.subject) ?? [];
  history.push(stored);
  held.bySubject.set(stored.subject, history);
  const entry = entryOf(stored);
  if (!isMisfit(entry) && !held.byId.has(entry.id)) held.byId.set(entry.id, stored);
  held.bytes += sizeOf(stored);
  return stored;
};

const wakeAll = (held: Held) => {
  const wakes = [...held.waiting];
  held.waiting.clear();
  for (const wake of wakes) wake();
};

/** The verdict on one append before anything is written: a result for a duplicate, undefined for a new one. */
const judge = (held: Held, { append, subject, wires }: Checked): Appended | undefined | AppendError => {
  const { expected, history } = append;
  const there = wires.flatMap(({ id }) => held.byId.get(id) ?? []);
  const last = held.bySubject.get(subject)?.at(-1)?.sequence ?? 0;
  if (there.some((message) => message.subject !== subject)) {
    return new AppendRefused({
      reason: `an id of this append (${wires
        .map(({ id }) => id)
        .slice(0, 3)
        .join(", ")}) belongs to another event already`,
      hint: "An event id is unique for ever, over all histories. Give this event one of its own.",
      takenId: wires[0]?.id ?? "",
    });
  }
  for (const wire of wires) {
    const stored = held.byId.get(wire.id);
    if (stored !== undefined && !isSameEvent(wire, stored)) return otherContent(wire.id, stored.sequence);
  }
  if (there.length === wires.length) return { sequence: there.at(-1)?.sequence ?? 0, duplicate: true };
  const seen = expected === "any" ? last : expected;
  const newer = (held.bySubject.get(subject) ?? []).some(
    (message) => message.sequence > seen && !isMisfit(entryOf(message)),
  );
  if (there.length > 0 || newer || last < seen) {
    return new SequenceConflict({ history, expected: expected === "any" ? 0 : expected, actual: last });
  }
  return undefined;
};

const isVerdict = (judged: Appended | AppendError): judged is Appended => !("_tag" in judged);

const writeAll = (
  held: Held,
  appends: ReadonlyArray<Checked>,
  recordedAt: number,
): Effect.Effect<ReadonlyArray<Appended>, AppendError> => {
  const verdicts = appends.map((checked) => judge(held, checked));
  for (const verdict of verdicts) if (verdict !== undefined && !isVerdict(verdict)) return Effect.fail(verdict);
  const results = appends.map(({ subject, wires }, index): Appended => {
    const verdict = verdicts[index];
    if (verdict !== undefined && isVerdict(verdict)) return verdict;
    let sequence = 0;
    for (const { body, headers } of wires) sequence = keep(held, { recordedAt, subject, headers, body }).sequence;
    return { sequence, duplicate: false };
  });
  wakeAll(held);
  return Effect.succeed(results);
};

const isAway = new LogUnavailable({ reason: "the log in memory was told to be away" });

const followFrom = (held: Held, after: Sequence, subject: string | undefined): Stream.Stream<LogEntry, LogDamaged> =>
  Stream.fromPull(
    Effect.sync(() => {
      if (after > held.messages.length) {
        return Effect.fail(
          new LogDamaged({
            sequence: after,
            reason: `the stream was rolled back: it ends at ${held.messages.length}, and ${after} has been read`,
          }),
        );
      }
      let next = after;
      const grown = Effect.callback<void>((resume) => {
        const wake = () => resume(Effect.void);
        held.waiting.add(wake);
        return Effect.sync(() => held.waiting.delete(wake));
      });
      return Effect.gen(function* () {
        for (;;) {
          if (!held.away) {
            const chunk = held.messages.slice(next, next + maxChunk);
            next += chunk.length;
            const entries = chunk
              .filter((message) => subject === undefined || message.subject === subject)
              .map(provenEntryOf);
            if (Arr.isReadonlyArrayNonEmpty(entries)) return entries;
            if (chunk.length > 0) continue;
          }
          yield* grown;
        }
      });
    }),
  );

export const make = Effect.gen(function* () {
  const created = yield* Clock.currentTimeMillis;
  const held: Held = {
    messages: [],
    bySubject: new Map(),
    byId: new Map(),
    blobs: new Map(),
    waiting: new Set(),
    bytes: 0,
    away: false,
  };
  const present = <A, E>(effect: () => Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | LogUnavailable> => (held.away ? Effect.fail(isAway) : effect()));
  const eventsAfter = (subject: string, after: Sequence) =>
    (held.bySubject.get(subject) ?? []).flatMap((message): Array<RecordedEvent> => {
      const entry = message.sequence > after ? entryOf(message) : undefined;
      return entry === undefined || isMisfit(entry) ? [] : [entry];
    });

  const log = EventLog.of({
    append: Effect.fnUntraced(function* (append) {
      const checked = yield* Effect.fromResult(checkAppend(append, maxEventBytes));
      const recordedAt = yield* Clock.currentTimeMillis;
      const [appended] = yield* present(() => writeAll(held, [checked], recordedAt));
      return appended ?? (yield* isAway);
    }),
    appendAll: Effect.fnUntraced(function* (appends) {
      const checked = yield* Effect.fromResult(checkAll(appends, maxEventBytes));
      const recordedAt = yield* Clock.currentTimeMillis;
      return yield* present(() => writeAll(held, checked, recordedAt));
    }),
    read: ({ after = 0, history }) =>
      Stream.unwrap(present(() => Effect.sync(() => Stream.fromArray(eventsAfter(subjectOf(history), after))))),
    whole: () => Effect.void,
    last: (history) => present(() => Effect.sync(() => eventsAfter(subjectOf(history), 0).at(-1))),
    at: (sequence) =>
      present(() =>
        Effect.sync(() => {
          const message = held.messages[sequence - 1];
          return message === undefined ? undefined : provenEntryOf(message);
        }),
      ),
    follow: ({ after, history, until = Infinity }) =>
      until <= after
        ? Stream.empty
        : followFrom(held, after, history === undefined ? undefined : subjectOf(history)).pipe(
            Stream.takeUntil(({ sequence }) => sequence >= until),
          ),
    info: present(() =>
      Effect.sync(() => ({
        created,
        firstSequence: Math.min(1, held.messages.length),
        lastSequence: held.messages.length,
        messages: held.messages.length,
        bytes: held.bytes,
      })),
    ),
    putBlob: (bytes) =>
      present(() =>
        Effect.sync(() => {
          const sha256 = createHash("sha256").update(bytes).digest("hex");
          held.blobs.set(sha256, Uint8Array.from(bytes));
          return { sha256, bytes: bytes.byteLength };
        }),
      ),
    getBlob: (sha256) => present(() => Effect.sync(() => held.blobs.get(sha256)?.slice())),
  });
  const stream = MemoryStream.of({
    publish: (message) =>
      Effect.map(Clock.currentTimeMillis, (recordedAt) => {
        const { sequence } = keep(held, { ...message, recordedAt });
        wakeAll(held);
        return sequence;
      }),
    goAway: Effect.sync(() => {
      held.away = true;
    }),
    comeBack: Effect.sync(() => {
      held.away = false;
      wakeAll(held);
    }),
  });
  return Context.make(EventLog, log).pipe(Context.add(MemoryStream, stream));
});

export const layer: Layer.Layer<EventLog | MemoryStream> = Layer.effectContext(make);
