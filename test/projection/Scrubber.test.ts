/** Damage that nobody asks about is found, named and, where that costs nothing, mended. */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it } from "@effect/vitest";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import Database from "better-sqlite3";
import { Effect } from "effect";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import * as LastVerified from "../../src/projection/verify/LastVerified.ts";
import { integrityOf } from "../../src/projection/verify/Integrity.ts";
import * as Scrubber from "../../src/projection/verify/Scrubber.ts";
import { verify } from "../../src/projection/verify/Verify.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { conversation } from "./Conversation.ts";
import { said, type StubLog, stubLog } from "./StubLog.ts";
import { ask, putEmpty, temporaryFolder } from "./World.ts";

const provide = (log: StubLog) => Effect.provideService(EventLog, log.service);
const pace = { share: 1, betweenPassesMillis: 60_000, witnessMillis: 5 };

const stored = Effect.fnUntraced(function* (log: StubLog) {
  const path = join(yield* temporaryFolder, "recollect.db");
  yield* putEmpty(path);
  yield* Effect.scoped(
    Effect.flatMap(Projector.make({ path, projections: readModels }).pipe(provide(log)), ({ awaitSequence }) =>
      awaitSequence(log.entries.at(-1)?.sequence ?? 0),
    ),
  );
  return path;
});

const untilState = (path: string, is: (found: ReturnType<typeof integrityOf>) => boolean) =>
  Effect.repeat(
    Effect.delay(
      Effect.sync(() => integrityOf(path)),
      5,
    ),
    { until: is },
  );

/** One whole pass. */
const scrubbed = Effect.fnUntraced(function* (log: StubLog, path: string) {
  yield* Effect.scoped(
    Effect.andThen(
      Scrubber.make({ path, projections: readModels, pace }).pipe(provide(log)),
      untilState(path, ({ scrub }) => scrub.passes > 0),
    ),
  );
  return integrityOf(path);
});

const change = (path: string, sql: string) => {
  const db = new Database(path);
  db.unsafeMode(true);
  db.exec(sql);
  db.close();
};

describe("the scrubber's rest", () => {
  const share = 0.02;
  const slice = (clock: number, processor: number, mostMillis = Infinity) => {
    const rest = Scrubber.restAfter({ taken: { clock, processor }, share, mostMillis });
    return { rest, processorShare: processor / (clock + rest), clockShare: clock / (clock + rest) };
  };

  it("keeps to 2 % of a core, however long a slice takes by the clock or by the processor's time of all threads", () => {
    for (const clock of [0.01, 1, 15, 300, 100_000])
      for (const processor of [0, 0.5, 15, 40, 400_000]) {
        for (const most of [Infinity, 0, 100])
          assert.isAtMost(slice(clock, processor, most).processorShare, share + 1e-9);
        assert.isAtMost(slice(clock, processor).clockShare, share + 1e-9);
      }
  });

  it("is 49 times the work at a share of 2 %, by the clock or by the processor's time, whichever is longer", () => {
    assert.closeTo(slice(15, 10).rest, 735, 1e-9);
    assert.closeTo(slice(15, 30).rest, 30 / share - 15, 1e-9);
  });

  it("is shorter where a busy machine would make a pass longer than 20 hours, and never shorter than the processor's time asks", () => {
    const inTime = Scrubber.restInTime(200, 1_000_000);
    assert.isAtMost((slice(2_000, 15, inTime).rest * 1_000_000) / 200, 20 * 3_600_000 + 1);
    const soon = Scrubber.restInTime(200, 500_000_000);
    assert.closeTo(slice(100, 15, soon).rest, 15 / share - 100, 1e-9);
  });
});

describe("the scrubber", () => {
  it.live("has nothing to say of two copies that are equal, and says how far it has come", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(1_450));
      const path = yield* stored(log);
      const found = yield* scrubbed(log, path);
      assert.deepInclude(found.scrub, { sequence: 1_450, head: 1_450, passes: 1, mended: 0 });
      assert.deepStrictEqual(found.conditions, []);
    }),
  );

  it.live("counts no pass over an empty store, in which nothing was compared", () =>
    Effect.gen(function* () {
      const log = stubLog([]);
      const path = yield* stored(log);
      yield* Effect.scoped(
        Effect.andThen(
          Scrubber.make({ path, projections: readModels, pace }).pipe(provide(log)),
          untilState(path, ({ scrub }) => scrub.at > 0),
        ),
      );
      assert.deepInclude(integrityOf(path).scrub, { passes: 0, finishedAt: 0 });
    }),
  );

  it.live("names what the stream has lost, and leaves it to be healed", () =>
    Effect.gen(function* () {
      const entries = conversation(450);
      const log = stubLog(entries);
      const path = yield* stored(log);
      log.entries = entries.filter(({ sequence }) => sequence < 210 || sequence > 212);
      const { conditions, scrub } = yield* scrubbed(log, path);
      assert.strictEqual(scrub.mended, 0);
      assert.deepInclude(conditions[0], { name: "eventsLost", stopped: false });
      assert.match(conditions[0]?.message ?? "", /^3 events \(stream\) at 210 to 212/);
      assert.match(conditions[0]?.hint ?? "", /recollect heal/);
    }),
  );

  const damage = [
    ["rows of the ledger", "UPDATE events SET data = '{}' WHERE sequence IN (7, 300)", /ledger/],
    ["an altered view", "DROP VIEW v_tool_calls; CREATE VIEW v_tool_calls AS SELECT 1 AS one", /v_tool_calls/],
    ["a full-text index", "INSERT INTO message_parts_fts(message_parts_fts) VALUES ('delete-all')", /fullText/],
    // FTS5's own check takes a term for right that is below the page's first: a search would miss what lies behind it.
    [
      "the list of terms of a full-text index",
      "UPDATE message_parts_fts_idx SET term = CAST(x'00' || term AS BLOB)",
      /list/,
    ],
  ] as const;
  for (const [what, sql] of damage) {
    it.live(`mends ${what} from the stream by itself`, () =>
      Effect.gen(function* () {
        const log = stubLog(conversation(450));
        const path = yield* stored(log);
        change(path, sql);
        assert.isFalse((yield* verify({ path, projections: readModels }).pipe(provide(log))).ok);
        const { conditions, scrub } = yield* scrubbed(log, path);
        assert.strictEqual(scrub.mended, 1);
        assert.deepStrictEqual(conditions, []);
        assert.isTrue((yield* verify({ path, projections: readModels }).pipe(provide(log))).ok);
      }),
    );
  }

  it.live("does not mend where a rebuild would lose an event, and goes on saying so", () =>
    Effect.gen(function* () {
      const entries = conversation(450);
      const log = stubLog(entries);
      const path = yield* stored(log);
      change(path, "UPDATE events SET data = '{}' WHERE sequence = 7");
      log.entries = entries.map((entry) =>
        entry.sequence === 9 ? said(9, "another", { recordedAt: entry.recordedAt }) : entry,
      );
      const { conditions, scrub } = yield* scrubbed(log, path);
      assert.strictEqual(scrub.mended, 0);
      assert.deepStrictEqual(
        conditions.map(({ name }) => name),
        ["copiesDiffer", "ledgerDamaged"],
      );
      assert.lengthOf(ask(path, "SELECT 1 FROM v_events"), 450);
    }),
  );

  it.live("leaves a database to the projector that another version made", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(60));
      const path = yield* stored(log);
      change(path, "UPDATE checkpoints SET version = 0; DROP VIEW v_tool_calls");
      const { conditions, scrub } = yield* scrubbed(log, path);
      assert.deepStrictEqual(conditions, []);
      assert.strictEqual(scrub.mended, 0);
    }),
  );

  it.live("goes round, and finds in a later pass what rots in either copy meanwhile, without being asked", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(450));
      const path = yield* stored(log);
      const [eighth] = log.entries.slice(7);
      if (eighth === undefined) return assert.fail("nothing was stored");
      yield* Effect.scoped(
        Effect.gen(function* () {
          const often = { ...pace, betweenPassesMillis: 20 };
          yield* Scrubber.make({ path, projections: readModels, pace: often }).pipe(provide(log));
          yield* untilState(path, ({ scrub }) => scrub.passes > 0);
          assert.deepStrictEqual(integrityOf(path).conditions, []);
          // One bit of a body: in the ledger, which is mended; then in the stream, which a person heals.
          change(path, "UPDATE events SET data = replace(data, 'a', 'b') WHERE sequence = 300");
          yield* untilState(path, ({ scrub }) => scrub.mended > 0);
          const body = Uint8Array.from(eighth.body);
          body[0] = (body[0] ?? 0) ^ 1;
          log.entries = log.entries.map((entry) => (entry === eighth ? { ...entry, body } : entry));
          yield* untilState(path, ({ conditions }) => conditions.length > 0);
        }),
      );
      assert.deepInclude(integrityOf(path).conditions[0], { name: "copiesDiffer" });
      assert.match(integrityOf(path).conditions[0]?.message ?? "", /at 8/);
    }),
  );

  it.live("looks at the full-text indexes where the clock was set back since the last look", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(50));
      const path = yield* stored(log);
      yield* scrubbed(log, path);
      const state = JSON.parse(readFileSync(`${path}.scrub`, "utf8"));
      const ahead = { ...state, sequence: 0, passes: 0, fullTextAt: Date.now() + 365 * 86_400_000 };
      writeFileSync(`${path}.scrub`, JSON.stringify(ahead));
      change(path, "INSERT INTO message_parts_fts(message_parts_fts) VALUES ('delete-all')");
      assert.strictEqual((yield* scrubbed(log, path)).scrub.mended, 1);
    }),
  );

  it.live("is believed before a verification of the future: that was made before the clock was set back", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "recollect.db");
      const now = 1_796_000_000_000;
      const finding = { kind: "stream", ranges: [{ first: 3, last: 3 }], message: "the stream has lost it", at: now };
      const none = {
        sequence: 3,
        head: 3,
        at: now,
        passes: 1,
        finishedAt: now,
        fullTextAt: now,
        pending: [],
        mended: 0,
      };
      writeFileSync(`${path}.scrub`, JSON.stringify({ ...none, findings: [finding] }));
      for (const [verifiedAt, count] of [
        [now - 1, 1],
        [now + 1_000, 0],
        [now + 3_600_000, 1],
      ] as const) {
        yield* LastVerified.write(path, { sequence: 3, chain: "00", at: verifiedAt });
        assert.lengthOf(integrityOf(path, now + 2_000).conditions, count);
      }
    }),
  );

  it.live("goes on after a restart where it was", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(450));
      const path = yield* stored(log);
      const first = yield* scrubbed(log, path);
      writeFileSync(
        `${path}.scrub`,
        JSON.stringify({ ...JSON.parse(readFileSync(`${path}.scrub`, "utf8")), sequence: 400, passes: 0 }),
      );
      change(path, "UPDATE events SET data = '{}' WHERE sequence = 7");
      const second = yield* scrubbed(log, path);
      assert.strictEqual(first.scrub.passes, second.scrub.passes);
      assert.deepStrictEqual(second.conditions, []);
    }),
  );
});

describe("the witness", () => {
  const attested = Effect.fnUntraced(function* (log: StubLog, path: string, witness: string, is: () => boolean) {
    yield* Effect.scoped(
      Effect.andThen(
        Scrubber.make({ path, projections: readModels, pace, witness }).pipe(provide(log)),
        Effect.repeat(Effect.sleep(5), { until: () => is() }),
      ),
    );
  });
  const conditions = (path: string) => integrityOf(path).conditions.map(({ name }) => name);

  it.live(
    "names a folder that was put back as a whole, is not overwritten by it, and is content when it is removed",
    () =>
      Effect.gen(function* () {
        const entries = conversation(60);
        const log = stubLog(entries);
        const path = yield* stored(log);
        const witness = join(path, "..", "elsewhere.json");
        yield* attested(log, path, witness, () => existsSync(witness));
        assert.deepInclude(JSON.parse(readFileSync(witness, "utf8")), { sequence: 60 });
        const old = stubLog(entries.slice(0, 40));
        const before = yield* stored(old);
        yield* attested(old, before, witness, () => conditions(before).includes("witnessDisagrees"));
        assert.deepInclude(JSON.parse(readFileSync(witness, "utf8")), { sequence: 60 });
        assert.match(integrityOf(before).conditions[0]?.message ?? "", /has seen 60 events .*ends at 40/);
        rmSync(witness);
        yield* attested(old, before, witness, () => existsSync(witness) && conditions(before).length === 0);
        assert.deepInclude(JSON.parse(readFileSync(witness, "utf8")), { sequence: 40 });
      }),
  );

  it.live("names a folder that holds other events up to there", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(60));
      const path = yield* stored(log);
      const witness = join(path, "..", "elsewhere.json");
      yield* attested(log, path, witness, () => existsSync(witness));
      const other = stubLog(conversation(70, 9));
      const elsewhere = yield* stored(other);
      yield* attested(other, elsewhere, witness, () => conditions(elsewhere).includes("witnessDisagrees"));
      assert.match(integrityOf(elsewhere).conditions[0]?.message ?? "", /other events up to sequence 60/);
    }),
  );

  it.live("in a bucket of another server keeps the same law, and is named while that server is away", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const kv = yield* Effect.promise(async () => new Kvm(await connect({ servers: server.url })).create("HEADS"));
      const seen = () =>
        kv.get("head").then((entry) => (entry?.operation === "PUT" ? entry.json<object>() : undefined));
      const witness = `${server.url}/HEADS`;
      const entries = conversation(60);
      const [log, old] = [stubLog(entries), stubLog(entries.slice(0, 40))];
      const path = yield* stored(log);
      const before = yield* stored(old);
      const untilSeen = (of: StubLog, at: string, sequence: number) =>
        Effect.scoped(
          Effect.andThen(
            Scrubber.make({ path: at, projections: readModels, pace, witness }).pipe(provide(of)),
            Effect.repeat(
              Effect.delay(
                Effect.promise(() => seen()),
                5,
              ),
              {
                until: (head) =>
                  head !== undefined && "sequence" in head && head.sequence === sequence && conditions(at).length === 0,
              },
            ),
          ),
        );
      yield* untilSeen(log, path, 60);
      yield* attested(old, before, witness, () => conditions(before).includes("witnessDisagrees"));
      assert.match(integrityOf(before).conditions[0]?.message ?? "", /has seen 60 events .*ends at 40/);
      assert.deepInclude(yield* Effect.promise(() => seen()), { sequence: 60 });
      yield* Effect.promise(() => kv.delete("head"));
      yield* untilSeen(old, before, 40);
      yield* Effect.promise(() => kv.put("head", "precious"));
      yield* attested(log, path, witness, () => conditions(path).includes("witnessDisagrees"));
      assert.strictEqual(yield* Effect.promise(async () => (await kv.get("head"))?.string()), "precious");
      yield* Effect.promise(() => kv.delete("head"));
      yield* untilSeen(log, path, 60);
      yield* server.stop;
      yield* attested(log, path, witness, () => conditions(path).includes("witnessDisagrees"));
      assert.include(integrityOf(path).conditions[0]?.message, `The witness ${witness} cannot be read`);
    }).pipe(Effect.provide(NodeServices.layer)),
  );

  it.live("whose address names no bucket, or holds a user, is named and not dialled", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(20));
      const path = yield* stored(log);
      for (const place of ["nats://127.0.0.1:1/", "nats://me:secret@127.0.0.1:1/HEADS"])
        yield* attested(log, path, place, () => conditions(path).includes("witnessDisagrees"));
      assert.notInclude(JSON.stringify(integrityOf(path)), "secret");
    }),
  );

  it.live("is not written over a file that is none, which is named", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(20));
      const path = yield* stored(log);
      const file = join(path, "..", "precious.txt");
      for (const text of ["precious", '{"sequence":20,"chain":']) {
        writeFileSync(file, text);
        yield* attested(log, path, file, () => conditions(path).includes("witnessDisagrees"));
        assert.strictEqual(readFileSync(file, "utf8"), text);
        rmSync(file);
        yield* attested(log, path, file, () => existsSync(file) && conditions(path).length === 0);
      }
    }),
  );
});
