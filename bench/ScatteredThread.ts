/**
 * A thread of 10,000 messages, scattered over a stream of 20,000 events: its snapshot in KV as the snapshotter leaves it
 * when the thread is quiet, and for one row a tail of ten events that came since. Made once for all rows.
 */
import { Kvm } from "@nats-io/kv";
import { Context, Effect, Layer, Scope } from "effect";
import { EventLog } from "../src/log/EventLog.ts";
import { keyOf, SnapshotStore } from "../src/snapshot/SnapshotStore.ts";
import { bucketName } from "../src/snapshot/SnapshotStoreKv.ts";
import * as ThreadReader from "../src/snapshot/ThreadReader.ts";
import { Whole } from "./Harness.ts";
import { world } from "./Servers.ts";
import { type Conversation, conversations, eventOf } from "./Workload.ts";

const messages = 10_000;
const tailEvents = 10;
const others = 1;
const perBatch = 250;
/** The peer's key: a value as large as all that a reader must be told. */
const asManyBytes = "bench.as-many-bytes";

/** Appends the conversations side by side, so that each is scattered over the stream. */
const append = Effect.fnUntraced(function* (log: EventLog["Service"], all: ReadonlyArray<Conversation>) {
  const reached = new Map<string, number>();
  for (let from = 0; from < messages; from += perBatch) {
    const appends = yield* Effect.forEach(all, ({ history, spoken }) =>
      Effect.map(
        Effect.forEach(spoken.slice(from, from + perBatch), (said) => eventOf(history, said)),
        (events) => ({ history, events, expected: reached.get(history.id) ?? 0 }),
      ),
    );
    const appended = yield* log.appendAll(appends);
    for (const [index, { sequence }] of appended.entries()) reached.set(appends[index]?.history.id ?? "", sequence);
  }
});

const make = Effect.gen(function* () {
  const here = yield* world();
  const log = Context.get(here.rooms, EventLog);
  const [read, ...rest] = conversations({ name: "read", count: 1 + others, turns: messages + tailEvents });
  if (read === undefined) return yield* Effect.die("no conversation");
  yield* append(log, [read, ...rest]);
  const { history, spoken } = read;
  const state = yield* Context.get(here.rooms, ThreadReader.ThreadReader).get(history.id);
  if (state === undefined) return yield* Effect.die("the thread that was appended is not there");
  yield* Context.get(here.rooms, SnapshotStore).put(state);
  const kv = yield* Effect.promise(() => new Kvm(here.bare.js).open(bucketName, { allow_direct: true }));
  return { here, history, spoken, kv, sequence: state.lastSequence, tail: [] as ReadonlyArray<Buffer> };
});

let made: Effect.Success<typeof make> | undefined;

/** The thread, and how it is read. Once it has a tail it keeps it: the row that wants one comes last. */
export const scatteredThread = Effect.fnUntraced(function* (options: { readonly tail: "none" | "ten events" }) {
  const whole = yield* Whole;
  const thread = (made ??= yield* Scope.provide(make, whole));
  const { here, history, kv, spoken } = thread;
  if (options.tail === "ten events" && thread.tail.length === 0) {
    const events = yield* Effect.forEach(spoken.slice(messages), (said) => eventOf(history, said));
    const log = Context.get(here.rooms, EventLog);
    thread.sequence = (yield* log.append({ history, events, expected: thread.sequence })).sequence;
    thread.tail = events.map(({ body }) => Buffer.from(body));
  }
  const { sequence } = thread;
  const snapshot = (yield* Effect.promise(() => kv.get(keyOf(history))))?.value ?? new Uint8Array();
  /** What a reader must be told, as one value. */
  const told = Buffer.concat([snapshot, ...thread.tail]);
  yield* Effect.promise(() => kv.put(asManyBytes, told));
  const get = () => kv.get(asManyBytes);
  /** A reader as a process has it, or one whose memory has no room: each of its reads is a first one. */
  const reader = (memory: "as always" | "none") =>
    Layer.build(ThreadReader.layer(memory === "none" ? { cache: { stateBytes: 0 } } : {})).pipe(
      Effect.provide(here.rooms),
      Effect.map(Context.get(ThreadReader.ThreadReader)),
    );
  /** What is read is checked every time: a quick wrong answer is no figure. */
  const readBy = (by: ThreadReader.ThreadReader["Service"]) =>
    Effect.gen(function* () {
      const now = yield* by.get(history.id);
      if (now?.lastSequence !== sequence) return yield* Effect.die("the reader answers with an old state");
    });
  const size = `${(told.byteLength / 1000).toFixed(1)} KB: the snapshot and a tail of ${thread.tail.length} events`;
  return { get, size, reader, readBy };
});
