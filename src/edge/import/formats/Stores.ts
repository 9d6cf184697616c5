/**
 * Agents that keep their conversations in a SQLite database: by which tables one is known, and what belongs to a session.
 *
 * Room: edge.
 *
 * An entry is a row, as JSON: `{"table": …, column: value, …}`, with columns that hold JSON spliced in as they stand. A
 * row that is rewritten is other JSON, so another entry: nothing of it is lost, and the newer one comes later. Read off
 * OpenCode 1.2 to 1.17, Cursor 2, Goose 1.10 (schema 5), Crush 0.10, Hermes (schema 18), each from its own sources.
 */
import { type JsonValue, objectAt, stringAt } from "../../../domain/Json.ts";
import type { StoreFormat } from "../Entry.ts";
import { timeOf } from "../../../domain/EntryTimes.ts";
import { compact } from "./JsonOutline.ts";
import type { Cell, Row, Rows } from "../cut/StoreSqlite.ts";
import { zstdDecompressSync } from "node:zlib";

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

/** A conversation that a store keeps as one JSON document. */
export interface StoreDocument {
  readonly name: string;
  /** The document with the row it stood in as a member, or why there is none. */
  readonly bytes: () => Buffer | string;
}

interface Store {
  readonly format: StoreFormat | DocumentFormat;
  /** Tables and columns that must be there. */
  readonly has: Readonly<Record<string, ReadonlyArray<string>>>;
  readonly sessions?: (rows: Rows) => Iterable<StoreSession>;
  readonly documents?: (rows: Rows) => Iterable<StoreDocument>;
}

/** Formats that are documents, in a file or in a row. */
type DocumentFormat = "zed" | "kiro";

type SessionStore = Store & Required<Pick<Store, "sessions">> & { readonly format: StoreFormat };

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

/** A row as an entry. `json` names the columns that hold JSON. */
const entryOf = (table: string, row: Row, json: ReadonlySet<string>): StoreEntry => {
  const cells = Object.entries(row).map(([name, cell]) => `${JSON.stringify(name)}:${cellJson(cell, json.has(name))}`);
  const raw = Buffer.from(`{${[`"table":${JSON.stringify(table)}`, ...cells].join(",")}}`, "utf8");
  const value = parse(raw.toString("utf8")) ?? null;
  return { raw, value, time: timeOf(value) };
};

const columns = (...names: ReadonlyArray<string>): ReadonlySet<string> => new Set(names);
const noJson = columns();

const ids = (rows: Rows, sql: string, ...parameters: ReadonlyArray<string>): ReadonlyArray<string> =>
  rows.all(sql, ...parameters).flatMap(({ id }) => {
    const text = textOf(id) ?? (typeof id === "bigint" ? String(id) : undefined);
    return text === undefined ? [] : [text];
  });

const openCode: SessionStore = {
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
        for (const row of rows.all("SELECT * FROM session WHERE id = ?", name)) yield entryOf("session", row, session);
        for (const id of ids(rows, "SELECT id FROM message WHERE session_id = ? ORDER BY time_created, id", name)) {
          for (const row of rows.all("SELECT * FROM message WHERE id = ?", id)) yield entryOf("message", row, data);
          for (const row of rows.all("SELECT * FROM part WHERE message_id = ? ORDER BY id", id))
            yield entryOf("part", row, data);
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

const cursor: SessionStore = {
  format: "cursor-db",
  has: { cursorDiskKV: ["key", "value"] },
  sessions: function* (rows) {
    const one = (key: string): ReadonlyArray<StoreEntry> =>
      rows
        .all("SELECT key, value FROM cursorDiskKV WHERE key = ? AND value IS NOT NULL", key)
        .map((row) => entryOf("cursorDiskKV", row, columns("value")));
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

/** Largest document that is unpacked. */
const maxDocumentBytes = 256 * 1024 * 1024;

/** The document in a row, with the row's other columns in front of its members. */
const documentOf = (id: string, row: Row, column: string, data: Buffer): Buffer | string => {
  const text = data.toString("utf8").trimStart();
  if (!text.startsWith("{")) return `the row ${id} holds no JSON object`;
  const rest = Object.fromEntries(Object.entries(row).filter(([name]) => name !== column));
  const around = entryOf(column, rest, noJson).raw.toString("utf8");
  const inner = text.slice(1).trimStart();
  return Buffer.from(`{"row":${around}${inner.startsWith("}") ? "" : ","}${inner}`, "utf8");
};

const unpacked = (id: string, cell: Cell | undefined, isZstd: boolean): Buffer | string => {
  const bytes =
    typeof cell === "string" ? Buffer.from(cell, "utf8") : cell instanceof Uint8Array ? Buffer.from(cell) : undefined;
  if (bytes === undefined) return `the row ${id} is empty`;
  if (!isZstd) return bytes;
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: maxDocumentBytes });
  } catch (cause) {
    return `the row ${id} cannot be unpacked (${cause instanceof Error ? cause.message : String(cause)})`;
  }
};

const zed: Store = {
  format: "zed",
  has: { threads: ["id", "summary", "data_type", "data"] },
  documents: (rows) =>
    ids(rows, "SELECT id FROM threads ORDER BY id").map((name) => ({
      name,
      bytes: () => {
        const [row = {}] = rows.all("SELECT * FROM threads WHERE id = ?", name);
        const data = unpacked(name, row["data"], row["data_type"] === "zstd");
        return typeof data === "string" ? data : documentOf(name, row, "data", data);
      },
    })),
};

/** Kiro keeps one conversation for each folder, newer ones several. */
const kiro = (table: string, id: string): Store => ({
  format: "kiro",
  has: { [table]: ["key", "value", id] },
  documents: (rows) =>
    ids(rows, `SELECT rowid AS id FROM ${table} ORDER BY rowid`).map((name) => ({
      name,
      bytes: () => {
        const [row = {}] = rows.all(`SELECT * FROM ${table} WHERE rowid = ?`, BigInt(name));
        const data = unpacked(name, row["value"], false);
        return typeof data === "string" ? data : documentOf(name, row, "value", data);
      },
    })),
});

/** Stores with a table of sessions and one of their messages. */
const sessionsAndMessages = (
  format: StoreFormat,
  options: {
    readonly has: Store["has"];
    readonly sessionJson?: ReadonlySet<string>;
    readonly messageJson: ReadonlySet<string>;
    readonly order: string;
  },
): SessionStore => ({
  format,
  has: options.has,
  sessions: (rows) =>
    ids(rows, "SELECT id FROM sessions ORDER BY id").map((name) => ({
      name,
      entries: function* () {
        for (const row of rows.all("SELECT * FROM sessions WHERE id = ?", name))
          yield entryOf("sessions", row, options.sessionJson ?? noJson);
        const messages = ids(
          rows,
          `SELECT rowid AS id FROM messages WHERE session_id = ? ORDER BY ${options.order}`,
          name,
        );
        for (const rowid of messages)
          for (const row of rows.all("SELECT * FROM messages WHERE rowid = ?", BigInt(rowid)))
            yield entryOf("messages", row, options.messageJson);
      },
    })),
});

const stores: ReadonlyArray<Store> = [
  openCode,
  cursor,
  sessionsAndMessages("goose-db", {
    has: { sessions: ["id", "working_dir"], messages: ["session_id", "role", "content_json"] },
    sessionJson: columns("extension_data", "model_config_json", "recipe_json", "user_recipe_values_json"),
    messageJson: columns("content_json", "metadata_json"),
    order: "id",
  }),
  sessionsAndMessages("crush", {
    has: { sessions: ["id", "parent_session_id", "title"], messages: ["session_id", "role", "parts"] },
    messageJson: columns("parts"),
    order: "created_at, rowid",
  }),
  sessionsAndMessages("hermes", {
    has: { sessions: ["id", "source", "started_at"], messages: ["session_id", "role", "content", "tool_calls"] },
    sessionJson: columns("model_config"),
    messageJson: columns("tool_calls", "reasoning_details", "codex_reasoning_items"),
    order: "id",
  }),
  zed,
  kiro("conversations_v2", "conversation_id"),
  kiro("conversations", "key"),
];

/** The store whose tables these are, or undefined. */
export const storeOf = ({ tables }: Pick<Rows, "tables">): Store | undefined =>
  stores.find(({ has }) =>
    Object.entries(has).every(([table, names]) => names.every((name) => tables.get(table)?.has(name) === true)),
  );
