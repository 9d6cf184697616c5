/**
 * Agents that spread one session over several files: which session a file belongs to.
 *
 * Room: edge.
 *
 * - OpenCode: one file per session, message and part (`storage/message/<session>/<message>.json`,
 *   `storage/part/<message>/<part>.json`). Old parts name neither session nor message: their folder does, and the
 *   message's own file says whose it is.
 * - Kimi: `context.jsonl` is the model's view of the session whose wire lies beside it.
 * - Grok: `chat_history.jsonl` names no session; `summary.json` beside it does.
 *
 * Folders may have been flattened into the name with `__`, as exports of such trees do.
 */
import { Effect, FileSystem, Path } from "effect";
import { isObject, type JsonValue, objectAt, stringAt } from "../../../domain/Json.ts";
import type { Format } from "../Entry.ts";
import { fileNameOf } from "../ThreadIds.ts";

/** The document's place in OpenCode's storage, or undefined when it is none of it. */
const openCodeKind = (value: JsonValue, path: string): "session" | "message" | "part" | undefined => {
  if (!isObject(value) || typeof value["id"] !== "string") return undefined;
  if (typeof value["messageID"] === "string") return "part";
  if (typeof value["sessionID"] === "string" && typeof value["role"] === "string") return "message";
  if (typeof value["projectID"] === "string" && isObject(value["time"])) return "session";
  return typeof value["type"] === "string" && /(?:^|[\\/]|__)part(?:[\\/]|__)/.test(path) ? "part" : undefined;
};

export const isOpenCode = (value: JsonValue, path: string): boolean => openCodeKind(value, path) !== undefined;

export const isGrokSummary = (value: JsonValue): boolean =>
  typeof objectAt(value, "info")?.["id"] === "string" && isObject(value) && "session_summary" in value;

/** Message ids kept from one import; beyond it the message's file is looked for again. */
const maxRemembered = 200_000;
/** Siblings are small; a larger file of that name is something else. */
const maxSiblingBytes = 4 * 1024 * 1024;

interface Place {
  readonly owner: string;
  /** The folder whose entries are the messages, or the folders of messages. */
  readonly root: string;
  readonly isMessage: (name: string) => boolean;
}

/** A folder's or flattened folder's messages, and the message that a part's own place names. */
const openCodePlace = (path: string): Place | undefined => {
  const found = /^(.*(?:[\\/]|__|^))part([\\/]|__)(?:(.*)\2)?[^\\/]+$/.exec(path);
  if (found === null) return undefined;
  const [, before = "", separator = "/", owner = ""] = found;
  const flat = separator === "__";
  return {
    owner,
    root: flat ? before.replace(/[^\\/]*$/, "") : `${before}message`,
    isMessage: (name) => !flat || (name.startsWith(`${fileNameOf(before)}message__`) && name.endsWith(".json")),
  };
};

/** Finds sessions by looking at sibling files; one for each import, because it remembers what it has seen. */
export const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  const paths = yield* Path.Path;
  const sessionOfMessage = new Map<string, string>();

  const readJson = (path: string) =>
    Effect.gen(function* () {
      const info = yield* fs.stat(path);
      if (info.type !== "File" || Number(info.size) > maxSiblingBytes) return undefined;
      return JSON.parse(yield* fs.readFileString(path)) as JsonValue;
    }).pipe(Effect.catchCause(() => Effect.succeed(undefined)));

  /** Reads the message files of a storage folder, once, into the memory. */
  const remember = (value: JsonValue | undefined): void => {
    const id = stringAt(value, "id");
    const session = stringAt(value, "sessionID");
    if (id !== undefined && session !== undefined && sessionOfMessage.size < maxRemembered)
      sessionOfMessage.set(id, session);
  };

  const lookUp = Effect.fnUntraced(function* (path: string, messageId: string) {
    const place = openCodePlace(path);
    if (place === undefined) return undefined;
    const folder = place.root === "" ? "." : place.root;
    const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed(() => []));
    for (const name of names.toSorted()) {
      const direct = yield* readJson(paths.join(folder, name, `${messageId}.json`));
      const value = direct ?? (place.isMessage(name) ? yield* readJson(paths.join(folder, name)) : undefined);
      remember(value);
      if (stringAt(value, "id") === messageId) return stringAt(value, "sessionID");
    }
    return undefined;
  });

  /** The session of one of OpenCode's files. */
  const openCode = Effect.fnUntraced(function* (value: JsonValue, path: string) {
    const kind = openCodeKind(value, path);
    const named = kind === "session" ? stringAt(value, "id") : stringAt(value, "sessionID");
    if (kind === "message") remember(value);
    if (named !== undefined) return named;
    const messageId = stringAt(value, "messageID") ?? openCodePlace(path)?.owner ?? "";
    return sessionOfMessage.get(messageId) ?? (yield* lookUp(path, messageId)) ?? `message/${messageId}`;
  });

  /** The session of a Grok chat history, from the summary beside it. */
  const grok = Effect.fnUntraced(function* (path: string) {
    const beside = path.replace(/chat_history\.jsonl$/, "summary.json");
    const summary = beside === path ? undefined : yield* readJson(beside);
    return stringAt(objectAt(summary, "info"), "id");
  });

  /** True when a file of messages is the context of a session of Kimi, whose wire lies beside it. */
  const isKimiContext = (path: string) =>
    fileNameOf(path) === "context.jsonl"
      ? fs.exists(paths.join(paths.dirname(path), "wire.jsonl")).pipe(Effect.orElseSucceed(() => false))
      : Effect.succeed(false);

  /**
   * Times of the messages of a task of Cline: the nth request in `ui_messages.json` is the time of the nth answer,
   * and of what was said before it.
   */
  const clineTimes = Effect.fnUntraced(function* (path: string) {
    const shown = yield* readJson(paths.join(paths.dirname(path), "ui_messages.json"));
    const times = (Array.isArray(shown) ? (shown as ReadonlyArray<JsonValue>) : []).flatMap((one) => {
      const time = isObject(one) && one["say"] === "api_req_started" ? one["ts"] : undefined;
      return typeof time === "number" ? [time] : [];
    });
    return (number: number): number | undefined => times[Math.ceil(number / 2) - 1];
  });

  return { openCode, grok, isKimiContext, clineTimes };
});
export type Siblings = Effect.Success<typeof make>;

/** The format of a file of lines, by what lies beside it. */
export const formatBeside = Effect.fnUntraced(function* (siblings: Siblings, path: string, format: Format) {
  return format === "openai-chat" && (yield* siblings.isKimiContext(path)) ? "kimi" : format;
});
