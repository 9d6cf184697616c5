import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import * as History from "../../../../src/domain/History.ts";
import * as Formats from "../../../../src/edge/cli/record/CheckFormats.ts";
import { type Numbers, reportOf, thresholdOf } from "../../../../src/edge/cli/record/CheckReport.ts";
import * as SpoolSqlite from "../../../../src/spool/SpoolSqlite.ts";
import { Stage, until } from "../Program.ts";

const usual = { warning: new Map(), critical: new Map(), ignored: new Set<string>() };

const emptySpool = { waiting: 0, oldestAt: null, overdue: false, setAside: 0, forks: 0, damaged: 0, lost: 0 };

const machine: Numbers["machine"] = {
  spool: emptySpool,
  disk: { freeBytes: 5_000, totalBytes: 10_000, freePercent: 50 },
  wal: { databaseBytes: 10, spoolBytes: 20 },
  conditions: [],
};

const withDisk = (freePercent: number) => ({ ...machine, disk: { freeBytes: 1, totalBytes: 2, freePercent } });

const reported = (over: Partial<Numbers["machine"]>, given: Partial<typeof usual> = {}) =>
  reportOf({ now: 0, machine: { ...machine, ...over }, store: undefined, conditions: [] }, { ...usual, ...given });

describe("a check's judgement", () => {
  it("warns of a disk at 10 % free and is critical at 5 %", () => {
    const states = [10, 9.9, 5, 4.9].map((percent) => reported(withDisk(percent)).state);
    assert.deepStrictEqual(states, ["ok", "warning", "warning", "critical"]);
  });

  it("takes other thresholds, or none, by name, and leaves out what is to be ignored", () => {
    const warning = new Map([thresholdOf("disk-free=60%") ?? ["", 0]]);
    assert.strictEqual(reported({}, { warning }).state, "warning");
    const critical = new Map([thresholdOf("disk-free=off") ?? ["", 0]]);
    assert.strictEqual(reported(withDisk(1), { critical }).state, "warning");
    assert.strictEqual(reported(withDisk(1), { ignored: new Set(["disk-free"]) }).state, "ok");
  });

  it("reads durations, sizes and parts, and nothing else", () => {
    assert.deepStrictEqual(thresholdOf("lag=10m"), ["lag", 600_000]);
    assert.deepStrictEqual(thresholdOf("wal-size=64MiB"), ["wal-size", 64 * 2 ** 20]);
    assert.deepStrictEqual(thresholdOf("scrub-age=off"), ["scrub-age", undefined]);
    for (const text of ["lag", "lag=", "lag=x", "lags=1", "lag=1y", "lag=off5", "lag=1toString"]) {
      assert.isUndefined(thresholdOf(text), text);
    }
  });

  it("counts what is lost from the spool as critical, and does not judge what is not known", () => {
    const spool = { ...emptySpool, lost: 1 };
    assert.strictEqual(reported({ spool }).state, "critical");
    assert.strictEqual(reported({ spool: null, disk: null }).state, "ok");
  });

  it("is one line with numbers for Nagios, whatever a condition says", () => {
    const condition = { name: "eventsLost", field: null, message: "a | b\nc", hint: "d" };
    const report = reportOf({ now: 0, machine, store: undefined, conditions: [condition] }, usual);
    const [first, ...rest] = Formats.nagios(report);
    assert.match(first ?? "", /^RECOLLECT CRITICAL - eventsLost \| .*disk-free=50%;10:;5: wal-size=30B;/);
    assert.deepStrictEqual(rest, ["critical eventsLost: a / b c d"]);
  });

  it("has a type and a help line for each number for Prometheus, times in seconds", () => {
    const lines = Formats.prometheus(reported({ spool: { ...emptySpool, waiting: 1, oldestAt: -1_500 } }));
    assert.include(lines, "recollect_spool_age_seconds 1.5");
    const named = lines.filter((line) => !line.startsWith("#")).map((line) => line.split(/[ {]/)[0]);
    for (const name of named) assert.include(lines.join("\n"), `# TYPE ${name} gauge`);
  });
});

interface Checked {
  readonly state: string;
  readonly code: number;
  readonly conditions: ReadonlyArray<{ readonly name: string }>;
}

const history = History.thread("spooled");

/** A spool of two, of which one is lost and one is not what was accepted. */
const damagedSpool = async (data: string) => {
  mkdirSync(data, { recursive: true });
  const file = join(data, "spool.db");
  const said = (number: number) => ({
    history,
    event: {
      id: `01a20000-0000-7000-8000-00000000000${number}`,
      type: "thread.message_appended",
      schemaVersion: 2,
      occurredAt: 0,
      source: "test",
      body: JSON.stringify({ messageId: `m${number}`, role: "user", parts: [] }),
    },
    blobs: [],
  });
  await Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(SpoolSqlite.make({ file, target: "nats://127.0.0.1:9" }), (spool) =>
        spool.put([said(1), said(2), said(3)]),
      ),
    ),
  );
  const database = new DatabaseSync(file);
  database.exec("DELETE FROM commands WHERE position = 2");
  database.close();
};

describe("recollect check", { timeout: 300_000 }, () => {
  it("is critical where no daemon runs, and starts none", async () => {
    await using stage = new Stage();
    const said = await stage.run(["check", "--data", stage.data]);
    assert.match(
      said.out,
      new RegExp(`Start it: (?!recollect).* up --data ${stage.data}, .* service --data ${stage.data} install`),
    );
    const { code, out } = await stage.run(["check", "--format", "json"]);
    assert.strictEqual(code, 2);
    const { conditions, state } = JSON.parse(out) as Checked;
    assert.deepStrictEqual([state, conditions[0]?.name], ["critical", "notRunning"]);
    assert.isFalse(stage.natsIsRunning());
  });

  it("ends with 0, 1, 2 and 3 as monitors expect, beside a daemon whose own log it keeps readable", async () => {
    await using stage = new Stage();
    const up = stage.start(["up", "--json", "--log-format", "json"]);
    await up.says('"ready":true');
    const codes: Array<number | null> = [];
    for (const words of [
      ["--format", "nagios"],
      ["--warning", "disk-free=101%", "--format", "prometheus"],
      ["--critical", "disk-free=101%", "--format", "text"],
      ["--format", "no such"],
    ]) {
      codes.push((await stage.run(["check", ...words])).code);
    }
    assert.deepStrictEqual(codes, [0, 1, 2, 3]);

    // What nats-server says of a stream, as it writes it.
    const line = "[1] 2026/11/30 05:14:04.123456 [ERR] JetStream stream 'A > B' could not be recovered: checksum\n";
    appendFileSync(join(stage.data, "logs", "nats-server.log"), line);
    await until(() => up.err.includes("could not be recovered"));
    const said = up.err.split("\n").find((one) => one.includes("could not be recovered")) ?? "";
    const { component, level, message, time } = JSON.parse(said);
    assert.deepStrictEqual([component, level], ["nats-server", "error"]);
    assert.match(message, /^\[ERR\] JetStream stream/);
    assert.isFalse(Number.isNaN(Date.parse(time)));
    assert.strictEqual((await up.end("SIGTERM")).code, 0);
  });

  it("and status see what the spool has lost", async () => {
    await using stage = new Stage();
    await damagedSpool(stage.data);
    const up = await stage.up();
    const status = await stage.run(["status", "--json"]);
    assert.strictEqual(status.code, 6, status.out);
    assert.include(
      (JSON.parse(status.out) as Checked).conditions.map(({ name }) => name),
      "spoolLost",
    );
    const checked = await stage.run(["check", "--format", "nagios"]);
    assert.strictEqual(checked.code, 2);
    assert.match(checked.out, /^RECOLLECT CRITICAL - spoolLost, .*spool-lost 1/);
    await up.end();
  });
});

describe("the entries of the log", () => {
  it("are read as one format or the other, by flag before variable", async () => {
    const { formatOf } = await import("../../../../src/main/LogLines.ts");
    assert.strictEqual(formatOf(["up", "--log-format", "json"], {}), "json");
    assert.strictEqual(formatOf(["up", "--log-format=text"], { RECOLLECT_LOG_FORMAT: "json" }), "text");
    assert.strictEqual(formatOf(["up"], { RECOLLECT_LOG_FORMAT: "json" }), "json");
    assert.strictEqual(formatOf(["up"], {}), "text");
  });
});

describe("the files of the checks", () => {
  it("name every condition of the spool and the disk in docs/operate.md", () => {
    const page = readFileSync(new URL("../../../../docs/operate.md", import.meta.url), "utf8");
    for (const name of [
      "notRunning",
      "storeAway",
      "spoolLost",
      "spoolDamaged",
      "spoolUnreadable",
      "diskLow",
      "diskNearlyFull",
    ]) {
      assert.include(page, `\`${name}\``);
    }
  });
});
