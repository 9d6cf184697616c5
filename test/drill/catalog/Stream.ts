/**
 * A made-up year of conversations with known answers: whatever a report says of it was counted when it was made.
 *
 * Each thread has a hundred events: its head, then turns of a prompt, an answer that asks for tools, calls and results.
 */
import { fromContent } from "../../../src/domain/EventId.ts";
import type { RecordedEvent } from "../../../src/domain/Event.ts";
import { task, thread } from "../../../src/domain/History.ts";

export const eventsPerThread = 100;
/** 2026-01-01, and a year of it. */
export const began = 1_767_225_600_000;
const year = 365 * 86_400_000;
const between = 20_000;

const tools = ["Bash", "Read", "Edit", "Grep", "Glob", "Write", "fetch", "search", "query", "plan", "test", "deploy"];
const models = ["claude-opus-4-5", "claude-haiku-4-5", "gpt-5.1"];
const errors = ["timeout", "not found", "permission denied"];
const projects = 40;

/** What is true of the stream, counted beside its making. */
export interface Truth {
  readonly tools: Map<
    string,
    { calls: number; ok: number; errors: number; millis: Array<number>; resultBytes: number }
  >;
  /** By UTC day and model: sent, received. */
  readonly tokens: Map<string, { input: number; output: number; cacheRead: number }>;
  /** By UTC day: messages, and threads in which they were said. */
  readonly days: Map<string, { messages: number; prompts: number; threads: Set<number> }>;
  readonly sources: Map<string, { events: number; bytes: number }>;
  readonly errors: Map<string, number>;
  readonly statuses: Map<string, number>;
}

export const noTruth = (): Truth => ({
  tools: new Map(),
  tokens: new Map(),
  days: new Map(),
  sources: new Map(),
  errors: new Map(),
  statuses: new Map(),
});

/** A number below `below`, the same for the same place. */
const dice = (place: number, salt: number, below: number): number => {
  let x = Math.imul(place + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(salt + 1, 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return ((x ^ (x >>> 15)) >>> 0) % below;
};

const found = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
};

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

interface Made {
  readonly type: string;
  readonly data: unknown;
  readonly version?: number;
  readonly isTask?: boolean;
}

const opened = (n: number): Made => ({
  type: "thread.opened",
  data: {
    title: `Thread ${n}`,
    tool: "claude-code",
    client: { name: n % 3 === 0 ? "cursor" : "claude-code", version: `2.${Math.floor(n / 37) % 9}.0` },
    cwd: `/home/ann/project-${n % projects}`,
  },
});

const said = (truth: Truth, n: number, place: number, at: number, role: "user" | "assistant"): Made => {
  const day = found(truth.days, dayOf(at), () => ({ messages: 0, prompts: 0, threads: new Set<number>() }));
  day.messages += 1;
  day.threads.add(n);
  if (role === "user") day.prompts += 1;
  const text = `words number ${place} of a stream about forecast ${place % 977}, and what came of it. `.repeat(
    1 + dice(place, 5, 8),
  );
  const body = { messageId: `m${place}`, role, parts: [{ type: "text", text }] };
  if (role === "user") return { type: "thread.message_appended", version: 2, data: body };
  const model = models[dice(place, 1, models.length)] ?? "";
  const [input, output, cacheRead] = [10 + dice(place, 2, 3000), 5 + dice(place, 3, 900), dice(place, 4, 20_000)];
  const tokens = found(truth.tokens, `${dayOf(at)} ${model}`, () => ({ input: 0, output: 0, cacheRead: 0 }));
  tokens.input += input + cacheRead;
  tokens.output += output;
  tokens.cacheRead += cacheRead;
  return {
    type: "thread.message_appended",
    version: 2,
    data: {
      ...body,
      model,
      provider: model.startsWith("gpt") ? "openai" : "anthropic",
      usage: { input, output, cacheRead },
    },
  };
};

const toolOf = (call: number) => tools[dice(call, 6, tools.length)] ?? "";
const serverOf = (name: string) => (/^[a-z]/.test(name) ? `server-${name.length % 3}` : undefined);

const called = (truth: Truth, call: number): Made => {
  const name = toolOf(call);
  const tool = found(truth.tools, name, () => ({ calls: 0, ok: 0, errors: 0, millis: [], resultBytes: 0 }));
  tool.calls += 1;
  const path = `/home/ann/project/src/file-${dice(call, 7, 500)}.ts`;
  return {
    type: "thread.tool_called",
    data: { callId: `c${call}`, name, server: serverOf(name), arguments: { file_path: path, n: call } },
  };
};

const returned = (truth: Truth, call: number): Made => {
  const tool = found(truth.tools, toolOf(call), () => ({ calls: 0, ok: 0, errors: 0, millis: [], resultBytes: 0 }));
  const durationMillis = 1 + dice(call, 8, 20) ** 3 + dice(call, 9, 100) / 4;
  const result = "r".repeat(dice(call, 10, 300));
  tool.millis.push(durationMillis);
  tool.resultBytes += result.length;
  if (dice(call, 11, 20) > 0) {
    tool.ok += 1;
    return { type: "thread.tool_returned", data: { callId: `c${call}`, outcome: "ok", result, durationMillis } };
  }
  tool.errors += 1;
  const message = errors[dice(call, 12, errors.length)] ?? "";
  truth.errors.set(message, (truth.errors.get(message) ?? 0) + 1);
  const error = { type: "ToolError", message };
  return {
    type: "thread.tool_returned",
    data: { callId: `c${call}`, outcome: "error", error, result, durationMillis },
  };
};

/** The last three events of a thread are those of a task that worked for it. */
const moved = (truth: Truth, n: number, step: number): Made => {
  if (step === 0)
    return { type: "task.submitted", isTask: true, data: { request: { agentType: "coder" }, threadId: `thread-${n}` } };
  if (step === 1) return { type: "task.started", isTask: true, data: { worker: `w${n % 7}` } };
  const ends = dice(n, 13, 10);
  const status = ends > 1 ? "completed" : ends > 0 ? "failed" : "running";
  truth.statuses.set(status, (truth.statuses.get(status) ?? 0) + 1);
  if (status === "completed")
    return { type: "task.completed", isTask: true, data: { output: n, durationMillis: between } };
  if (status === "failed")
    return { type: "task.failed", isTask: true, data: { error: { type: "E", message: "gave up" } } };
  return { type: "task.progressed", isTask: true, data: { progress: 1, total: 2 } };
};

/** Event `index` of `count`, from 0. Threads run side by side, eight at a time. */
export const eventAt = (truth: Truth, index: number, count: number): RecordedEvent => {
  const threads = Math.max(1, Math.floor(count / eventsPerThread));
  const group = Math.floor(index / (8 * eventsPerThread));
  const n = Math.min(group * 8 + (index % 8), threads - 1);
  const step = Math.floor((index % (8 * eventsPerThread)) / 8);
  const at = began + Math.floor((n * year) / threads) + step * between;
  const turn = step % 8;
  const made =
    step === 0
      ? opened(n)
      : step >= eventsPerThread - 3
        ? moved(truth, n, step - eventsPerThread + 3)
        : turn === 1
          ? said(truth, n, index, at, "user")
          : turn === 2 || turn === 7
            ? said(truth, n, index, at, "assistant")
            : turn === 3 || turn === 5
              ? called(truth, n * eventsPerThread + step)
              : turn === 4 || turn === 6
                ? returned(truth, n * eventsPerThread + step - 1)
                : said(truth, n, index, at, "assistant");
  const body = Buffer.from(JSON.stringify(made.data));
  const source = `made-up/${n % 5}`;
  const sums = found(truth.sources, source, () => ({ events: 0, bytes: 0 }));
  sums.events += 1;
  sums.bytes += body.byteLength;
  return {
    sequence: index + 1,
    recordedAt: at + 5,
    occurredAt: at,
    history: made.isTask === true ? task(`task-${n}`) : thread(`thread-${n}`),
    id: fromContent(`made-up ${index}`),
    type: made.type,
    schemaVersion: made.version ?? 1,
    source,
    body,
  };
};
