/**
 * The real transcripts, cut into entries as the importer cuts them, in the simplest way: whole files in memory.
 *
 * It knows what lies where by file names; the importer finds it out by content. Entries of copies and of growing files
 * are one: the same bytes, the same time in the same thread.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { JsonValue } from "../../src/domain/Json.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/domain/Json.ts";
import type { EntryContext } from "../../src/domain/interpret/Interpreter.ts";

/** The folder of the real transcripts, or undefined where it is not. */
export const dataRoot: string | undefined = [
  process.env["RECOLLECT_TEST_DATA"] ?? resolve(import.meta.dirname, "../../../shared/data"),
].find((path) => existsSync(path));

export interface Cut {
  readonly set: string;
  /** The oracle's name of the format. */
  readonly group: string;
  readonly format: string;
  readonly thread: string;
  readonly place: EntryContext["place"];
  readonly raw: string;
  readonly entry: JsonValue;
}

type Piece = Pick<Cut, "thread" | "place" | "raw" | "entry">;
type Cutter = (name: string, body: string) => ReadonlyArray<Piece>;

const linesOf = (body: string): ReadonlyArray<{ readonly raw: string; readonly entry: JsonValue }> =>
  body.split("\n").flatMap((raw) => {
    try {
      return [{ raw, entry: JSON.parse(raw) as JsonValue }];
    } catch {
      return [];
    }
  });

/** Lines of a file, in the session that `named` reads from a line, else in that of the line before or of the first. */
const lines =
  (named: (entry: JsonValue) => string | undefined): Cutter =>
  (name, body) => {
    const all = linesOf(body);
    let thread = all.map(({ entry }) => named(entry)).find((id) => id !== undefined) ?? name;
    return all.map(({ raw, entry }) => {
      thread = named(entry) ?? thread;
      return { thread, place: "line", raw, entry };
    });
  };

/** One conversation object: its frame, with the messages emptied, and its elements. */
const conversation = (thread: string, object: JsonValue, key: string): ReadonlyArray<Piece> => {
  if (!isObject(object)) return [];
  const frame = { ...object, [key]: [] };
  return [
    { thread, place: "frame", raw: JSON.stringify(frame), entry: frame },
    ...arrayAt(object, key).map((entry): Piece => ({ thread, place: "element", raw: JSON.stringify(entry), entry })),
  ];
};

const one =
  (key: string): Cutter =>
  (name, body) => {
    const object = JSON.parse(body) as JsonValue;
    return conversation(
      stringAt(object, "sessionId") ?? name,
      object,
      isObject(object) && Array.isArray(object[key]) ? key : "history",
    );
  };

const many =
  (key: string, named: (object: JsonValue) => string | undefined): Cutter =>
  (name, body) =>
    arrayAt(JSON.parse(body) as JsonValue, key).flatMap((object, index) =>
      conversation(named(object) ?? `${name}#${index}`, object, "messages"),
    );

const tauBench: Cutter = (name, body) =>
  linesOf(body).flatMap(({ entry }, index) => conversation(`${name}#${index}`, entry, "traj"));

const opencode: Cutter = (name, body) => {
  const entry = JSON.parse(body) as JsonValue;
  const owner = /__part__(m_[a-z_0-9]*?)__\d+\.json$/u.exec(name)?.[1] ?? stringAt(entry, "messageID") ?? "";
  const session = stringAt(entry, "sessionID") ?? (name.includes("__session__") ? stringAt(entry, "id") : undefined);
  return [{ thread: session ?? `s_stage0_${owner.split("_")[2] ?? ""}`, place: "line", raw: body, entry }];
};

const grok: Cutter = (name, body) => {
  const thread = name.replace("summary.json", "chat_history.jsonl");
  return name.endsWith(".jsonl")
    ? lines(() => undefined)(name, body)
    : [{ thread, place: "line", raw: body, entry: JSON.parse(body) as JsonValue }];
};

const whenType =
  (type: string, ...path: ReadonlyArray<string>) =>
  (entry: JsonValue): string | undefined => {
    if (stringAt(entry, "type") !== type) return undefined;
    const [key = "", ...way] = path.toReversed();
    return stringAt(
      way.toReversed().reduce<JsonValue | undefined>((here, step) => objectAt(here, step), entry),
      key,
    );
  };

const configured = (entry: JsonValue): string | undefined => {
  const message = objectAt(objectAt(entry, "payload"), "msg");
  return stringAt(message, "type") === "session_configured" ? stringAt(message, "session_id") : undefined;
};

/** set, file name, the oracle's format, ours, and how it is cut. */
const cutters: ReadonlyArray<readonly [set: string, name: RegExp, group: string, format: string, cutter: Cutter]> = [
  ["claude-code-entire", /\.jsonl$/u, "claude-code", "claude-code", lines((entry) => stringAt(entry, "sessionId"))],
  ["codex-rollouts", /rollout\.jsonl$/u, "codex", "codex", lines(whenType("session_meta", "payload", "id"))],
  ["codex-rollouts", /exec-json\.jsonl$/u, "codex-exec", "codex-exec", lines(whenType("thread.started", "thread_id"))],
  ["codex-tui-log", /\.jsonl$/u, "codex-tui", "codex-tui", lines(configured)],
  ["gemini-cli-entire", /\.json$/u, "gemini-cli", "gemini-cli", one("messages")],
  ["inspect-eval-logs", /\.json$/u, "inspect", "inspect", many("samples", (sample) => stringAt(sample, "uuid"))],
  ["pi-session", /\.jsonl$/u, "pi", "pi", lines(whenType("session", "id"))],
  ["swe-agent", /\.traj$/u, "swe-agent", "swe-agent", one("history")],
  ["tau-bench-airline", /\.jsonl$/u, "tau-bench", "openai-chat", tauBench],
  ["tau2-results", /\.json$/u, "tau2", "tau2", many("simulations", (simulation) => stringAt(simulation, "id"))],
  ["who-and-when", /\.json$/u, "who-and-when", "who-and-when", one("history")],
  ["agent-sessions-fixtures", /^antigravity__.*\.jsonl$/u, "antigravity", "antigravity", lines(() => undefined)],
  [
    "agent-sessions-fixtures",
    /^copilot__.*\.jsonl$/u,
    "copilot",
    "copilot",
    lines(whenType("session.start", "data", "sessionId")),
  ],
  ["agent-sessions-fixtures", /^cursor__.*\.jsonl$/u, "cursor", "cursor", lines(() => undefined)],
  [
    "agent-sessions-fixtures",
    /^droid__session_store_.*\.jsonl$/u,
    "droid",
    "droid",
    lines(whenType("session_start", "id")),
  ],
  [
    "agent-sessions-fixtures",
    /^droid__stream_json_.*\.jsonl$/u,
    "droid-stream",
    "droid",
    lines((entry) => stringAt(entry, "session_id") ?? stringAt(entry, "sessionId")),
  ],
  [
    "agent-sessions-fixtures",
    /^gemini__.*\.jsonl$/u,
    "gemini-cli",
    "gemini-cli",
    lines((entry) => stringAt(entry, "sessionId")),
  ],
  ["agent-sessions-fixtures", /^gemini__.*\.json$/u, "gemini-cli", "gemini-cli", one("messages")],
  ["agent-sessions-fixtures", /^grok__.*\.jsonl?$/u, "grok", "grok", grok],
  ["agent-sessions-fixtures", /^opencode__.*\.json$/u, "opencode", "opencode", opencode],
  ["agent-sessions-fixtures", /^pi__.*\.jsonl$/u, "pi", "pi", lines(whenType("session", "id"))],
];

/** All entries of a set, in the order of its files, each once. */
export const entriesOf = (set: string, root: string): ReadonlyArray<Cut> => {
  const cuts: Array<Cut> = [];
  const seen = new Set<string>();
  for (const name of readdirSync(join(root, set)).toSorted()) {
    const found = cutters.find(([of, pattern]) => of === set && pattern.test(name));
    if (found === undefined || /^(?:README|LICENSE)/u.test(name) || name.endsWith(".checkpoint.json")) continue;
    const [, , group, format, cutter] = found;
    const times = new Map<string, number>();
    for (const piece of cutter(name, readFileSync(join(root, set, name), "utf8"))) {
      const content = `${format}\u0000${piece.thread}\u0000${piece.place}\u0000${piece.raw}`;
      const time = (times.get(content) ?? 0) + 1;
      times.set(content, time);
      const identity = `${time}\u0000${content}`;
      if (seen.has(identity)) continue;
      seen.add(identity);
      cuts.push({ ...piece, set, group, format });
    }
  }
  return cuts;
};
