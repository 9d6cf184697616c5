import { assert, describe, it } from "@effect/vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, nkeyAuthenticator } from "@nats-io/transport-node";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Stage, until } from "../Program.ts";

type Json = Readonly<Record<string, unknown>>;

interface Got {
  readonly fields: ReadonlyArray<Json>;
}

const ttl = "snapshots.ttlMillis";
const search = { per: ["user"], only: { tool: "search" }, limit: 10, windowMillis: 60_000 };

/** Returns when the daemon has obeyed. */
const snapshotsLive = async (stage: Stage, millis: number) => {
  const seed = readFileSync(join(stage.data, "keys/local.nk"));
  const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed.toString("utf8").trim()));
  const connection = await connect({ servers: stage.instance()?.nats ?? "", authenticator });
  const jsm = await jetstreamManager(connection);
  for (let lives = 0; lives !== millis * 1e6;) {
    lives = (await jsm.streams.info("KV_RECOLLECT_THREADS")).config.max_age;
  }
  await connection.close();
};

describe("recollect config and limits", { timeout: 300_000 }, () => {
  it("set, show, compare and take back what is configured, and say who did it and why", async () => {
    await using stage = new Stage();
    mkdirSync(stage.data, { recursive: true });
    writeFileSync(
      join(stage.data, "config.json"),
      JSON.stringify({ [ttl]: 7_200_000, "limits.all": { ...search, per: [] } }),
    );
    const up = await stage.up();
    const watching = stage.start(["config", "watch", "--json"]);
    await until(() => watching.err.includes("At version 0"));

    assert.deepStrictEqual(await stage.json(["config", "set", ttl, "3600000", "--why", "less", "--who", "ana"]), {
      version: 1,
      changed: [ttl],
    });
    await snapshotsLive(stage, 3_600_000);
    const limit = JSON.stringify(search);
    assert.deepInclude(await stage.json<Json>(["config", "set", "limits.search", limit, "--expect", "1"]), {
      version: 2,
    });
    const got = await stage.json<Got>(["config", "get", ttl]);
    assert.deepInclude(got.fields[0], {
      field: ttl,
      value: 3_600_000,
      layer: "runtime",
      variable: "RECOLLECT_SNAPSHOTS_TTL_MILLIS",
    });

    const limits = await stage.json<{ readonly limits: ReadonlyArray<Json> }>(["limits"]);
    assert.deepStrictEqual(
      limits.limits.map(({ name }) => name),
      ["all", "search"],
    );
    assert.deepInclude(limits.limits[1], { limit: 10, algorithm: "sliding-window", whenAway: "open", uses: [] });

    assert.deepStrictEqual(await stage.json(["config", "diff", "1"]), {
      from: 1,
      to: 2,
      differences: [{ field: "limits.search", before: null, after: search }],
    });
    assert.deepInclude(await stage.json<Json>(["config", "rollback", "0", "--why", "no"]), { version: 3 });
    assert.deepInclude((await stage.json<Got>(["config", "get", ttl])).fields[0], { value: 7_200_000, layer: "file" });
    const { versions } = await stage.json<{ readonly versions: ReadonlyArray<Json> }>(["config", "history"]);
    assert.deepInclude(versions[0], {
      version: 1,
      who: "ana",
      why: "less",
      changes: [{ field: ttl, value: 3_600_000 }],
    });
    assert.deepInclude(versions[2], { version: 3, rolledBackTo: 0, why: "no" });

    await until(() => watching.out.trim().split("\n").length === 3);
    await snapshotsLive(stage, 7_200_000);
    const watched = watching.out.trim().split("\n");
    assert.deepStrictEqual(watched.map((line): unknown => JSON.parse(line)) as unknown, versions as unknown);
    await watching.end();
    await up.end();
    const rows = await stage.json<ReadonlyArray<object>>([
      "sql",
      "SELECT changed_by, count(*) AS changes FROM v_config_changes WHERE changed_by = 'ana' GROUP BY changed_by",
    ]);
    assert.deepStrictEqual(rows, [{ changed_by: "ana", changes: 1 }]);
  });

  it("refuse in one sentence, with an exit code, what cannot be", async () => {
    await using stage = new Stage();
    await stage.up();
    await stage.json(["config", "set", ttl, "3600000"]);
    await stage.json(["config", "set", "spool.maxBytes", "5000000"]);
    // Obeyed by those who cannot ask anybody.
    await until(() => existsSync(join(stage.data, "spool.db.bounds.json")));
    const ends = async (words: ReadonlyArray<string>, code: number, says: RegExp) => {
      const ended = await stage.run(["config", ...words]);
      assert.strictEqual(ended.code, code, ended.err);
      assert.match(ended.err, says);
      assert.strictEqual(ended.out, "");
    };
    await ends(["set", ttl, "soon"], 2, /^recollect: snapshots\.ttlMillis cannot be "soon"/);
    await ends(["set", "nats.url", "nats://u:p@h"], 2, /never stored.*\n.*RECOLLECT_NATS_URL/);
    await ends(["set", ttl], 2, /To which value/);
    await ends(["set", ttl, "7200000", "--expect", "7"], 2, /at version 2, not 7/);
    await ends(["get", "limits.none"], 4, /Nothing is configured/);
    await ends(["rollback", "9"], 4, /has no version 9/);
    writeFileSync(join(stage.data, "config.json"), "{");
    await ends(["get"], 2, /config\.json cannot be read as a configuration/);
  });
});
