/**
 * Agents that keep their conversations in a SQLite database: by which tables one is known, and what belongs to a session.
 *
 * Room: edge.
 *
 * An entry is a row, as JSON: `{"table": …, column: value, …}`, with columns that hold JSON spliced in as they stand. A
 * row that is rewritten is other JSON, so another entry: nothing of it is lost, and the newer one comes later. Read off
 * OpenCode 1.2 to 1.17, Cursor 2, Goose 1.10 (schema 5), Crush 0.10, Hermes (schema 18), each from its own sources.
 */
import { isObject, type JsonValue, objectAt, stringAt } from "../../domain/Json.ts";
import type { StoreFormat } from "./Entry.ts";
import { millisOf } from "../../domain/EntryTimes.ts";
import { compact } from "./JsonOutline.ts";
import type { Cell, Row, Rows } from "./StoreSqlite.ts";

/** A row on its way to becoming an entry. */
export interface StoreEntry {
  readonly raw: Buffer;
  readonly value: JsonValue;
  readonly time: number | undefined;
}

/** A session of a store: its name, and its rows, read each time they are asked for. */
export interface StoreSession {
  readonly name: string;
  readonly entries: () => Iterable<StoreEntry>;
}

interface Store {
  readonly format: StoreFormat;
  /** Tables and columns that must be there. */
  readonly has: Readonly<Record<string, ReadonlyArray<string>>>;
  readonly sessions: (rows: Rows) => Iterable<StoreSession>;
}

const parse = (text: string): JsonValue | undefined => {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
};

const textOf = (cell: Cell | undefined): string | undefined =>
  typeof cell === "string" ? cell : cell instanceof Uint8Array ? Buffer.from(cell).toString("utf8") : undefined;

const cellJson = (cell: Cell, isJson: boolean): string => {
  if (cell === null) return "null";
  if (typeof cell === "bigint") return cell.toString();
  if (typeof cell === "number") return Number.isFinite(cell) ? String(cell) : "null";
  const text = isJson || typeof cell === "string" ? textOf(cell) : undefined;
  if (text === undefined) return JSON.stringify({ base64: Buffer.from(cell as Uint8Array).toString("base64") });
  if (!isJson || parse(text) === undefined) return JSON.stringify(text);
  return /[\r\n]/.test(text) ? compact(Buffer.from(text, "utf8")).toString("utf8") : text;
};

/** A row as an entry. `json` names the columns that hold JSON; `time` finds its moment in its value. */
const entryOf = (
  table: string,
  row: Row,
  json: ReadonlySet<string>,
  time: (value: JsonValue) => number | undefined,
): StoreEntry => {
  const cells = Object.entries(row).map(([name, cell]) => `${JSON.stringify(name)}:${cellJson(cell, json.has(name))}`);
  const raw = Buffer.from(`{${[`"table":${JSON.stringify(table)}`, ...cells].join(",")}}`, "utf8");
  const value = parse(raw.toString("utf8")) ?? null;
  return { raw, value, time: time(value) };
};

const columns = (...names: ReadonlyArray<string>): ReadonlySet<string> => new Set(names);
const noJson = columns();

/** The moment in the first of these columns that has one. */
const at =
  (...names: ReadonlyArray<string>) =>
  (value: JsonValue): number | undefined => {
    for (const name of names) {
      const millis = isObject(value) ? millisOf(value[name]) : undefined;
      if (millis !== undefined) return millis;
    }
    return undefined;
  };

const ids = (rows: Rows, sql: string, ...parameters: ReadonlyArray<string>): ReadonlyArray<string> =>
  rows.all(sql, ...parameters).flatMap(({ id }) => {
    const text = textOf(id) ?? (typeof id === "bigint" ? String(id) : undefined);
    return text === undefined ? [] : [text];
  });

/** A moment inside of OpenCode's JSON: of a message, a part, a tool's state. */
const openCodeTime = (value: JsonValue): number | undefined => {
  const data = objectAt(value, "data");
  const time = objectAt(data, "time") ?? objectAt(objectAt(data, "state"), "time");
  return millisOf(time?.["created"]) ?? millisOf(time?.["start"]) ?? at("time_created")(value);
};

const openCode: Store = {
  format: "opencode-db",
  has: {
    session: ["id", "directory", "title"],
    message: ["id", "session_id", "data"],
    part: ["id", "message_id", "data"],
  },
  sessions: (rows) =>
    ids(rows, "SELECT id FROM session ORDER BY id").map((name) => ({
      name,
      entries: function* () {
        const session = columns("summary_diffs", "revert", "permission", "goal", "model");
        const data = columns("data");
        for (const row of rows.all("SELECT * FROM session WHERE id = ?", name))
          yield entryOf("session", row, session, at("time_created"));
        for (const id of ids(rows, "SELECT id FROM message WHERE session_id = ? ORDER BY time_created, id", name)) {
          for (const row of rows.all("SELECT * FROM message WHERE id = ?", id))
            yield entryOf("message", row, data, openCodeTime);
          for (const row of rows.all("SELECT * FROM part WHERE message_id = ? ORDER BY id", id))
            yield entryOf("part", row, data, openCodeTime);
        }
      },
    })),
};

const composerPrefix = "composerData:";
const bubblePrefix = "bubbleId:";

/** The keys that begin with a text: in order, by the table's index on its keys. */
const keysFrom = (rows: Rows, prefix: string): ReadonlyArray<string> => {
  const after = `${prefix.slice(0, -1)}${String.fromCodePoint((prefix.codePointAt(prefix.length - 1) ?? 0) + 1)}`;
  return ids(rows, "SELECT key AS id FROM cursorDiskKV WHERE key >= ? AND key < ? ORDER BY key", prefix, after);
};

/** Bubbles in the order in which the composer shows them, then those that it does not name. */
const bubbleKeys = (rows: Rows, composer: string, value: JsonValue): ReadonlyArray<string> => {
  const there = new Set(keysFrom(rows, `${bubblePrefix}${composer}:`));
  const headers = objectAt(value, "value")?.["fullConversationHeadersOnly"];
  const shown = (Array.isArray(headers) ? (headers as ReadonlyArray<JsonValue>) : []).flatMap((header) => {
    const key = `${bubblePrefix}${composer}:${stringAt(header, "bubbleId") ?? ""}`;
    return there.delete(key) ? [key] : [];
  });
  return [...shown, ...there];
};

const cursorTime = (value: JsonValue): number | undefined => {
  const inner = objectAt(value, "value");
  return millisOf(inner?.["createdAt"]) ?? millisOf(objectAt(inner, "timingInfo")?.["clientStartTime"]);
};

const cursor: Store = {
  format: "cursor-db",
  has: { cursorDiskKV: ["key", "value"] },
  sessions: function* (rows) {
    const one = (key: string): ReadonlyArray<StoreEntry> =>
      rows
        .all("SELECT key, value FROM cursorDiskKV WHERE key = ? AND value IS NOT NULL", key)
        .map((row) => entryOf("cursorDiskKV", row, columns("value"), cursorTime));
    for (const key of keysFrom(rows, composerPrefix)) {
      const name = key.slice(composerPrefix.length);
      const [composer] = one(key);
      if (composer === undefined) continue;
      const conversation = objectAt(composer.value, "value")?.["conversation"];
      const isInline = Array.isArray(conversation) && conversation.length > 0;
      // A composer that was opened, and in which nothing was said.
      if (!isInline && keysFrom(rows, `${bubblePrefix}${name}:`).length === 0) continue;
      yield {
        name,
        entries: function* () {
          const [now = composer] = one(key);
          yield now;
          for (const bubble of bubbleKeys(rows, name, now.value)) yield* one(bubble);
        },
      };
    }
  },
};

/** Stores with a table of sessions and one of their messages. */
const sessionsAndMessages = (
  format: StoreFormat,
  options: {
    readonly has: Store["has"];
    readonly session: (value: JsonValue) => number | undefined;
    readonly sessionJson?: ReadonlySet<string>;
    readonly message: (value: JsonValue) => number | undefined;
    readonly messageJson: ReadonlySet<string>;
    readonly order: string;
  },
): Store => ({
  format,
  has: options.has,
  sessions: (rows) =>
    ids(rows, "SELECT id FROM sessions ORDER BY id").map((name) => ({
      name,
      entries: function* () {
        for (const row of rows.all("SELECT * FROM sessions WHERE id = ?", name))
          yield entryOf("sessions", row, options.sessionJson ?? noJson, options.session);
        const messages = ids(
          rows,
          `SELECT rowid AS id FROM messages WHERE session_id = ? ORDER BY ${options.order}`,
          name,
        );
        for (const rowid of messages)
          for (const row of rows.all("SELECT * FROM messages WHERE rowid = ?", BigInt(rowid)))
            yield entryOf("messages", row, options.messageJson, options.message);
      },
    })),
});

const stores: ReadonlyArray<Store> = [
  openCode,
  cursor,
  sessionsAndMessages("goose-db", {
    has: { sessions: ["id", "working_dir"], messages: ["session_id", "role", "content_json"] },
    session: at("created_at"),
    sessionJson: columns("extension_data", "recipe_json", "user_recipe_values_json"),
    message: at("created_timestamp", "timestamp"),
    messageJson: columns("content_json", "metadata_json"),
    order: "id",
  }),
  sessionsAndMessages("crush", {
    has: { sessions: ["id", "parent_session_id", "title"], messages: ["session_id", "role", "parts"] },
    session: at("created_at"),
    message: at("created_at"),
    messageJson: columns("parts"),
    order: "created_at, rowid",
  }),
  sessionsAndMessages("hermes", {
    has: { sessions: ["id", "source", "started_at"], messages: ["session_id", "role", "content", "tool_calls"] },
    session: at("started_at"),
    sessionJson: columns("model_config"),
    message: at("timestamp"),
    messageJson: columns("tool_calls", "reasoning_details", "codex_reasoning_items"),
    order: "id",
  }),
];

/** The store whose tables these are, or undefined. */
export const storeOf = ({ tables }: Pick<Rows, "tables">): Store | undefined =>
  stores.find(({ has }) =>
    Object.entries(has).every(([table, names]) => names.every((name) => tables.get(table)?.has(name) === true)),
  );
