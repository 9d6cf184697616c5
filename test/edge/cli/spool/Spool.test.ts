import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import * as History from "../../../../src/domain/History.ts";
import { ownLog } from "../../../../src/publish/drain/SpoolDrainer.ts";
import type { Command } from "../../../../src/spool/Spool.ts";
import * as SpoolSqlite from "../../../../src/spool/SpoolSqlite.ts";
import { Stage } from "../Program.ts";

const history = History.thread("spooled thread");
/** A port where nobody listens. */
const away = "nats://127.0.0.1:9";

const said = (id: string): Command => ({
  history,
  event: {
    id: `01a20000-0000-7000-8000-00000000000${id}`,
    type: "thread.message_appended",
    schemaVersion: 2,
    occurredAt: Date.UTC(2026, 10, 1),
    source: "test",
    body: JSON.stringify({ messageId: `m${id}`, role: "user", parts: [{ type: "text", text: `words ${id}` }] }),
  },
  blobs: [],
});

/** Puts commands into the stage's spool, as a publisher whose log is away; the second one cannot be taken by any log. */
const put = (stage: Stage, target: string) => {
  mkdirSync(stage.data, { recursive: true });
  const impossible = { ...said("2"), event: { ...said("2").event, id: "" } };
  return Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(SpoolSqlite.make({ file: join(stage.data, "spool.db"), target }), (spool) =>
        spool.put([said("1"), impossible, said("3")]),
      ),
    ),
  );
};

interface Listed {
  readonly waiting: number;
  readonly setAside: number;
  readonly histories: ReadonlyArray<{ readonly id: string; readonly commands: number; readonly target: string }>;
  readonly setAsideEvents: ReadonlyArray<{ readonly number: number; readonly reason: string }>;
}

describe("recollect spool", { timeout: 300_000 }, () => {
  it("lists what waits, delivers it, keeps what the log cannot take, and gives that up only when told to", async () => {
    await using stage = new Stage();
    await put(stage, ownLog);
    const before = await stage.json<Listed>(["spool", "list"]);
    assert.deepInclude(before, { waiting: 3, setAside: 0 });
    assert.deepInclude(before.histories[0], { id: history.id, commands: 3, target: ownLog });

    const drained = await stage.json(["spool", "drain"]);
    const row = { target: ownLog, delivered: 2, forked: 0, setAside: 1, waiting: 0, error: null };
    assert.deepStrictEqual(drained, { targets: [row], waiting: 0 });
    const after = await stage.json<Listed>(["spool", "list"]);
    assert.deepInclude(after, { waiting: 0, setAside: 1 });
    assert.match(after.setAsideEvents[0]?.reason ?? "", /its id is empty/);

    const number = String(after.setAsideEvents[0]?.number);
    assert.deepStrictEqual(await stage.json(["spool", "retry", number]), { retried: [Number(number)] });
    // What waits is not to be given up by a slip; the log refuses it again.
    assert.strictEqual((await stage.run(["spool", "discard", number])).code, 4);
    const { spool } = await stage.json<{ readonly spool: unknown }>(["status"]);
    await stage.json(["spool", "drain"]);
    assert.deepInclude(spool, { forks: 0, overdue: false });
    const discarded = await stage.run(["spool", "discard", "--all"]);
    assert.deepInclude(JSON.parse(discarded.out).command, { history });
  });

  it("ends with 5 and says why when the log is away, and keeps everything", async () => {
    await using stage = new Stage();
    await put(stage, away);
    const { code, err, out } = await stage.run(["spool", "drain", "--json"]);
    assert.strictEqual(code, 5);
    assert.match(err, /3 events could not be delivered: .*refused[\s\S]*They stay on this disk/);
    assert.deepInclude(JSON.parse(out), { waiting: 3 });
    assert.deepInclude(await stage.json<Listed>(["spool", "list"]), { waiting: 3 });
  });

  it("wants to be told which ones, and refuses what does not go together", async () => {
    await using stage = new Stage();
    for (const words of [["retry"], ["discard"], ["discard", "1", "--all"]]) {
      assert.strictEqual((await stage.run(["spool", ...words])).code, 2, words.join(" "));
    }
  });
});

describe("recollect thread", { timeout: 300_000 }, () => {
  it("shows what waits for a server that is away behind what is known, and that it is spooled", async () => {
    await using stage = new Stage();
    // The store itself is there, and has nothing of this thread yet.
    const up = await stage.up();
    await put(stage, away);
    const { code, out } = await stage.run(["thread", history.id], { RECOLLECT_NATS_URL: away });
    await up.end();
    assert.strictEqual(code, 0);
    assert.match(out, /3 events not in the log yet[\s\S]*user {2}spooled\n {2}words 1[\s\S]*words 3/);

    // With nobody at the folder either, the database answers, and says how far it reaches.
    const later = await stage.run(["thread", history.id], { RECOLLECT_NATS_URL: away });
    assert.strictEqual(later.code, 0);
    assert.match(later.out, /words 1[\s\S]*words 3/);
    assert.match(later.err, /No nats-server answers at .*\. Answering from the database, of nothing yet\./);
    const counted = await stage.run(["sql", "SELECT count(*) FROM v_events"], { RECOLLECT_NATS_URL: away });
    assert.strictEqual(counted.code, 0);
  });
});
