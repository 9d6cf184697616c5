/**
 * The oracle: what the real transcripts hold, counted from the raw files alone.
 *
 * Shares no code with `src/` on purpose: it may only agree with an import because both are right.
 * Where a figure depends on a definition, the definition stands here as a `Choice:` sentence.
 * Runs in a few seconds: `node test/support/RawCounts.ts [SET…] [--root DIR]` prints the table as JSON.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject;
interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/**
 * Token counts in one meaning: `input` is all that was sent, cached tokens included, `output` all that was received,
 * reasoning included. Choice: Anthropic, pi, Droid and OpenCode state cached tokens beside their input, Gemini states thoughts
 * beside its output and prompt tokens of tools beside its input; OpenAI, Codex and Inspect state parts inside.
 */
export interface Tokens {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  reasoning: number;
}

/** `unknown` = no result was seen. */
export interface Outcomes {
  ok: number;
  error: number;
  unknown: number;
}

export interface Counts {
  threads: number;
  /** Distinct (thread, entry, nth time this entry occurs in one file): growing copies count once, honest repetitions count. */
  entries: number;
  /** Messages by role. */
  messages: Record<string, number>;
  /** Distinct (thread, call id); a call without id counts each time. */
  toolCalls: number;
  /** Every use of a call id in a new entry: some agents reuse an id inside one thread for a different call (tau-bench, SWE-agent). */
  toolCallOccurrences: number;
  /** Results that answer a call of the thread. */
  toolResults: number;
  /** Results whose call is not in the thread. */
  orphanResults: number;
  /** Over occurrences. The nth result of an id answers its nth use. */
  outcomes: Outcomes;
  /** By the name of the tool, where the reader of the format says one: over occurrences. */
  tools: Record<string, Outcomes>;
  tokens: Tokens;
  /** By model, and by day in UTC and model, where the reader of the format says them: input, output. */
  models: Record<string, Tokens>;
  days: Record<string, Tokens>;
}

export interface RawCounts extends Counts {
  readonly set: string;
  /** Files that hold a conversation or a piece of one; `README*` and `LICENSE*` are never looked at. */
  readonly files: number;
  /** Files beside the conversations: checkpoints, a note, a schema version. */
  readonly otherFiles: ReadonlyArray<string>;
  /** Lines that are no JSON value. Choice: they are in no other count. */
  readonly malformed: ReadonlyArray<{ readonly file: string; readonly line: number }>;
  readonly formats: Readonly<Record<string, Counts>>;
  /** By this file's thread key (format, then the agent's session id, else file or file#index): to find where a sum differs. */
  readonly perThread: ReadonlyMap<string, Counts>;
}

/** The sets that are conversations. */
export const sets = [
  "agent-sessions-fixtures",
  "claude-code-entire",
  "codex-rollouts",
  "codex-tui-log",
  "gemini-cli-entire",
  "inspect-eval-logs",
  "pi-session",
  "swe-agent",
  "tau-bench-airline",
  "tau2-results",
  "who-and-when",
] as const;

// ---------------------------------------------------------------------------------------------------------------- JSON

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const get = (value: Json | undefined, ...path: ReadonlyArray<string>): Json | undefined => {
  let here = value;
  for (const key of path) here = isObject(here) ? here[key] : undefined;
  return here;
};

const list = (value: Json | undefined, ...path: ReadonlyArray<string>): ReadonlyArray<Json> => {
  const found = get(value, ...path);
  return Array.isArray(found) ? (found as ReadonlyArray<Json>) : [];
};

const text = (value: Json | undefined, ...path: ReadonlyArray<string>): string | undefined => {
  const found = get(value, ...path);
  return typeof found === "string" ? found : undefined;
};

const count = (value: Json | undefined, ...path: ReadonlyArray<string>): number => {
  const found = get(value, ...path);
  return typeof found === "number" ? found : 0;
};

const noTokens = (): Tokens => ({ input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 });

/** Reads the named fields of a usage object; a missing or null one is 0. `beside` are added to their wholes. */
const tokensOf = (
  usage: Json | undefined,
  {
    beside = [],
    inputToo,
    ...names
  }: Partial<Record<keyof Tokens, string>> & {
    readonly beside?: ReadonlyArray<"cache" | "reasoning">;
    readonly inputToo?: string;
  },
): Tokens => {
  const tokens = noTokens();
  for (const kind of Object.keys(tokens) as Array<keyof Tokens>) {
    const name = names[kind];
    if (name !== undefined) tokens[kind] = count(usage, name);
  }
  if (beside.includes("cache")) tokens.input += tokens.cacheRead + tokens.cacheWrite;
  if (beside.includes("reasoning")) tokens.output += tokens.reasoning;
  if (inputToo !== undefined) tokens.input += count(usage, inputToo);
  return tokens;
};

const anthropicUsage = {
  input: "input_tokens",
  output: "output_tokens",
  cacheRead: "cache_read_input_tokens",
  cacheWrite: "cache_creation_input_tokens",
  beside: ["cache"],
} as const;
const codexUsage = {
  input: "input_tokens",
  output: "output_tokens",
  cacheRead: "cached_input_tokens",
  cacheWrite: "cache_write_input_tokens",
  reasoning: "reasoning_output_tokens",
} as const;
const geminiUsage = {
  input: "input",
  output: "output",
  cacheRead: "cached",
  reasoning: "thoughts",
  beside: ["reasoning"],
  inputToo: "tool",
} as const;
const piUsage = {
  input: "input",
  output: "output",
  cacheRead: "cacheRead",
  cacheWrite: "cacheWrite",
  beside: ["cache"],
} as const;
const chatUsage = { input: "prompt_tokens", output: "completion_tokens" } as const;
const inspectUsage = {
  input: "input_tokens",
  output: "output_tokens",
  cacheRead: "input_tokens_cache_read",
  cacheWrite: "input_tokens_cache_write",
  reasoning: "reasoning_tokens",
} as const;

// --------------------------------------------------------------------------------------------------------------- tally

/** What one thread holds. Uses and results of a call id are kept in order, to pair the nth with the nth. */
class Thread {
  readonly seen = new Set<string>();
  readonly messageKeys = new Set<string>();
  readonly messages = new Map<string, number>();
  readonly uses = new Map<string, number>();
  readonly results = new Map<string, Array<"ok" | "error">>();
  /** Names of the nth use of each id. */
  readonly names = new Map<string, Array<string | undefined>>();
  private anonymous = 0;

  message(role: string): void {
    this.messages.set(role, (this.messages.get(role) ?? 0) + 1);
  }

  /** One message whatever the number of entries that carry it. */
  messageOnce(key: string, role: string): void {
    if (this.messageKeys.has(key)) return;
    this.messageKeys.add(key);
    this.message(role);
  }

  /** Returns the id that a result must name: a call without id gets one of its own. */
  call(id: string | undefined, name?: string): string {
    const key = id ?? `\u0000${this.anonymous++}`;
    this.names.set(key, [...(this.names.get(key) ?? []), name]);
    this.uses.set(key, (this.uses.get(key) ?? 0) + 1);
    return key;
  }

  result(id: string, outcome: "ok" | "error"): void {
    const known = this.results.get(id);
    if (known === undefined) this.results.set(id, [outcome]);
    else known.push(outcome);
  }
}

/** Speaker of a response, and the time that its line states, ISO 8601 in UTC. */
interface Spoken {
  readonly model?: string | undefined;
  readonly at?: string | undefined;
}

class Tally {
  readonly threads = new Map<string, Thread>();
  /** Usage by response: the last one seen is the final one. Set-wide, because a resumed session may re-send a response. */
  readonly usage = new Map<string, { readonly thread: string; readonly tokens: Tokens } & Spoken>();
  private anonymous = 0;

  thread(key: string): Thread {
    let thread = this.threads.get(key);
    if (thread === undefined) this.threads.set(key, (thread = new Thread()));
    return thread;
  }

  used(thread: string, response: string | undefined, tokens: Tokens, spoken: Spoken = {}): void {
    this.usage.set(response ?? `\u0000${this.anonymous++}`, { thread, tokens, ...spoken });
  }

  counts(): Map<string, Counts> {
    const all = new Map<string, Counts>();
    for (const [key, thread] of this.threads) all.set(key, countsOfThread(thread));
    for (const { at, model, thread, tokens } of this.usage.values()) {
      const counts = all.get(thread);
      if (counts === undefined) throw new Error(`usage for the unknown thread ${thread}`);
      addTokens(counts.tokens, tokens);
      if (model === undefined) continue;
      addTokens((counts.models[model] ??= noTokens()), tokens);
      if (at !== undefined) addTokens((counts.days[`${at.slice(0, 10)} ${model}`] ??= noTokens()), tokens);
    }
    return all;
  }
}

const noCounts = (): Counts => ({
  threads: 0,
  entries: 0,
  messages: {},
  toolCalls: 0,
  toolCallOccurrences: 0,
  toolResults: 0,
  orphanResults: 0,
  outcomes: { ok: 0, error: 0, unknown: 0 },
  tools: {},
  tokens: noTokens(),
  models: {},
  days: {},
});

const countsOfThread = (thread: Thread): Counts => {
  const counts = noCounts();
  counts.threads = 1;
  counts.entries = thread.seen.size;
  for (const [role, n] of thread.messages) counts.messages[role] = n;
  counts.toolCalls = thread.uses.size;
  for (const [id, uses] of thread.uses) {
    const results = thread.results.get(id) ?? [];
    counts.toolCallOccurrences += uses;
    for (let n = 0; n < uses; n++) {
      const outcome = results[n] ?? "unknown";
      counts.outcomes[outcome]++;
      const name = thread.names.get(id)?.[n];
      if (name !== undefined) (counts.tools[name] ??= { ok: 0, error: 0, unknown: 0 })[outcome]++;
    }
  }
  for (const [id, results] of thread.results) {
    const answered = Math.min(results.length, thread.uses.get(id) ?? 0);
    counts.toolResults += answered;
    counts.orphanResults += results.length - answered;
  }
  return counts;
};

const addTokens = (sum: Tokens, more: Tokens): void => {
  for (const kind of Object.keys(sum) as Array<keyof Tokens>) sum[kind] += more[kind];
};

const addOutcomes = (sum: Outcomes, more: Outcomes): void => {
  for (const kind of ["ok", "error", "unknown"] as const) sum[kind] += more[kind];
};

const add = (sum: Counts, more: Counts): void => {
  sum.threads += more.threads;
  sum.entries += more.entries;
  for (const [role, n] of Object.entries(more.messages)) sum.messages[role] = (sum.messages[role] ?? 0) + n;
  sum.toolCalls += more.toolCalls;
  sum.toolCallOccurrences += more.toolCallOccurrences;
  sum.toolResults += more.toolResults;
  sum.orphanResults += more.orphanResults;
  addOutcomes(sum.outcomes, more.outcomes);
  for (const [name, outcomes] of Object.entries(more.tools))
    addOutcomes((sum.tools[name] ??= { ok: 0, error: 0, unknown: 0 }), outcomes);
  addTokens(sum.tokens, more.tokens);
  for (const [name, tokens] of Object.entries(more.models)) addTokens((sum.models[name] ??= noTokens()), tokens);
  for (const [name, tokens] of Object.entries(more.days)) addTokens((sum.days[name] ??= noTokens()), tokens);
};

// ------------------------------------------------------------------------------------------------------------- sources

/** One raw file and where its facts go. */
class Source {
  readonly file: string;
  readonly body: string;
  readonly malformed: Array<{ readonly file: string; readonly line: number }> = [];
  private readonly times = new Map<string, number>();

  constructor(path: string) {
    this.file = basename(path);
    this.body = readFileSync(path, "utf8");
  }

  json(): Json {
    return JSON.parse(this.body) as Json;
  }

  lines(): Array<{ readonly raw: string; readonly value: Json }> {
    const lines: Array<{ readonly raw: string; readonly value: Json }> = [];
    for (const [index, raw] of this.body.split("\n").entries()) {
      if (raw.trim() === "") continue;
      try {
        lines.push({ raw, value: JSON.parse(raw) as Json });
      } catch {
        this.malformed.push({ file: this.file, line: index + 1 });
      }
    }
    return lines;
  }

  /** Whether this entry is new to its thread; a repetition inside one file is an entry of its own. */
  isNew(key: string, thread: Thread, raw: string): boolean {
    const time = (this.times.get(`${key}\u0000${raw}`) ?? 0) + 1;
    this.times.set(`${key}\u0000${raw}`, time);
    const identity = `${time}\u0000${raw}`;
    if (thread.seen.has(identity)) return false;
    thread.seen.add(identity);
    return true;
  }

  /** The values of an array that are new to the thread. */
  fresh(key: string, thread: Thread, values: ReadonlyArray<Json>): ReadonlyArray<Json> {
    return values.filter((value) => this.isNew(key, thread, JSON.stringify(value)));
  }
}

/** Counts one file into the tally of its format. */
type Reader = (source: Source, tally: Tally) => void;

/** Anthropic content blocks: calls and results of one message. */
const anthropicBlocks = (thread: Thread, content: Json | undefined): void => {
  for (const block of Array.isArray(content) ? (content as ReadonlyArray<Json>) : []) {
    if (text(block, "type") === "tool_use") thread.call(text(block, "id"), text(block, "name"));
    if (text(block, "type") === "tool_result") {
      thread.result(text(block, "tool_use_id") ?? "", get(block, "is_error") === true ? "error" : "ok");
    }
  }
};

/**
 * Thread = the line's own sessionId; a line without one belongs to the session of the line before it, else of the next.
 * An assistant message = one message.id; a `user` line = one message, tool results included.
 * Choice: a sub-agent's messages inside `progress` lines are messages of this thread; `system` lines are notices. A prompt
 * that was queued is a message, unless a later `user` line says the same words. Lines of `<synthetic>` are Claude Code's own words and no model's.
 */
const claudeCode: Reader = (source, tally) => {
  const lines = source.lines();
  let session = lines.map(({ value }) => text(value, "sessionId")).find((id) => id !== undefined) ?? source.file;
  for (const { raw, value } of lines) {
    session = text(value, "sessionId") ?? session;
    const thread = tally.thread(session);
    if (!source.isNew(session, thread, raw)) continue;
    const inner = text(value, "data", "type") === "agent_progress" ? get(value, "data", "message") : undefined;
    const told = inner ?? value;
    const type = text(told, "type");
    const message = get(told, "message");
    if (type === "queue-operation" && text(value, "operation") === "enqueue") {
      const words = text(value, "content") ?? "";
      if (words !== "" && !lines.some((line) => get(line.value, "message", "content") === words))
        thread.message("user");
      continue;
    }
    if ((type !== "user" && type !== "assistant") || message === undefined) continue;
    const role = text(message, "role") ?? type;
    anthropicBlocks(thread, get(message, "content"));
    if (type === "user") {
      thread.message(role);
      continue;
    }
    const id = text(message, "id") ?? text(told, "uuid") ?? raw;
    thread.messageOnce(id, role);
    if (get(message, "usage") !== undefined) {
      const response = `${id}\u0000${text(told, "requestId") ?? ""}`;
      const by = text(message, "model");
      const at = text(told, "timestamp") ?? text(value, "timestamp");
      const spoken = { model: by === "<synthetic>" ? undefined : by, at };
      tally.used(session, response, tokensOf(get(message, "usage"), anthropicUsage), spoken);
    }
  }
};

/**
 * Messages are `response_item` only: `event_msg` tells the same again.
 * Choice: a call failed when Codex' own `item_completed` says so (status, exit code, error) or refuses the tool as unsupported.
 */
const codexRollout: Reader = (source, tally) => {
  const lines = source.lines();
  const first = lines.find(({ value }) => text(value, "type") === "session_meta")?.value;
  const key = text(first, "payload", "id") ?? source.file;
  const thread = tally.thread(key);
  const failed = new Set<string>();
  for (const { value } of lines) {
    const item = get(value, "payload", "item");
    const status = text(item, "status");
    if (status === "failed" || count(item, "exit_code") !== 0) failed.add(text(item, "id") ?? "");
  }
  const records = lines.some(({ value }) => text(value, "type") === "token_usage_record");
  for (const { raw, value } of lines) {
    if (!source.isNew(key, thread, raw)) continue;
    const payload = get(value, "payload");
    const type = text(payload, "type");
    if (text(value, "type") === "token_usage_record") {
      const response = `${key}\u0000${text(payload, "response_id") ?? ""}`;
      tally.used(key, response, tokensOf(get(payload, "usage"), codexUsage));
    }
    if (!records && type === "token_count" && isObject(get(payload, "info"))) {
      tally.used(key, undefined, tokensOf(get(payload, "info", "last_token_usage"), codexUsage));
    }
    if (text(value, "type") !== "response_item") continue;
    if (type === "message") thread.message(text(payload, "role") ?? "");
    if (type === "function_call" || type === "custom_tool_call")
      thread.call(text(payload, "call_id"), text(payload, "name"));
    if (type === "function_call_output" || type === "custom_tool_call_output") {
      const id = text(payload, "call_id") ?? "";
      const refused = text(payload, "output")?.startsWith("unsupported call: ") === true;
      thread.result(id, failed.has(id) || refused ? "error" : "ok");
    }
  }
};

/** `codex exec --json`: no time, item ids start again in each run, usage is cumulative over the thread (the last one stands). */
const codexExec: Reader = (source, tally) => {
  let key = source.file;
  let run = 0;
  for (const { raw, value } of source.lines()) {
    const type = text(value, "type");
    if (type === "thread.started") {
      key = text(value, "thread_id") ?? key;
      run++;
    }
    const thread = tally.thread(key);
    if (!source.isNew(key, thread, raw)) continue;
    if (type === "turn.completed") tally.used(key, key, tokensOf(get(value, "usage"), codexUsage));
    if (type !== "item.completed") continue;
    const item = get(value, "item");
    if (text(item, "type") === "agent_message") thread.message("assistant");
    if (text(item, "type") === "command_execution" || text(item, "type") === "mcp_tool_call") {
      const id = thread.call(`${run}/${text(item, "id") ?? ""}`);
      thread.result(id, text(item, "status") === "completed" ? "ok" : "error");
    }
  }
};

/**
 * Thread = the session last configured; the lines before the first one belong to it.
 * Choice: what the person typed is only in key events, so there is no user message; deltas repeat `agent_message`.
 */
const codexTui: Reader = (source, tally) => {
  const lines = source.lines();
  const configured = (value: Json): string | undefined =>
    text(value, "payload", "msg", "type") === "session_configured"
      ? text(value, "payload", "msg", "session_id")
      : undefined;
  let key = lines.map(({ value }) => configured(value)).find((id) => id !== undefined) ?? source.file;
  for (const { raw, value } of lines) {
    key = configured(value) ?? key;
    const thread = tally.thread(key);
    if (!source.isNew(key, thread, raw)) continue;
    if (text(value, "kind") !== "codex_event") continue;
    const message = get(value, "payload", "msg");
    const type = text(message, "type");
    const id = text(message, "call_id");
    if (type === "agent_message") thread.message("assistant");
    if (type === "exec_command_begin" || type === "patch_apply_begin") thread.call(id);
    if (type === "exec_command_end") thread.result(id ?? "", count(message, "exit_code") === 0 ? "ok" : "error");
    if (type === "patch_apply_end") thread.result(id ?? "", get(message, "success") === true ? "ok" : "error");
    if (type === "token_count") tally.used(key, undefined, tokensOf(message, codexUsage));
  }
};

/** Choice: `info`, `warning` and `error` are notices. A call and its result stand in one message; no status, no result: unknown. */
const geminiEntry = (key: string, tally: Tally, entry: Json): void => {
  const thread = tally.thread(key);
  const type = text(entry, "type") ?? text(entry, "role");
  if (type === "user") thread.message("user");
  if (type === "gemini" || type === "model") thread.message("assistant");
  const spoken = { model: text(entry, "model"), at: text(entry, "timestamp") };
  if (isObject(get(entry, "tokens"))) tally.used(key, undefined, tokensOf(get(entry, "tokens"), geminiUsage), spoken);
  for (const call of list(entry, "toolCalls")) {
    const id = thread.call(text(call, "id"), text(call, "name"));
    const status = text(call, "status");
    if (get(call, "result") !== undefined) thread.result(id, status === "success" ? "ok" : "error");
  }
};

const gemini: Reader = (source, tally) => {
  if (source.file.endsWith(".jsonl")) {
    const lines = source.lines();
    const key = text(lines[0]?.value, "sessionId") ?? source.file;
    const thread = tally.thread(key);
    for (const { raw, value } of lines) if (source.isNew(key, thread, raw)) geminiEntry(key, tally, value);
    return;
  }
  const file = source.json();
  const key = text(file, "sessionId") ?? source.file;
  const entries = [...list(file, "messages"), ...list(file, "history")];
  for (const entry of source.fresh(key, tally.thread(key), entries)) geminiEntry(key, tally, entry);
};

/** Choice: pi's role `toolResult` is the role "tool". A response has no reliable id, so each assistant entry has its own usage. */
const pi: Reader = (source, tally) => {
  const lines = source.lines();
  const key = text(lines.find(({ value }) => text(value, "type") === "session")?.value, "id") ?? source.file;
  const thread = tally.thread(key);
  for (const { raw, value } of lines) {
    if (!source.isNew(key, thread, raw) || text(value, "type") !== "message") continue;
    const message = get(value, "message");
    const role = text(message, "role") ?? "";
    thread.message(role === "toolResult" ? "tool" : role);
    for (const block of list(message, "content")) {
      if (text(block, "type") === "toolCall") thread.call(text(block, "id"), text(block, "name"));
    }
    if (role === "toolResult") {
      thread.result(text(message, "toolCallId") ?? "", get(message, "isError") === true ? "error" : "ok");
    }
    const spoken = { model: text(message, "model"), at: text(value, "timestamp") };
    if (isObject(get(message, "usage"))) tally.used(key, undefined, tokensOf(get(message, "usage"), piUsage), spoken);
  }
};

/** One element of a chat-completions array. Results name their call by `tool_call_id`, tau2 by `id`, SWE-agent by `tool_call_ids`. */
const chatEntry = (key: string, tally: Tally, entry: Json, error: boolean): void => {
  const thread = tally.thread(key);
  const role = text(entry, "role") ?? "";
  thread.message(role);
  for (const call of list(entry, "tool_calls"))
    thread.call(text(call, "id"), text(call, "function", "name") ?? text(call, "function") ?? text(call, "name"));
  if (role !== "tool") return;
  const ids = list(entry, "tool_call_ids");
  const answered = ids.length > 0 ? ids : [get(entry, "tool_call_id") ?? get(entry, "id") ?? ""];
  for (const id of answered) thread.result(String(id), error ? "error" : "ok");
};

/** A line is a conversation. Choice: a content that reads "Error: …" carries no flag, so the outcome is ok. */
const tauBench: Reader = (source, tally) => {
  for (const [index, { value }] of source.lines().entries()) {
    const key = `${source.file}#${index}`;
    const entries = source.fresh(key, tally.thread(key), list(value, "traj"));
    for (const entry of entries) chatEntry(key, tally, entry, false);
  }
};

/** A simulation is a conversation. Both sides are models, both have usage, and in telecom both call tools. */
const tau2: Reader = (source, tally) => {
  for (const simulation of list(source.json(), "simulations")) {
    const key = text(simulation, "id") ?? "";
    for (const entry of source.fresh(key, tally.thread(key), list(simulation, "messages"))) {
      chatEntry(key, tally, entry, get(entry, "error") === true);
      if (isObject(get(entry, "usage"))) tally.used(key, undefined, tokensOf(get(entry, "usage"), chatUsage));
    }
  }
};

/**
 * Choice: `trajectory` tells the same words again and is frame; `info.model_stats` is the usage of the run. A step of the
 * text protocol (`action` without `tool_calls`, no demonstration) is a call, and the next message of the user its result.
 */
const sweAgent: Reader = (source, tally) => {
  const key = source.file;
  const thread = tally.thread(key);
  const file = source.json();
  let open: string | undefined;
  for (const entry of source.fresh(key, thread, list(file, "history"))) {
    chatEntry(key, tally, entry, false);
    if (get(entry, "is_demo") === true) continue;
    if (text(entry, "role") === "user" && open !== undefined) {
      thread.result(open, "ok");
      open = undefined;
    }
    if ((text(entry, "action") ?? "").trim() !== "" && list(entry, "tool_calls").length === 0)
      open = thread.call(undefined);
  }
  const stats = get(file, "info", "model_stats");
  tally.used(key, undefined, tokensOf(stats, { input: "tokens_sent", output: "tokens_received" }));
};

/** The normalised role: human and user are "user", system is "system", every other speaker is an agent: "assistant", its name the author. */
const whoAndWhen: Reader = (source, tally) => {
  const key = source.file;
  const thread = tally.thread(key);
  for (const entry of source.fresh(key, thread, list(source.json(), "history"))) {
    const role = text(entry, "role") ?? "";
    if (role === "human" || role === "user") thread.message("user");
    else thread.message(role === "system" ? "system" : "assistant");
  }
};

/** A sample is a conversation. Usage is that of its model events (2024: under `transcript`), one a response. */
const inspect: Reader = (source, tally) => {
  const file = source.json();
  for (const [index, sample] of list(file, "samples").entries()) {
    const key = text(sample, "uuid") ?? `${source.file}#${index}`;
    for (const entry of source.fresh(key, tally.thread(key), list(sample, "messages"))) {
      chatEntry(key, tally, entry, isObject(get(entry, "error")));
    }
    for (const event of [...list(sample, "events"), ...list(sample, "transcript", "events")]) {
      if (text(event, "event") !== "model") continue;
      tally.used(key, undefined, tokensOf(get(event, "output", "usage"), inspectUsage));
    }
  }
};

// ------------------------------------------------------------------------------ the shapes of agent-sessions-fixtures

/** Choice: no id joins a step to the call that asked for it, so every outcome is unknown and there are no results. */
const antigravity: Reader = (source, tally) => {
  const key = source.file;
  const thread = tally.thread(key);
  for (const { raw, value } of source.lines()) {
    if (!source.isNew(key, thread, raw)) continue;
    if (text(value, "type") === "USER_INPUT") thread.message("user");
    if (text(value, "type") === "PLANNER_RESPONSE") thread.message("assistant");
    for (const call of list(value, "tool_calls")) thread.call(text(call, "id"));
  }
};

/** Choice: a request in a message and the start of its execution are one call; a re-used id is the same call. Only output tokens are told. */
const copilot: Reader = (source, tally) => {
  const lines = source.lines();
  const key = text(lines[0]?.value, "data", "sessionId") ?? source.file;
  const thread = tally.thread(key);
  const call = (id: string | undefined): void => {
    if (id === undefined || !thread.uses.has(id)) thread.call(id);
  };
  for (const { raw, value } of lines) {
    if (!source.isNew(key, thread, raw)) continue;
    const type = text(value, "type");
    const data = get(value, "data");
    const id = text(data, "toolCallId");
    if (type === "user.message") thread.message("user");
    if (type === "system.message") thread.message("system");
    if (type === "assistant.message") {
      thread.message("assistant");
      for (const request of list(data, "toolRequests")) call(text(request, "toolCallId"));
      tally.used(key, undefined, tokensOf(data, { output: "outputTokens" }));
    }
    if (type === "tool.execution_start") call(id);
    if (type === "tool.execution_complete" && !thread.results.has(id ?? "")) {
      thread.result(id ?? "", get(data, "success") === true ? "ok" : "error");
    }
  }
};

/** Choice: calls carry no id, so a result answers the oldest open call. */
const cursor: Reader = (source, tally) => {
  const key = source.file;
  const thread = tally.thread(key);
  const open: Array<string> = [];
  for (const { raw, value } of source.lines()) {
    if (!source.isNew(key, thread, raw)) continue;
    const role = text(value, "role");
    if (role !== undefined) thread.message(role);
    for (const block of list(value, "message", "content")) {
      const type = text(block, "type");
      if (type === "tool_use" || type === "tool_call") open.push(thread.call(text(block, "id")));
      if (type === "tool_result" || type === "tool-result") {
        thread.result(open.shift() ?? text(block, "tool_use_id") ?? "", "ok");
      }
    }
  }
};

const droidStore: Reader = (source, tally) => {
  const lines = source.lines();
  const key = text(lines[0]?.value, "id") ?? source.file;
  const thread = tally.thread(key);
  for (const { raw, value } of lines) {
    if (!source.isNew(key, thread, raw) || text(value, "type") !== "message") continue;
    thread.message(text(value, "message", "role") ?? "");
    anthropicBlocks(thread, get(value, "message", "content"));
  }
};

/** Choice: `completion.finalText` is what the model said last, a message; its usage is the session's. */
const droidStream: Reader = (source, tally) => {
  const lines = source.lines();
  const key = text(lines[0]?.value, "session_id") ?? text(lines[0]?.value, "sessionId") ?? source.file;
  const thread = tally.thread(key);
  for (const { raw, value } of lines) {
    if (!source.isNew(key, thread, raw)) continue;
    const type = text(value, "type");
    const id = text(value, "toolCallId") ?? text(value, "id");
    if (type === "message") thread.message(text(value, "role") ?? "");
    if (type === "completion") {
      thread.message("assistant");
      tally.used(key, undefined, tokensOf(get(value, "usage"), anthropicUsage));
    }
    if (type === "tool_call") thread.call(id);
    if (type === "tool_result") {
      const bad = get(value, "isError") === true || count(value, "value", "exitCode") !== 0;
      thread.result(id ?? "", bad ? "error" : "ok");
    }
  }
};

/** Choice: a `tool_result` line is a message of role "tool"; a `backend_tool_call` is a call and, when completed, its result. */
const grok: Reader = (source, tally) => {
  if (source.file.endsWith("summary.json")) {
    const key = source.file.replace("summary.json", "chat_history.jsonl");
    source.isNew(key, tally.thread(key), source.body);
    return;
  }
  const key = source.file;
  const thread = tally.thread(key);
  for (const { raw, value } of source.lines()) {
    if (!source.isNew(key, thread, raw)) continue;
    const type = text(value, "type");
    if (type === "system" || type === "user" || type === "assistant") thread.message(type);
    for (const call of list(value, "tool_calls")) thread.call(text(call, "id"));
    if (type === "tool_result") {
      thread.message("tool");
      thread.result(text(value, "tool_call_id") ?? "", "ok");
    }
    if (type === "backend_tool_call") {
      const id = thread.call(text(value, "kind", "id"));
      if (text(value, "kind", "status") === "completed") thread.result(id, "ok");
    }
  }
};

/**
 * A file is an entry. A part may name no session (4 of 16) and no message (2): the message id is then in the file name,
 * once a folder. Choice: the session is read off the message id, which in this set ends as its session's id does.
 */
const opencode: Reader = (source, tally) => {
  const value = source.json();
  const owner = /__part__(m_[a-z_0-9]*?)__\d+\.json$/u.exec(source.file)?.[1] ?? text(value, "messageID") ?? "";
  const key =
    text(value, "sessionID") ??
    (source.file.includes("__session__") ? text(value, "id") : undefined) ??
    `s_stage0_${owner.split("_")[2] ?? ""}`;
  const thread = tally.thread(key);
  if (!source.isNew(key, thread, source.body)) return;
  const role = text(value, "role");
  if (role !== undefined) thread.message(role);
  if (isObject(get(value, "tokens")) && role !== undefined) {
    tally.used(key, undefined, tokensOf(get(value, "tokens"), { input: "input", output: "output" }));
  }
  if (text(value, "type") !== "tool") return;
  const id = thread.call(text(value, "callID"));
  const status = text(value, "state", "status");
  const exit = count(value, "state", "metadata", "exit");
  if (status === "error") thread.result(id, "error");
  if (status === "completed" || status === "success") thread.result(id, exit === 0 ? "ok" : "error");
};

// ------------------------------------------------------------------------------------------------------------ the sets

/** Which reader a file of a set gets, by its name: the oracle knows what lies where, the importer must find out by content. */
const readers: ReadonlyArray<readonly [set: string, name: RegExp, format: string, reader: Reader]> = [
  ["claude-code-entire", /\.jsonl$/u, "claude-code", claudeCode],
  ["codex-rollouts", /__rollout\.jsonl$/u, "codex", codexRollout],
  ["codex-rollouts", /__exec-json\.jsonl$/u, "codex-exec", codexExec],
  ["codex-tui-log", /\.jsonl$/u, "codex-tui", codexTui],
  ["gemini-cli-entire", /\.json$/u, "gemini-cli", gemini],
  ["inspect-eval-logs", /\.json$/u, "inspect", inspect],
  ["pi-session", /\.jsonl$/u, "pi", pi],
  ["swe-agent", /\.traj$/u, "swe-agent", sweAgent],
  ["tau-bench-airline", /\.jsonl$/u, "tau-bench", tauBench],
  ["tau2-results", /\.json$/u, "tau2", tau2],
  ["who-and-when", /\.json$/u, "who-and-when", whoAndWhen],
  ["agent-sessions-fixtures", /^antigravity__.*\.jsonl$/u, "antigravity", antigravity],
  ["agent-sessions-fixtures", /^copilot__.*\.jsonl$/u, "copilot", copilot],
  ["agent-sessions-fixtures", /^cursor__.*\.jsonl$/u, "cursor", cursor],
  ["agent-sessions-fixtures", /^droid__session_store_.*\.jsonl$/u, "droid", droidStore],
  ["agent-sessions-fixtures", /^droid__stream_json_.*\.jsonl$/u, "droid-stream", droidStream],
  ["agent-sessions-fixtures", /^gemini__.*\.jsonl?$/u, "gemini-cli", gemini],
  ["agent-sessions-fixtures", /^grok__.*\.jsonl?$/u, "grok", grok],
  ["agent-sessions-fixtures", /^opencode__.*\.json$/u, "opencode", opencode],
  ["agent-sessions-fixtures", /^pi__.*\.jsonl$/u, "pi", pi],
];

/**
 * Counts one set below `root` (the folder that holds the sets).
 * Choice: an exec-json stream is a second view of a thread whose rollout tells more, so where both name one thread the
 * totals take only the stream's entries; `formats` has both in full.
 */
export const countsOf = (set: string, root: string): RawCounts => {
  const folder = join(root, set);
  const tallies = new Map<string, Tally>();
  const malformed: Array<{ readonly file: string; readonly line: number }> = [];
  const otherFiles: Array<string> = [];
  let files = 0;
  for (const name of readdirSync(folder).toSorted()) {
    if (/^(?:README|LICENSE)/u.test(name)) continue;
    const entry = readers.find(([of, pattern]) => of === set && pattern.test(name));
    if (entry === undefined || name.endsWith(".checkpoint.json")) {
      otherFiles.push(name);
      continue;
    }
    const [, , format, reader] = entry;
    const source = new Source(join(folder, name));
    const tally = tallies.get(format) ?? new Tally();
    tallies.set(format, tally);
    reader(source, tally);
    malformed.push(...source.malformed);
    files++;
  }
  const perThread = new Map<string, Counts>();
  const formats: Record<string, Counts> = {};
  const total = noCounts();
  const rollouts = tallies.get("codex")?.threads;
  for (const [format, tally] of tallies) {
    const sum = noCounts();
    for (const [thread, counts] of tally.counts()) {
      perThread.set(`${format} ${thread}`, counts);
      add(sum, counts);
      if (format === "codex-exec" && rollouts?.has(thread) === true) total.entries += counts.entries;
      else add(total, counts);
    }
    formats[format] = sum;
  }
  return { set, files, otherFiles, malformed, ...total, formats, perThread };
};

if (import.meta.main) {
  const words = process.argv.slice(2);
  const at = words.indexOf("--root");
  const root = at < 0 ? "../shared/data" : (words.splice(at, 2)[1] ?? "");
  const table = (words.length > 0 ? words : sets).map((set) => {
    const { perThread: _perThread, otherFiles, formats, ...counts } = countsOf(set, root);
    const more = Object.keys(formats).length > 1 ? { formats } : {};
    return { ...counts, otherFiles: otherFiles.length, ...more };
  });
  process.stdout.write(`${JSON.stringify(table, null, 1)}\n`);
}
