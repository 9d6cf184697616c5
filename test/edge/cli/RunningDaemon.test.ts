/** Commands beside a running daemon: `sql` and `status` ask it in one request, and do without it where it does not answer. */
import { assert, describe, it } from "@effect/vitest";
import { createServer, type Server } from "node:net";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { userInfo } from "node:os";
import { Stage } from "./Program.ts";

const minutes = 60_000;

interface Told {
  readonly actor: string;
  readonly source: string;
  readonly data: string;
}

/** The statements that were recorded, without those of this question. */
const recorded = (stage: Stage, statement: string) =>
  stage.json<ReadonlyArray<Told>>([
    "sql",
    `SELECT actor, source, data FROM v_events WHERE type = 'x.recollect.sql_asked' AND json_extract(data, '$.statement') = '${statement}'`,
  ]);

/** A listener in the place of the door, which answers each request with these bytes, or never. */
const inPlace = async (answer: string | undefined) => {
  const heads: Array<string> = [];
  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (bytes) => {
      heads.push(bytes.toString("latin1"));
      if (answer !== undefined) socket.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  const port = typeof at === "object" && at !== null ? at.port : 0;
  return { heads, url: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => server.close() };
};

const file = (stage: Stage) => join(stage.data, "instance.json");
const rewrite = (stage: Stage, fields: Readonly<Record<string, string>>): void => {
  const found: object = JSON.parse(readFileSync(file(stage), "utf8"));
  writeFileSync(file(stage), JSON.stringify({ ...found, ...fields }));
};

describe("a command beside a running daemon", () => {
  it(
    "has the daemon record its statement once, with the user who asked, and by itself where the door does not take it",
    async () => {
      await using stage = new Stage();
      await stage.up();
      assert.strictEqual((await stage.run(["sql", "SELECT 1 AS one"])).code, 0);
      const [told, ...more] = await recorded(stage, "SELECT 1 AS one");
      assert.lengthOf(more, 0);
      assert.deepInclude(told, { actor: userInfo().username, source: "recollect sql" });
      assert.deepInclude(JSON.parse(told?.data ?? "{}"), { door: "cli", characters: 15, personal: "shown" });

      const problem = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}";
      const cut = "HTTP/1.1 201 Created\r\ncontent-length: 400\r\n\r\n{}";
      for (const [number, answer] of [problem, cut, undefined].entries()) {
        using door = await inPlace(answer);
        rewrite(stage, { http: door.url });
        const statement = `SELECT ${number} AS refused`;
        assert.strictEqual((await stage.run(["sql", statement])).code, 0);
        assert.lengthOf(door.heads, 1, "it was asked");
        assert.match(door.heads[0] ?? "", /^POST \/v1\/sql\/asked HTTP/);
        assert.lengthOf(await recorded(stage, statement), 1);
      }
    },
    5 * minutes,
  );

  it(
    "asks no door of another version, nor where it is told which server and credentials to use",
    async () => {
      await using stage = new Stage();
      await stage.up();
      const { nats = "" } = stage.instance() ?? {};
      using door = await inPlace("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
      rewrite(stage, { http: door.url });
      const named = { RECOLLECT_NATS_URL: nats };
      assert.strictEqual((await stage.run(["status", "--json"], named)).code, 0);
      assert.strictEqual((await stage.run(["status", "--json", "--nats-url", nats])).code, 0);
      assert.notStrictEqual((await stage.run(["status", "--as-of", "1"])).code, 0);
      rewrite(stage, { version: "0.0.1" });
      assert.strictEqual((await stage.run(["status", "--json"])).code, 0);
      assert.strictEqual((await stage.run(["sql", "SELECT 1"])).code, 0);
      assert.lengthOf(door.heads, 0);
    },
    5 * minutes,
  );

  it(
    "prints of the daemon's status what it prints of its own look, and calls no server well that does not answer",
    async () => {
      await using stage = new Stage();
      await stage.up();
      const { nats = "" } = stage.instance() ?? {};
      await stage.run(["sql", "SELECT 1"]);
      const asked = await stage.json<Record<string, unknown>>(["status"]);
      const looked: Record<string, unknown> = JSON.parse(
        (await stage.run(["status", "--json"], { RECOLLECT_NATS_URL: nats })).out,
      );
      assert.deepStrictEqual(Object.keys(asked), Object.keys(looked));
      for (const name of ["stream", "replicas", "nats", "credentials", "threads", "quotas", "conditions", "history"])
        assert.deepStrictEqual(asked[name], looked[name], name);
      const server = Number(readFileSync(join(stage.data, "nats", "nats-server.pid"), "utf8"));
      const lines = (text: string) => text.replaceAll(/\d[\d,.]*/g, "0").split("\n");
      const all = ["status", "--all"];
      const [ours, own] = [await stage.run(all), await stage.run(all, { RECOLLECT_NATS_URL: nats })];
      assert.match(ours.out, /^ledger +\d/m, "each projection");
      assert.match((await stage.run(["status"])).out, /^All well: [^\n]*\n$/, "one line, in a pipe too");
      assert.deepStrictEqual(
        lines(ours.out).map((line) => line.slice(0, 10)),
        lines(own.out).map((line) => line.slice(0, 10)),
      );
      // A server that is there and answers nothing.
      process.kill(server, "SIGSTOP");
      const frozen = await stage.run(["status", "--json"]);
      process.kill(server, "SIGCONT");
      assert.notStrictEqual(frozen.code, 0);
    },
    5 * minutes,
  );
});
