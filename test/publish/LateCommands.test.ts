import { assert, layer } from "@effect/vitest";
import { Effect, Layer, References } from "effect";
import { connect } from "@nats-io/transport-node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import * as EventId from "../../src/domain/EventId.ts";
import { isMisfit, type NewEvent } from "../../src/domain/Event.ts";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { Drainer } from "../../src/publish/drain/Drain.ts";
import { KnownTasks } from "../../src/publish/write/WriteCommand.ts";
import { type Command, type Spool, SpoolUnavailable } from "../../src/spool/Spool.ts";
import * as SpoolList from "../../src/spool/SpoolListSqlite.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as World from "./World.ts";

/** The shortest that nats-server takes. */
const windowMillis = 100;

const log = Layer.unwrap(
  Effect.map(NatsServer.NatsServer, ({ url }) =>
    EventLogNats.layer({ duplicateWindowMillis: windowMillis }).pipe(
      Layer.provide(NatsConnection.layer({ servers: url })),
    ),
  ),
);
const world = Layer.provideMerge(log, NatsServer.layer()).pipe(
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None")),
);

const monday = Date.UTC(2026, 10, 2);
const hour = 3_600_000;
let made = 0;

/** An event with an id of its time, as a publisher would have made it then. */
const event = (type: string, occurredAt: number, data: unknown, source: string): NewEvent => ({
  id: EventId.fromTime(occurredAt, [0, 0, made++]),
  type,
  schemaVersion: type === "thread.message_appended" ? 2 : 1,
  occurredAt,
  source,
  body: JSON.stringify(data),
});

const told = (messageId: string, text: string, at: number, source: string) =>
  event("thread.message_appended", at, { messageId, role: "user", parts: [{ type: "text", text }] }, source);
const renamed = (title: string, at: number, source: string) => event("thread.renamed", at, { title }, source);

const command = (history: History.History, one: NewEvent): Command => ({ history, event: one, blobs: [] });

const append = (history: History.History, one: NewEvent) =>
  EventLog.use((there) => there.append({ history, events: [one], expected: "any" }));

const textOf = (one: NewEvent): unknown => {
  const data: { readonly title?: string; readonly parts?: ReadonlyArray<{ readonly text: string }> } = JSON.parse(
    Buffer.from(one.body).toString("utf8"),
  );
  return data.parts?.[0]?.text ?? data.title ?? data;
};

const textsOf = (history: History.History) => Effect.map(World.eventsOf(history), (events) => events.map(textOf));

const makeSpool = Effect.gen(function* () {
  const file = `${yield* World.temporaryFolder}/spool.db`;
  return { file, spool: yield* SpoolSqlite.make({ file, target: "test" }) };
});

/** Delivers what a spool holds, as a process that has just begun. */
const drain = Effect.fnUntraced(function* (spool: Spool["Service"], through?: EventLog["Service"]) {
  const drainer = new Drainer({
    log: through ?? (yield* EventLog),
    spool,
    tasks: new KnownTasks(),
    owner: { pid: process.pid, name: "test" },
  });
  while ((yield* drainer.step)._tag === "Drained");
  yield* drainer.resign;
});

layer(world, { excludeTestServices: true })("a command that waited while others went on", (it) => {
  it.effect("is delivered once although the log has had it for longer than the server remembers ids", () =>
    Effect.gen(function* () {
      const { spool } = yield* makeSpool;
      const history = History.thread("days");
      const all = ["a", "b", "c"].map((text, index) => told(text, text, monday + index, "laptop"));
      yield* spool.put(all.map((one) => command(history, one)));
      // Two of them were written before the log went away; their acknowledgement was lost.
      for (const one of all.slice(0, 2)) yield* append(history, one);
      yield* forgottenByServer;
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["a", "b", "c"]);
      yield* spool.put(all.map((one) => command(history, one)));
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["a", "b", "c"]);
    }),
  );

  it.effect("merges into a thread that another writer has continued", () =>
    Effect.gen(function* () {
      const { spool } = yield* makeSpool;
      const history = History.thread("continued");
      yield* append(history, told("m1", "before", monday, "desk"));
      yield* spool.put([
        command(history, told("m2", "mine", monday + 1, "laptop")),
        command(history, renamed("My title", monday + 2, "laptop")),
        command(history, told("m3", "mine, too", monday + 3, "laptop")),
      ]);
      yield* append(history, told("m4", "theirs", monday + 4, "desk"));
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["before", "theirs", "mine", "My title", "mine, too"]);
      assert.deepInclude(yield* spool.state, { waiting: 0, setAside: 0 });
    }),
  );

  it.effect("goes into one fork, deliver it as often as you like, when its message was told later by others", () =>
    Effect.gen(function* () {
      const { file, spool } = yield* makeSpool;
      const history = History.thread("edited twice");
      const first = yield* append(history, told("m1", "draft", monday, "desk"));
      const older = [told("m1", "older", monday + hour, "laptop"), told("m1", "old", monday + 2 * hour, "laptop")];
      yield* spool.put([
        ...older.map((one) => command(history, one)),
        command(history, told("m2", "on", monday, "laptop")),
      ]);
      const newer = told("m1", "newest", monday + 5 * hour, "desk");
      yield* append(history, newer);
      // The disk does not take note of it the first time: everything is delivered again by the next process.
      const broken = new SpoolUnavailable({ reason: "full", file, message: "full", hint: "" });
      yield* drain({ ...spool, forget: () => broken, forked: () => broken });
      assert.deepInclude(yield* spool.state, { waiting: 3 });
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["draft", "newest", "on"]);
      const { forks } = yield* SpoolList.survey({ file, limit: 10 });
      assert.deepStrictEqual(
        forks.map(({ id, reason, type }) => [id, type, /told later, at .* by desk/.test(reason)]),
        [1, 2].map(() => ["edited twice", "thread.message_appended", true]),
      );
      const into = new Set(forks.map(({ intoThread }) => intoThread));
      assert.strictEqual(into.size, 1);
      const [opened, ...rest] = yield* World.eventsOf(History.thread([...into][0] ?? ""));
      assert.strictEqual(opened?.type, "thread.forked");
      assert.deepStrictEqual(opened && World.dataOf(opened), { fromThreadId: history.id, atSequence: first.sequence });
      assert.deepStrictEqual(rest.map(textOf), ["older", "old"]);
      assert.deepInclude(yield* spool.state, { waiting: 0, setAside: 0 });
    }),
  );

  it.effect("merges when somebody told the same at the very same instant: nobody was later", () =>
    Effect.gen(function* () {
      const { file, spool } = yield* makeSpool;
      const history = History.thread("same instant");
      yield* append(history, told("m1", "theirs", monday, "desk"));
      yield* append(history, renamed("their title", monday, "desk"));
      yield* spool.put([
        command(history, told("m1", "ours", monday, "laptop")),
        command(history, renamed("our title", monday, "laptop")),
      ]);
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["theirs", "their title", "ours", "our title"]);
      assert.deepStrictEqual((yield* SpoolList.survey({ file, limit: 10 })).forks, []);
      assert.deepInclude(yield* spool.state, { waiting: 0, setAside: 0 });
    }),
  );

  it.effect("is set aside when it renames a thread that was renamed later, until a person insists", () =>
    Effect.gen(function* () {
      const { file, spool } = yield* makeSpool;
      const history = History.thread("renamed twice");
      yield* spool.put([
        command(history, renamed("older", monday, "laptop")),
        command(history, told("m1", "said", monday + 1, "laptop")),
      ]);
      yield* append(history, renamed("newer", monday + hour, "desk"));
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["newer", "said"]);
      const { setAside } = yield* SpoolList.survey({ file, limit: 10 });
      assert.strictEqual(setAside.length, 1);
      assert.match(setAside[0]?.reason ?? "", /was renamed later, at 2026-11-02T01:00:00.000Z by desk/);
      yield* SpoolList.retry({ file, which: [setAside[0]?.number ?? 0] });
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["newer", "said", "older"]);
      assert.deepInclude(yield* spool.state, { waiting: 0, setAside: 0 });
    }),
  );

  it.effect("is delivered in order past a disk that takes note of nothing, and then once more without effect", () =>
    Effect.gen(function* () {
      const { file, spool } = yield* makeSpool;
      const history = History.thread("full disk");
      const texts = Array.from({ length: 600 }, (_, index) => `${index}`);
      yield* spool.put(texts.map((text, index) => command(history, told(text, text, monday + index, "laptop"))));
      const broken = new SpoolUnavailable({ reason: "full", file, message: "full", hint: "" });
      const noted = { ...spool, forget: () => broken, lead: () => broken, setAside: () => broken };
      yield* drain(noted);
      assert.deepStrictEqual(yield* textsOf(history), texts);
      assert.deepInclude(yield* spool.state, { waiting: 600 });
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), texts);
      assert.deepInclude(yield* spool.state, { waiting: 0 });
    }),
  );

  /** The log, and from where on each history was read through it. */
  const watched = Effect.map(EventLog, (there) => {
    const read: Array<number> = [];
    const through: EventLog["Service"] = {
      ...there,
      read: (reading) => {
        read.push(reading.after ?? 0);
        return there.read(reading);
      },
    };
    return { read, through };
  });

  const endNow = Effect.map(
    EventLog.use((there) => there.info),
    ({ created, lastSequence }) => ({ created, sequence: lastSequence }),
  );

  it.effect(
    "is looked for, and met by what was told later, only behind where the stream ended when it was accepted",
    () =>
      Effect.gen(function* () {
        const { spool } = yield* makeSpool;
        const history = History.thread("long");
        for (let index = 0; index < 20; index++) yield* append(history, told(`m${index}`, `${index}`, monday, "desk"));
        const before = yield* append(history, renamed("first", monday, "desk"));
        const after = yield* endNow;
        yield* spool.put(
          [renamed("mine", monday + hour, "laptop"), told("m1", "again", monday + hour, "laptop")].map((one) => ({
            ...command(history, one),
            isNew: true,
            after,
          })),
        );
        const { read, through } = yield* watched;
        yield* drain(spool, through);
        assert.isNotEmpty(read);
        assert.isAtLeast(Math.min(...read), before.sequence);
        assert.deepStrictEqual((yield* textsOf(history)).slice(-3), ["first", "mine", "again"]);

        // Somebody was later, and was the first to write after that end: the fork begins before his words all the same.
        yield* append(History.thread("another"), told("m1", "elsewhere", monday, "desk"));
        const end = yield* endNow;
        yield* spool.put([{ ...command(history, told("m2", "older", monday + hour, "laptop")), after: end }]);
        yield* append(history, told("m2", "newer", monday + 2 * hour, "desk"));
        yield* drain(spool, through);
        assert.deepStrictEqual((yield* textsOf(history)).slice(-2), ["again", "newer"]);
        const opened = yield* EventLog.use((there) => there.at(end.sequence + 2));
        if (opened === undefined || isMisfit(opened)) return assert.fail("no fork");
        assert.deepStrictEqual(World.dataOf(opened), { fromThreadId: "long", atSequence: end.sequence - 1 });
      }),
  );

  it.effect("is written once beside one that is known to be new, though its own id lies far back", () =>
    Effect.gen(function* () {
      const { spool } = yield* makeSpool;
      const history = History.thread("old id");
      const old = { ...told("given", "given", monday, "laptop"), id: "an id that its caller made" };
      yield* append(history, old);
      yield* append(history, told("m1", "between", monday, "desk"));
      yield* forgottenByServer;
      const mine = { ...command(history, renamed("mine", monday + hour, "laptop")), after: yield* endNow };
      yield* spool.put([mine, command(history, old)]);
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["given", "between", "mine"]);
    }),
  );

  it.effect("is given an end by whoever tries first, which holds for all who try again", () =>
    Effect.gen(function* () {
      const { file, spool } = yield* makeSpool;
      const history = History.thread("untried");
      for (let index = 0; index < 20; index++) yield* append(history, told(`m${index}`, `${index}`, monday, "desk"));
      const texts = ["a", "b", "c"];
      yield* spool.put(
        texts.map((text, index) => ({ ...command(history, renamed(text, monday + index, "laptop")), isNew: true })),
      );
      const end = yield* endNow;
      // Written, but the disk does not take note of it.
      const broken = new SpoolUnavailable({ reason: "full", file, message: "full", hint: "" });
      yield* drain({ ...spool, forget: () => broken });
      const kept = yield* spool.oldest({ limit: 9, maxBytes: 1e6, end: { ...end, sequence: end.sequence + 3 } });
      assert.deepStrictEqual(
        kept.map(({ after }) => after),
        texts.map(() => end),
      );
      yield* forgottenByServer;
      yield* drain(spool);
      assert.deepStrictEqual((yield* textsOf(history)).slice(-4), ["19", ...texts]);
    }),
  );

  it.effect("meets what was told later before anybody tried to deliver it", () =>
    Effect.gen(function* () {
      const { spool } = yield* makeSpool;
      const history = History.thread("renamed meanwhile");
      yield* spool.put([{ ...command(history, renamed("mine", monday, "laptop")), isNew: true }]);
      yield* append(history, renamed("theirs", monday + hour, "desk"));
      yield* drain(spool);
      assert.deepStrictEqual(yield* textsOf(history), ["theirs"]);
      assert.deepInclude(yield* spool.state, { waiting: 0, setAside: 1 });
    }),
  );

  /** Returns when the server has forgotten an id that it learnt after all those before. */
  const forgottenByServer = Effect.gen(function* () {
    const { url } = yield* NatsServer.NatsServer;
    const nc = yield* Effect.acquireRelease(
      Effect.promise(() => connect({ servers: url })),
      (client) => Effect.promise(() => client.close()),
    );
    const manager = yield* Effect.promise(() => jetstreamManager(nc));
    const duplicate_window = windowMillis * 1_000_000;
    yield* Effect.promise(() => manager.streams.add({ name: "PROBE", subjects: ["probe"], duplicate_window }));
    const msgID = `x${made++}`;
    const isNew = Effect.promise(() => jetstream(nc).publish("probe", "", { msgID })).pipe(
      Effect.map(({ duplicate }) => !duplicate),
    );
    assert.isTrue(yield* isNew);
    yield* World.until(isNew);
  }).pipe(Effect.scoped);
});
