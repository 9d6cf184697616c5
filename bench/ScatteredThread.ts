/** A thread of 1,000 messages, scattered over a stream of 5,000 events: its snapshot in KV, and a tail of ten events. */
import { Kvm } from "@nats-io/kv";
import { Context, Effect, Layer } from "effect";
import { EventLog } from "../src/log/EventLog.ts";
import { keyOf, SnapshotStore } from "../src/snapshot/SnapshotStore.ts";
import { bucketName } from "../src/snapshot/SnapshotStoreKv.ts";
import * as ThreadReader from "../src/snapshot/ThreadReader.ts";
import { world } from "./Servers.ts";
import { type Conversation, conversations, eventOf } from "./Workload.ts";

const messages = 1_000;
const tail = 10;
const others = 4;
const perBatch = 100;

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

export const scatteredThread = Effect.gen(function* () {
  const here = yield* world();
  const log = Context.get(here.rooms, EventLog);
  const [read, ...rest] = conversations({ name: "read", count: 1 + others, turns: messages + tail });
  if (read === undefined) return yield* Effect.die("no conversation");
  yield* append(log, [read, ...rest]);
  const { history, spoken } = read;
  const state = yield* Context.get(here.rooms, ThreadReader.ThreadReader).get(history.id);
  if (state === undefined) return yield* Effect.die("the thread that was appended is not there");
  const store = Context.get(here.rooms, SnapshotStore);
  yield* store.put(state);
  const after = yield* Effect.forEach(spoken.slice(messages), (said) => eventOf(history, said));
  const { sequence } = yield* log.append({ history, events: after, expected: state.lastSequence });
  const kv = yield* Effect.promise(() => new Kvm(here.bare.js).open(bucketName, { allow_direct: true }));
  const key = keyOf(history);
  const get = () => kv.get(key);
  const bytes = (yield* Effect.promise(get))?.value.byteLength ?? 0;
  /** A reader that has never read. */
  const reader = Layer.build(ThreadReader.layer()).pipe(
    Effect.provide(here.rooms),
    Effect.map(Context.get(ThreadReader.ThreadReader)),
  );
  /** What is read is checked every time: a quick wrong answer is no figure. */
  const readBy = (by: ThreadReader.ThreadReader["Service"]) =>
    Effect.gen(function* () {
      const now = yield* by.get(history.id);
      if (now?.lastSequence !== sequence) return yield* Effect.die("the reader answers with an old state");
    });
  const size = `snapshot of ${(bytes / 1000).toFixed(1)} KB compressed, tail of ${tail} events`;
  return { get, size, reader, readBy };
});
