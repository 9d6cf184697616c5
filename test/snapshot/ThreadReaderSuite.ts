/** What a thread reader promises over any log and any store, as one suite for the memory layers and for NATS. */
import { assert } from "@effect/vitest";
import { Arbitrary, Effect, Schema, Stream } from "effect";
import { createHash, randomUUID } from "node:crypto";
import type { NewEvent } from "../../src/domain/Event.ts";
import { fromContent } from "../../src/domain/EventId.ts";
import { type History, thread } from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import { partsOf } from "../../src/domain/thread/ThreadMessage.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as SnapshotCodec from "../../src/snapshot/SnapshotCodec.ts";
import { keyOf, SnapshotBucket, SnapshotStore } from "../../src/snapshot/SnapshotStore.ts";
import { ThreadReader } from "../../src/snapshot/ThreadReader.ts";
import { append, say, sayNew, type Step, Steps, wholeFold } from "./ThreadWorld.ts";

export type Rooms = EventLog | SnapshotStore | SnapshotBucket | ThreadReader;
type Tester = (name: string, test: () => Effect.Effect<void, unknown, Rooms>) => void;

/** What may lie where the snapshot of a thread should be. */
const Damage = Schema.Literals([
  "none",
  "removed",
  "stale",
  "cut bytes",
  "flipped bit",
  "older fold",
  "newer fold",
  "another thread",
  "another stream",
  "rolled back stream",
]);

const plant = Effect.fnUntraced(function* (
  history: History,
  damage: typeof Damage.Type,
  sequences: ReadonlyArray<number>,
) {
  const store = yield* SnapshotStore;
  const bucket = yield* SnapshotBucket;
  const half = yield* wholeFold(history, sequences[Math.floor(sequences.length / 2)] ?? 0);
  // Wrong in every visible field, so that an answer made from it cannot be right.
  const lie = {
    ...half,
    metadata: { ...half.metadata, title: "a lie" },
    counters: { ...half.counters, events: 1_000_000 },
  };
  const put = (bytes: Uint8Array) => bucket.put(keyOf(history), bytes);
  const good = SnapshotCodec.encode(lie);
  switch (damage) {
    case "none":
      return;
    case "removed":
      yield* store.put(lie);
      return yield* store.remove(history);
    case "stale":
      return yield* half.lastSequence > 0 ? store.put(half) : Effect.void;
    case "cut bytes":
      return yield* put(good.subarray(0, good.length >> 1));
    case "flipped bit": {
      const bytes = Uint8Array.from(good);
      bytes[good.length - 3] = (bytes[good.length - 3] ?? 0) ^ 1;
      return yield* put(bytes);
    }
    case "older fold":
      return yield* put(SnapshotCodec.encode(lie, { version: Thread.foldVersion - 1 }));
    case "newer fold":
      return yield* put(SnapshotCodec.encode(lie, { version: Thread.foldVersion + 1 }));
    case "another thread":
      return yield* put(SnapshotCodec.encode({ ...lie, history: thread("another") }));
    case "another stream":
      return yield* put(SnapshotCodec.encode({ ...lie, lastEventId: "of an event that is not there" }));
    case "rolled back stream":
      return yield* put(SnapshotCodec.encode({ ...lie, lastSequence: lie.lastSequence + 1_000_000 }));
  }
});

/** Sees the truth with this damage planted, once, and again when the reader has written the snapshot back. */
export const answersTheTruth = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>, damage: typeof Damage.Type) {
  const reader = yield* ThreadReader;
  const history = thread(`truth ${randomUUID()}`);
  const sequences = yield* append(history, steps);
  yield* plant(history, damage, sequences);
  const truth = yield* wholeFold(history);
  const expected = truth.lastSequence === 0 ? undefined : truth;
  const at = sequences[Math.floor(sequences.length / 3)] ?? 0;
  const then = yield* wholeFold(history, at);
  const expectedThen = then.lastSequence === 0 ? undefined : then;
  assert.deepStrictEqual(yield* reader.get(history.id, { at }), expectedThen);
  assert.deepStrictEqual(yield* reader.get(history.id), expected);
  assert.deepStrictEqual(yield* reader.get(history.id, { atLeast: truth.lastSequence }), expected);
  assert.deepStrictEqual(yield* reader.get(history.id, { at }), expectedThen);
});

export const DamagedWorld = { steps: Steps, damage: Damage };

/** Asks until the store has a snapshot of the thread that reaches this sequence. */
export const untilSnapshot = (history: History, sequence: number) =>
  Effect.gen(function* () {
    const { state } = yield* (yield* SnapshotStore).get(history);
    return state !== undefined && state.lastSequence >= sequence ? state : yield* Effect.fail("not yet");
  });

const entry = (format: string, data: unknown, index: number): NewEvent => ({
  id: fromContent(format, `${index}`, JSON.stringify(data)),
  type: "thread.entry_recorded",
  schemaVersion: 1,
  source: "test",
  occurredAt: 1_700_000_000_000 + index,
  body: JSON.stringify({ format, entry: data }),
});

/** A line of a Claude Code transcript: one block of a message. */
const claudeLine = (index: number, messageId: string, text: string): NewEvent =>
  entry(
    "claude-code",
    {
      type: "assistant",
      uuid: `uuid-${index}`,
      parentUuid: null,
      sessionId: "s",
      timestamp: "2026-01-01T00:00:00.000Z",
      requestId: `req-${messageId}`,
      message: {
        id: messageId,
        role: "assistant",
        model: "claude",
        content: [{ type: "text", text }],
        usage: { input_tokens: 1, output_tokens: 2 },
      },
    },
    index,
  );

export const suite = (test: Tester, times: number) => {
  test("gives the truth whatever lies where the snapshot should be", () =>
    Effect.gen(function* () {
      for (const damage of Damage.literals) {
        const samples = yield* Arbitrary.sampleEffect(Arbitrary.schema(Steps), { count: times, seed: damage });
        for (const steps of samples) yield* answersTheTruth([...steps, say("a"), sayNew(), say("a", 900)], damage);
      }
    }));

  test("knows nothing of a thread without events, and of a name that no thread can have", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader;
      for (const id of ["unknown", "", "x".repeat(201), "\ud800"]) {
        assert.isUndefined(yield* reader.get(id));
        assert.deepStrictEqual(yield* Stream.runCollect(reader.messages(id)), []);
      }
      assert.isUndefined((yield* (yield* SnapshotStore).get(thread("unknown"))).state);
    }));

  test("keeps threads of the same name in different tenants apart", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader;
      yield* append(thread("shared", "one"), [say("a"), say("b")], "one");
      yield* append(thread("shared", "two"), [say("a")], "two");
      assert.strictEqual((yield* reader.get("shared", { tenant: "one" }))?.counters.events, 2);
      assert.strictEqual((yield* reader.get("shared", { tenant: "two" }))?.counters.events, 1);
      assert.isUndefined(yield* reader.get("shared"));
    }));

  test("sees its caller's own append at once, again and again", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader;
      const history = thread(`own ${randomUUID()}`);
      for (let index = 0; index < 20; index++) {
        const [sequence = 0] = yield* append(history, [sayNew()], `${history.id} ${index}`);
        const state = yield* reader.get(history.id, { atLeast: sequence });
        assert.strictEqual(state?.counters.events, index + 1);
      }
    }));

  test("gives a thread its snapshot back when it is read without one", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader;
      const history = thread(`back ${randomUUID()}`);
      const sequences = yield* append(history, [say("a"), say("b")]);
      const state = yield* reader.get(history.id);
      const found = yield* Effect.retry(untilSnapshot(history, sequences.at(-1) ?? 0), { times: 1_000 });
      assert.deepStrictEqual(found, state);
    }));

  test("streams every message whole, in its last telling, in the order in which messages began", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader;
      const history = thread(`conversation ${randomUUID()}`);
      const steps = [
        say("a", 70_000),
        sayNew(),
        say("b"),
        ...Array.from({ length: 100 }, () => sayNew(900)),
        say("a", 900),
      ];
      const sequences = yield* append(history, steps);
      const messages = yield* Stream.runCollect(reader.messages(history.id));
      assert.strictEqual(messages.length, 103);
      assert.deepStrictEqual(
        messages.slice(0, 3).map(({ messageId }) => messageId),
        ["m-a", "new-1", "m-b"],
      );
      const lengths = (found: typeof messages) =>
        found.map(partsOf).map(([part]) => (part !== undefined && "text" in part ? part.text.length : undefined));
      assert.deepStrictEqual(lengths(messages).slice(0, 4), [900, 3, 3, 900]);
      assert.strictEqual(messages[0]?.sequence, sequences[0]);
      const then = yield* Stream.runCollect(reader.messages(history.id, { at: sequences[2] ?? 0 }));
      assert.deepStrictEqual(lengths(then), [70_000, 3, 3]);
    }));

  test("puts the lines of a Claude Code message together, in state and conversation alike", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader;
      const log = yield* EventLog;
      const history = thread(`claude ${randomUUID()}`);
      const lines = [claudeLine(0, "m1", "one"), claudeLine(1, "m2", "between"), claudeLine(2, "m1", "two")];
      yield* log.append({
        history,
        events: lines.map((line) => ({ ...line, id: fromContent(history.id, line.id) })),
        expected: "any",
      });
      const state = yield* reader.get(history.id);
      const messages = yield* Stream.runCollect(reader.messages(history.id));
      const texts = messages.map((message) =>
        partsOf(message).map((part) => (part.type === "text" ? part.text : part.type)),
      );
      assert.deepStrictEqual(texts, [["one", "two"], ["between"]]);
      assert.deepStrictEqual(state?.window.messages.map(partsOf), messages.map(partsOf));
    }));

  test("reads entries that lie in the object store as if they were in their events", () =>
    Effect.gen(function* () {
      const reader = yield* ThreadReader;
      const log = yield* EventLog;
      const history = thread(`elsewhere ${randomUUID()}`);
      const line = claudeLine(0, "m1", "large".repeat(100));
      const { entry: whole } = JSON.parse(String(line.body));
      const blob = yield* log.putBlob(Buffer.from(JSON.stringify(whole)));
      const lost = { sha256: createHash("sha256").update(history.id).digest("hex"), bytes: 9 };
      const reference = (index: number, to: unknown): NewEvent => ({
        ...line,
        id: fromContent(history.id, `${index}`),
        body: JSON.stringify({ format: "claude-code", blob: to }),
      });
      yield* log.append({ history, events: [reference(0, blob), reference(1, lost)], expected: "any" });
      const state = yield* reader.get(history.id);
      assert.strictEqual(state?.window.messages.length, 1);
      assert.strictEqual(state?.counters.notUnderstood, 1);
      const [message] = yield* Stream.runCollect(reader.messages(history.id));
      assert.deepStrictEqual(message === undefined ? [] : partsOf(message), [
        { type: "text", text: "large".repeat(100) },
      ]);
    }));
};
