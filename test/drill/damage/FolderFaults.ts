/** Faults of whole folders and of what lies beside stream and database; and what the server's API can do to a stream. */
import { chmodSync, cpSync, globSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Jsm } from "./Api.ts";
import { pause } from "./Command.ts";
import type { Fault, Place } from "./Fault.ts";
import * as Plant from "./Plant.ts";

const stream = "RECOLLECT";

const importedAfter = async (place: Place): Promise<string> => {
  const { code } = await place.run(["import", place.fresh, "--json"]);
  return `then an import that ended with ${code}`;
};

const nats: ReadonlyArray<Fault> = [
  {
    group: "the folder nats",
    title: "deleted",
    promise: "whole",
    plant: (place) => Plant.remove(place, join(place.data, "nats")),
    isShort: true,
  },
  {
    group: "the folder nats",
    title: "emptied of jetstream",
    promise: "whole",
    plant: (place) => Plant.remove(place, join(place.data, "nats/jetstream")),
  },
  {
    group: "the folder nats",
    title: "the stream's own folder deleted",
    promise: "whole",
    plant: (place) => Plant.remove(place, Plant.streamFolder(place)),
  },
  {
    group: "the folder nats",
    title: "the folder of messages deleted",
    promise: "whole",
    plant: (place) => Plant.remove(place, join(Plant.streamFolder(place), "msgs")),
  },
  {
    group: "the folder nats",
    title: "replaced by that of an earlier day",
    promise: "whole",
    plant: (place) => Plant.replace(place, place.older, "nats"),
  },
  {
    group: "the folder nats",
    title: "replaced by that of an earlier day, and written on",
    promise: "whole",
    plant: async (place) => `${Plant.replace(place, place.older, "nats")}, ${await importedAfter(place)}`,
  },
  {
    group: "the folder nats",
    title: "replaced by that of another store",
    promise: "whole",
    plant: (place) => Plant.replace(place, place.stranger, "nats"),
  },
  {
    group: "the folder nats",
    title: "deleted, then an import",
    promise: "whole",
    plant: async (place) => `${Plant.remove(place, join(place.data, "nats"))}, ${await importedAfter(place)}`,
  },
];

/** Changes the stream's configuration, and says so; a server that refuses leaves it as it was. */
const update = async (jsm: Jsm, change: Readonly<Record<string, unknown>>): Promise<string> => {
  const { config } = await jsm.streams.info(stream);
  const said = JSON.stringify(change);
  try {
    await jsm.request(`STREAM.UPDATE.${stream}`, { ...config, ...change });
    return said;
  } catch (error) {
    return `${said} refused by nats-server: ${error instanceof Error ? error.message : String(error)}`;
  }
};

const changes: ReadonlyArray<readonly [title: string, promise: Fault["promise"], change: Record<string, unknown>]> = [
  ["max_msgs 10", "whole", { max_msgs: 10, discard: "old" }],
  ["max_msgs 10, discard new", "whole", { max_msgs: 10, discard: "new" }],
  ["max_age one second", "whole", { max_age: 1_000_000_000, duplicate_window: 1_000_000_000 }],
  ["max_age a year", "whole", { max_age: 31_536_000_000_000_000 }],
  ["max_bytes 1 MB", "whole", { max_bytes: 1_000_000, discard: "old" }],
  ["max_msgs_per_subject 1", "whole", { max_msgs_per_subject: 1 }],
  ["allow_msg_ttl", "whole", { allow_msg_ttl: true }],
  ["discard old", "harmless", { discard: "old" }],
  ["compression s2", "whole", { compression: "s2" }],
  ["deny_delete off", "harmless", { deny_delete: false }],
  ["deny_purge off", "harmless", { deny_purge: false }],
  ["allow_direct off", "whole", { allow_direct: false }],
  ["allow_rollup_hdrs on", "harmless", { allow_rollup_hdrs: true }],
  ["no identity in its metadata", "whole", { metadata: {} }],
  [
    "another identity in its metadata",
    "whole",
    { metadata: { "recollect.identity": "00000000-0000-4000-8000-000000000000" } },
  ],
];

const api: ReadonlyArray<Fault> = [
  {
    group: "stream changed by its API",
    title: "deleted",
    promise: "whole",
    isShort: true,
    whileUp: async (_, jsm) => `deleted: ${await jsm.streams.delete(stream)}`,
  },
  {
    group: "stream changed by its API",
    title: "deleted and made anew, empty",
    promise: "whole",
    whileUp: async (_, jsm) => {
      const { config } = await jsm.streams.info(stream);
      await jsm.streams.delete(stream);
      await jsm.request(`STREAM.CREATE.${stream}`, { ...config, metadata: {} });
      return "deleted and made anew";
    },
  },
  ...changes.map(([title, promise, change]): Fault => ({
    group: "stream changed by its API",
    title,
    promise,
    whileUp: (_, jsm) => update(jsm, change),
  })),
];

const bucket = (kv: string) => (place: Place) => {
  const [found] = globSync(join(place.data, "nats/jetstream/*/streams", kv));
  if (found === undefined) throw new Error(`there is no bucket ${kv}`);
  return found;
};
const snapshots = bucket("KV_RECOLLECT_THREADS");

/** Overwrites every snapshot with what `of` makes of it. */
const forge = async (jsm: Jsm, of: (value: Buffer) => Buffer | string): Promise<string> => {
  const { config } = await jsm.streams.info("KV_RECOLLECT_THREADS");
  const info = await jsm.streams.info("KV_RECOLLECT_THREADS", { subjects_filter: ">" });
  const subjects = Object.keys(info.state.subjects ?? {});
  for (const subject of subjects) {
    const stored = await jsm.streams.getMessage(config.name, { last_by_subj: subject });
    if (stored !== null) await jsm.publish(subject, of(Buffer.from(stored.data)).toString("utf8"));
  }
  return `${subjects.length} snapshots forged`;
};

const kv: ReadonlyArray<Fault> = [
  { title: "the bucket of snapshots deleted", plant: (place: Place) => Plant.remove(place, snapshots(place)) },
  {
    title: "a bit of the snapshots flipped",
    plant: (place: Place) => Plant.flipIn(place, join(snapshots(place), "msgs/1.blk")),
  },
  {
    title: "the block of snapshots is garbage",
    plant: (place: Place) => Plant.overwrite(place, join(snapshots(place), "msgs/1.blk"), { with: "garbage" }),
  },
  {
    title: "the bucket's settings deleted",
    plant: (place: Place) => Plant.remove(place, join(snapshots(place), "meta.inf")),
  },
  {
    title: "the bucket of sessions deleted",
    plant: (place: Place) => Plant.remove(place, bucket("KV_RECOLLECT_SESSIONS")(place)),
  },
  {
    title: "snapshots forged: another text",
    isShort: true as const,
    whileUp: (_: Place, jsm: Jsm) => forge(jsm, (value) => value.toString("latin1").replaceAll("words", "swords")),
  },
  { title: "snapshots forged: garbage", whileUp: (_: Place, jsm: Jsm) => forge(jsm, () => "garbage") },
  { title: "snapshots forged: nothing", whileUp: (_: Place, jsm: Jsm) => forge(jsm, () => "") },
  {
    title: "the bucket of snapshots deleted over the API",
    whileUp: async (_: Place, jsm: Jsm) => `deleted: ${await jsm.streams.delete("KV_RECOLLECT_THREADS")}`,
  },
].map((fault) => ({ group: "snapshots and buckets", promise: "harmless", ...fault }) as const);

const inData = (name: string) => (place: Place) => join(place.data, name);

const folder: ReadonlyArray<Fault> = [
  {
    title: "store.json deleted",
    plant: (place: Place) => Plant.remove(place, inData("store.json")(place)),
    isShort: true as const,
  },
  { title: "store.json emptied", plant: (place: Place) => Plant.truncate(place, inData("store.json")(place), () => 0) },
  {
    title: "store.json is garbage",
    plant: (place: Place) => Plant.write(place, inData("store.json")(place), "{ not json"),
  },
  {
    title: "store.json names another store",
    promise: "whole" as const,
    plant: (place: Place) => {
      const file = inData("store.json")(place);
      const now = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
      const { sum: _, ...rest } = now;
      return Plant.write(place, file, JSON.stringify({ ...rest, identity: "00000000-0000-4000-8000-000000000000" }));
    },
  },
  { title: "all keys deleted", plant: (place: Place) => Plant.remove(place, inData("keys")(place)) },
  {
    title: "the key of snapshots deleted",
    plant: (place: Place) => Plant.remove(place, inData("keys/snapshots.key")(place)),
  },
  {
    title: "the key of snapshots changed",
    plant: (place: Place) => Plant.flipIn(place, inData("keys/snapshots.key")(place)),
  },
  {
    title: "a bit of the daemon's key flipped",
    // A seed has a checksum. Keys open this folder's own server alone: the start makes another, and says so.
    plant: (place: Place) => Plant.flipIn(place, inData("keys/daemon.nk")(place), [0, 0.9]),
    promise: "whole" as const,
  },
  {
    title: "nats-server.conf deleted",
    plant: (place: Place) => Plant.remove(place, inData("nats-server.conf")(place)),
  },
  { title: "the notes of imports deleted", plant: (place: Place) => Plant.remove(place, inData("imports.db")(place)) },
  {
    title: "the notes of imports are garbage",
    plant: (place: Place) => Plant.write(place, inData("imports.db")(place), "garbage".repeat(1000)),
  },
  {
    title: "heal.json is garbage",
    plant: (place: Place) => Plant.write(place, inData("heal.json")(place), "{ not json"),
  },
  {
    title: "moved",
    plant: (place: Place) => {
      renameSync(place.data, `${place.data}-moved`);
      place.moveTo(`${place.data}-moved`);
      return "moved to another folder";
    },
  },
  {
    title: "copied while it runs",
    whileUp: async (place: Place) => {
      const to = `${place.data}-copied`;
      cpSync(place.data, to, { recursive: true, verbatimSymlinks: true, filter: (from) => !from.endsWith(".lock") });
      place.moveTo(to);
      return "copied, and the copy used";
    },
  },
  {
    title: "the stream's blocks without permissions",
    plant: (place: Place) => {
      for (const file of globSync(join(Plant.streamFolder(place), "msgs/*"))) chmodSync(file, 0);
      return "chmod 000";
    },
  },
  {
    title: "the database without permissions",
    plant: (place: Place) => {
      chmodSync(Plant.databaseOf(place), 0);
      return "chmod 000";
    },
  },
].map((fault) => ({ group: "the data folder", promise: "harmless", ...fault }) as const);

const both: ReadonlyArray<Fault> = [
  {
    title: "the same event damaged in stream and ledger",
    isShort: true as const,
    plant: (place: Place) => {
      const said = Plant.flipField(place, "old", "body");
      const sequence = Number(/event (\d+)/.exec(said)?.[1]);
      const row = Plant.sql(Plant.databaseOf(place), `DELETE FROM events WHERE sequence = ${sequence}`);
      return `${said}; ${row}`;
    },
  },
  {
    title: "the old block and the database deleted",
    plant: (place: Place) =>
      Plant.remove(place, Plant.blockOf(place, "old").file, Plant.databaseOf(place), `${Plant.databaseOf(place)}-wal`),
  },
  {
    title: "stream and database of an earlier day",
    plant: (place: Place) => {
      const name = Plant.databaseOf(place);
      Plant.remove(place, `${name}-wal`, `${name}-shm`);
      const said = Plant.write(place, name, readFileSync(Plant.databaseOf({ data: place.older })));
      return `${Plant.replace(place, place.older, "nats")}; ${said}`;
    },
  },
  {
    title: "the folder nats and the database deleted",
    plant: (place: Place) =>
      Plant.remove(place, join(place.data, "nats"), Plant.databaseOf(place), `${Plant.databaseOf(place)}-wal`),
  },
].map((fault) => ({ group: "both copies", promise: "named", ...fault }) as const);

/** Longer than the event of the case below lives. */
const vanishedMillis = 5_000;

/** Added later, so that no number is another fault's. */
const added: ReadonlyArray<Fault> = [
  {
    group: "stream changed by its API",
    title: "allow_msg_ttl, and the last event of the stream has vanished",
    promise: "whole",
    whileUp: async (_, jsm) => {
      const said = await update(jsm, { allow_msg_ttl: true });
      const id = "00000000-0000-7000-8000-00000000ff01";
      const event = {
        "Nats-TTL": "2s",
        "Nats-Msg-Id": id,
        "ce-id": id,
        "ce-type": "x.drill.vanishes",
        "ce-source": "drill",
        "ce-time": "2026-01-01T00:00:00.000Z",
      };
      await jsm.publish("recollect.default.thread.vanishes", "{}", event);
      await pause(vanishedMillis);
      const { state } = await jsm.streams.info(stream);
      return `${said}; ${state.messages} events up to sequence ${state.last_seq}`;
    },
  },
  {
    group: "both copies",
    title: "only the stream is left, and a bit of an old event is flipped",
    promise: "named",
    plant: (place) => {
      const database = Plant.databaseOf(place);
      const gone = Plant.remove(place, database, `${database}-wal`, `${database}-shm`, snapshots(place));
      return `${Plant.flipField(place, "old", "body")}; ${gone}`;
    },
  },
];

/** A number of the folder's own notes that no store can have. */
const absurd = 1_000_000_000_000;

/** Tried later still: what a copied, mixed or meddled folder may hold. */
const meddled: ReadonlyArray<Fault> = [
  {
    title: "store.json says that the stream reached sequence 1,000,000,000,000",
    plant: (place: Place) => {
      const file = inData("store.json")(place);
      const now = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
      return Plant.write(place, file, JSON.stringify({ ...now, reached: absurd }));
    },
  },
  {
    title: "all checkpoints of the database say that",
    promise: "whole" as const,
    plant: (place: Place) => Plant.sql(Plant.databaseOf(place), `UPDATE checkpoints SET sequence = ${absurd}`),
  },
  { title: "the keys of another store", plant: (place: Place) => Plant.replace(place, place.stranger, "keys") },
  {
    title: "the pid file names another program",
    plant: (place: Place) => Plant.write(place, inData("nats/nats-server.pid")(place), `${process.pid}\n`),
  },
  {
    title: "heal.json leads out of the folder",
    plant: (place: Place) => {
      const journal = {
        version: 1,
        name: "/../../..",
        step: "building",
        reason: "",
        startedAt: 0,
        built: "../..",
        place: "..",
        derived: [],
        needsRebuild: false,
        summary: null,
      };
      return Plant.write(place, inData("heal.json")(place), JSON.stringify(journal));
    },
  },
  {
    title: "the database's link leads to the database of another store",
    promise: "whole" as const,
    plant: (place: Place) => {
      const link = inData("recollect.db")(place);
      rmSync(link);
      symlinkSync(Plant.databaseOf({ data: place.stranger }), link);
      return "recollect.db leads to stranger";
    },
  },
  {
    title: "a key cut to nothing, as a power cut leaves it",
    promise: "whole" as const,
    plant: (place: Place) => Plant.truncate(place, inData("keys/local.nk")(place), () => 0),
  },
  {
    title: "the port file is garbage",
    plant: (place: Place) => Plant.write(place, inData("port")(place), "\u0000-99999999999999999999\n"),
  },
  {
    title: "the scrubber's notes are garbage",
    plant: (place: Place) => Plant.write(place, inData("recollect.db.scrub")(place), "{".repeat(10_000)),
  },
  {
    title: "the old block is sparse: its end is a hole of a gigabyte",
    plant: (place: Place) => Plant.truncate(place, Plant.blockOf(place, "old").file, (size) => size + 1_000_000_000),
  },
].map((fault) => ({ group: "the data folder", promise: "harmless", ...fault }) as const);

export const folderFaults: ReadonlyArray<Fault> = [...nats, ...api];
export const otherFaults: ReadonlyArray<Fault> = [...kv, ...folder, ...both];
export const laterFaults: ReadonlyArray<Fault> = [...added, ...meddled];
