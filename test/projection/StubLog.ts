/** A log in memory that can be damaged in every way a server can: for the projector's tests. */
import { Effect, Latch, Stream } from "effect";
import type { LogEntry, Misfit, RecordedEvent } from "../../src/domain/Event.ts";
import { type History, thread } from "../../src/domain/History.ts";
import { EventLog, LogDamaged, LogUnavailable } from "../../src/log/EventLog.ts";

export const uuid = (n: number): string => `00000000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;

/** An event as a log would give it; `data` becomes its JSON body. */
export const event = (
  sequence: number,
  type: string,
  data: unknown,
  more: Partial<RecordedEvent> & { readonly in?: History } = {},
): RecordedEvent => {
  const { in: history, ...rest } = more;
  return {
    sequence,
    recordedAt: 1_700_000_000_000 + sequence,
    occurredAt: 1_700_000_000_000 + sequence * 1000,
    history: history ?? thread("t1"),
    id: uuid(sequence),
    type,
    schemaVersion: type === "thread.message_appended" ? 2 : 1,
    source: "test",
    body: Buffer.from(typeof data === "string" ? data : JSON.stringify(data), "utf8"),
    ...rest,
  };
};

export const said = (
  sequence: number,
  text: string,
  more: Parameters<typeof event>[3] & { readonly role?: string } = {},
) => {
  const { role, ...rest } = more;
  const data = { messageId: `m${sequence}`, role: role ?? "user", parts: [{ type: "text", text }] };
  return event(sequence, "thread.message_appended", data, rest);
};

export const misfit = (sequence: number, problem: string): Misfit => ({
  sequence,
  recordedAt: 1_700_000_000_000 + sequence,
  subject: "recollect.strange",
  problem,
  headers: { "x-from": "elsewhere" },
  body: new Uint8Array([0xff, 0x00, 0x41]),
});

export interface StubLog {
  readonly service: EventLog["Service"];
  readonly blobs: Map<string, Uint8Array>;
  /** What the stream holds; change it, then `wake`. A sequence left out in the middle is a hole. */
  entries: Array<LogEntry>;
  created: number;
  available: boolean;
  readonly append: (...entries: ReadonlyArray<LogEntry>) => void;
  readonly wake: () => void;
}

export const stubLog = (initial: ReadonlyArray<LogEntry> = []): StubLog => {
  const changed = Latch.makeUnsafe(false);
  const away = new LogUnavailable({ reason: "the stub is away" });
  const whenThere = <A>(work: () => A) => Effect.suspend(() => (log.available ? Effect.sync(work) : Effect.fail(away)));
  const last = () => log.entries.at(-1)?.sequence ?? 0;
  const log: StubLog = {
    blobs: new Map(),
    entries: [...initial],
    created: 1_600_000_000_000,
    available: true,
    append: (...entries) => {
      log.entries.push(...entries);
      log.wake();
    },
    wake: () => {
      changed.openUnsafe();
      changed.closeUnsafe();
    },
    service: EventLog.of({
      append: ({ events, history }) =>
        whenThere(() => {
          for (const one of events) {
            const body = typeof one.body === "string" ? Buffer.from(one.body, "utf8") : one.body;
            log.append({ ...one, body, history, sequence: last() + 1, recordedAt: one.occurredAt });
          }
          return { sequence: last(), duplicate: false };
        }),
      appendAll: () => Effect.die("a stub only reads"),
      read: () => Stream.empty,
      whole: () => Effect.void,
      last: () => Effect.succeed(undefined),
      at: (sequence) => whenThere(() => log.entries.find((entry) => entry.sequence === sequence)),
      info: whenThere(() => ({
        created: log.created,
        firstSequence: log.entries[0]?.sequence ?? 0,
        lastSequence: last(),
        messages: log.entries.length,
        bytes: 0,
      })),
      putBlob: () => Effect.die("a stub only reads"),
      getBlob: (sha256) => whenThere(() => log.blobs.get(sha256)),
      follow: ({ after }) =>
        Stream.unwrap(
          Effect.sync(() => {
            let reached = after;
            const began = log.created;
            const more: Effect.Effect<ReadonlyArray<LogEntry>, LogDamaged | LogUnavailable> = Effect.suspend(() => {
              if (!log.available) return Effect.fail(away);
              if (log.created !== began || last() < reached)
                return Effect.fail(new LogDamaged({ sequence: reached, reason: "another stream" }));
              const next = log.entries.filter(({ sequence }) => sequence > reached).slice(0, 100);
              const [first] = next;
              if (first === undefined) return Effect.andThen(changed.await, more);
              // As the real one: what lies before the first event held is no hole.
              if (first.sequence !== reached + 1 && first !== log.entries[0]) {
                return Effect.fail(new LogDamaged({ sequence: reached + 1, reason: "missing" }));
              }
              const whole = next.filter(({ sequence }, index) => sequence === first.sequence + index);
              reached = whole.at(-1)?.sequence ?? reached;
              return Effect.succeed(whole);
            });
            return Stream.fromEffectRepeat(more).pipe(Stream.flattenIterable);
          }),
        ),
    }),
  };
  return log;
};
