/** A store whose answers are known: the same few hundred events each time, and lists of what is in them. */
import { Context, Effect, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import type { RecordedEvent } from "../../../src/domain/Event.ts";
import { session, task, thread } from "../../../src/domain/History.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as Projector from "../../../src/projection/Projector.ts";
import { Query } from "../../../src/query/Query.ts";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import { event, stubLog } from "../../projection/StubLog.ts";
import { temporaryFolder } from "../../projection/World.ts";

export interface Said {
  readonly at: number;
  readonly thread: string;
  readonly kind: "prompt" | "answer";
}

export interface Called {
  readonly at: number;
  readonly thread: string;
  readonly tool: string;
  /** Undefined: built in. One tool is offered by two servers, and by none. */
  readonly server: string | undefined;
  readonly outcome: "ok" | "error" | "unknown";
  readonly millis: number | undefined;
  readonly argumentsBytes: number;
  readonly resultBytes: number;
  readonly arguments: string;
}

export interface Spent {
  readonly at: number;
  readonly thread: string;
  readonly model: string;
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
}

export interface Met {
  readonly client: string;
  readonly version: string;
  readonly server: string | null;
  readonly at: number;
  /** Milliseconds; undefined for one that has not ended. */
  readonly lasted: number | undefined;
  readonly exitCode: number | null;
}

export interface Known {
  readonly entries: ReadonlyArray<RecordedEvent>;
  readonly said: ReadonlyArray<Said>;
  readonly called: ReadonlyArray<Called>;
  readonly spent: ReadonlyArray<Spent>;
  readonly met: ReadonlyArray<Met>;
  readonly versionOf: (id: string) => string;
  readonly agentOf: (id: string) => string;
  readonly projectOf: (id: string) => string;
}

const minute = 60_000;
const tools = ["Read", "Bash", "Edit", "Grep"] as const;
/** One that is in the price list, and one that is not. */
const models = ["claude-opus-4-5", "haiku"] as const;
const begin = Date.UTC(2026, 2, 27, 21, 3);
const error = { type: "exit_code", message: "Exit code 1\nand more" };

const numberOf = (id: string): number => Number(id.slice(1));

const make = (): Known => {
  const entries: Array<RecordedEvent> = [];
  const said: Array<Said> = [];
  const called: Array<Called> = [];
  const spent: Array<Spent> = [];
  const agentOf = (id: string) => (numberOf(id) % 2 === 0 ? "claude-code" : "codex");
  const versionOf = (id: string) => `1.${numberOf(id) % 2}`;
  const projectOf = (id: string) => `/home/ana/project-${numberOf(id) % 3}`;
  const put = (type: string, id: string, at: number, data: unknown) =>
    entries.push(
      event(entries.length + 1, type, data, {
        in: thread(id),
        occurredAt: at,
        recordedAt: begin + 9e9 + entries.length,
      }),
    );
  for (let one = 0; one < 6; one++) {
    const id = `t${one}`;
    put("thread.opened", id, begin, {
      tool: agentOf(id),
      client: { name: agentOf(id), version: versionOf(id) },
      cwd: projectOf(id),
      title: `Thread ${one}`,
    });
    for (let round = 0; round < 12; round++) {
      const at = begin + one * 7 * 60 * minute + round * 127 * minute;
      said.push({ at, thread: id, kind: "prompt" });
      put("thread.message_appended", id, at, {
        messageId: `u${round}`,
        role: "user",
        parts: [{ type: "text", text: "go on" }],
      });
      const model = models[(one + round) % 2] ?? "haiku";
      const usage = {
        input: 1000 + round,
        output: 100 + one,
        cacheRead: 500 + round,
        cacheWrite: 10 * one,
        reasoning: round,
      };
      // Anthropic states cached tokens beside its input, and we all that was sent.
      const input = usage.input + usage.cacheRead + usage.cacheWrite;
      spent.push({ at: at + 1000, thread: id, model, ...usage, input });
      said.push({ at: at + 1000, thread: id, kind: "answer" });
      put("thread.message_appended", id, at + 1000, {
        messageId: `a${round}`,
        role: "assistant",
        provider: "anthropic",
        model,
        usage,
        parts: [{ type: "text", text: "done" }],
      });
      const tool = tools[(one * 5 + round * round) % tools.length] ?? "Read";
      const server = round % 3 === 0 ? undefined : `server-${round % 3}`;
      const given = { path: round < 6 ? "same" : `other-${round}` };
      const isCut = round === 11;
      const outcome = isCut ? "unknown" : round % 5 === 4 ? "error" : "ok";
      const millis = isCut ? undefined : 10 * (round + 1) * (one + 1);
      const result = "x".repeat(10 * (round + 1));
      called.push({
        at: at + 2000,
        thread: id,
        tool,
        server,
        outcome,
        millis,
        arguments: JSON.stringify(given),
        argumentsBytes: JSON.stringify(given).length,
        resultBytes: isCut ? 0 : result.length,
      });
      put("thread.tool_called", id, at + 2000, { callId: `c${round}`, name: tool, server, arguments: given });
      if (!isCut)
        put("thread.tool_returned", id, at + 2000 + (millis ?? 0), {
          callId: `c${round}`,
          outcome,
          result,
          durationMillis: millis,
          ...(outcome === "error" ? { error } : {}),
        });
    }
  }
  const ofTask = (id: string, type: string, at: number, data: unknown) =>
    entries.push(
      event(entries.length + 1, type, data, {
        in: task(id),
        occurredAt: begin + at,
        recordedAt: begin + 9e9 + entries.length,
      }),
    );
  const request = { agentType: "coder", description: "work" };
  for (const id of ["k1", "k2", "k3"]) ofTask(id, "task.submitted", 0, { request });
  for (const id of ["k1", "k2"]) ofTask(id, "task.started", 4_000, { worker: "w" });
  ofTask("k1", "task.completed", 10_000, { output: "fine" });
  ofTask("k2", "task.failed", 6_000, { error: { type: "crashed", message: "gone" } });
  const met = Array.from({ length: 9 }, (_, one): Met => {
    const about = {
      client: one % 2 === 0 ? "claude" : "cursor",
      version: `2.${one % 3}`,
      server: one % 4 === 3 ? null : `server-${one % 2}`,
      at: begin + one * 11 * minute,
      lasted: one === 4 ? undefined : 1000 * (one + 1),
      exitCode: one % 3 === 0 ? 1 : 0,
    };
    const ofSession = (type: string, at: number, data: unknown) =>
      entries.push(
        event(entries.length + 1, type, data, {
          in: session(`s${one}`),
          occurredAt: at,
          recordedAt: begin + 9e9 + entries.length,
        }),
      );
    const server = about.server === null ? {} : { server: { name: about.server, version: "9" } };
    ofSession("session.started", about.at, { client: { name: about.client, version: about.version }, ...server });
    if (about.lasted === undefined) return { ...about, exitCode: null };
    ofSession("session.ended", about.at + about.lasted, { reason: "closed", exitCode: about.exitCode });
    return about;
  });
  return { entries, said, called, spent, met, agentOf, projectOf, versionOf };
};

export const known = make();

export class Store extends Context.Service<Store, { readonly path: string }>()("test/report/Store") {}

export const store = Layer.unwrap(
  Effect.gen(function* () {
    const path = join(yield* temporaryFolder, "recollect.db");
    const log = stubLog(known.entries);
    const projector = yield* Projector.make({ path, projections: readModels }).pipe(
      Effect.provideService(EventLog, log.service),
    );
    yield* projector.awaitSequence(known.entries.length);
    return Layer.merge(Layer.effect(Query, QuerySqlite.make({ path })), Layer.succeed(Store, Store.of({ path })));
  }),
);
