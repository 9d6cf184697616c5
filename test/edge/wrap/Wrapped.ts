/** A wrapped server and an official client, and what was recorded of them. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { Effect, Result, Schedule } from "effect";
import { createRequire } from "node:module";
import * as Journal from "../../../src/edge/wrap/Journal.ts";
import type { RecordedEvent } from "../../../src/domain/Event.ts";
import { isMisfit } from "../../../src/domain/Event.ts";
import type { Fact } from "../../../src/domain/Fact.ts";
import { factsOf } from "../../../src/domain/Interpret.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import { programOf } from "../../support/programs.ts";

const entry = programOf("test/support/wrap.ts");
const require = createRequire(import.meta.url);

/** The real server that every MCP client is tried with. */
export const everything = [
  process.execPath,
  require.resolve("@modelcontextprotocol/server-everything/dist/index.js"),
  "stdio",
];

/** The words after `wrap`, as a command. */
export const wrapCommand = (words: ReadonlyArray<string>): ReadonlyArray<string> => [process.execPath, entry, ...words];

export interface Options {
  readonly data: string;
  readonly url: string;
  readonly thread?: string;
  /** More words before the `--`. */
  readonly words?: ReadonlyArray<string>;
  readonly server?: ReadonlyArray<string>;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Returns when no session's journal is left. The official client kills a wrapper that needs four seconds, as on a busy
 * machine; another process records it then.
 */
const recorded = (data: string) =>
  Effect.sync(() => Journal.journals(data).length).pipe(
    Effect.repeat({ until: (left) => left === 0, schedule: Schedule.spaced(50) }),
    Effect.timeoutOption(40_000),
  );

/** Connects the official client to a wrapped server; closed with the scope. */
export const connect = ({ data, url, thread, words: more = [], server = everything, env = {} }: Options) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const threadWords = thread === undefined ? [] : ["--thread", thread];
      const words = ["--data", data, "--nats-url", url, ...threadWords, ...more, "--", ...server];
      const [command = "", ...args] = wrapCommand(words);
      const transport = new StdioClientTransport({
        command,
        args,
        stderr: "ignore",
        env: { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? "", ...env },
      });
      const client = new Client({ name: "a test", version: "1.2.3" });
      await client.connect(transport);
      return client;
    }),
    (client) =>
      Effect.andThen(
        Effect.promise(() => client.close()),
        recorded(data),
      ),
  );

/** Everything the log holds from a sequence on. */
export const recordedAfter = (after: number) =>
  Effect.gen(function* () {
    const log = yield* EventLog;
    const { lastSequence } = yield* log.info;
    const events: Array<RecordedEvent> = [];
    for (let sequence = after + 1; sequence <= lastSequence; sequence++) {
      const entryAt = yield* log.at(sequence);
      if (entryAt !== undefined && !isMisfit(entryAt)) events.push(entryAt);
    }
    return events;
  });

export const factsIn = (events: ReadonlyArray<RecordedEvent>): ReadonlyArray<Fact> =>
  events.flatMap((event) => Result.getOrThrow(factsOf(event)).facts);

export const only = <Tag extends Fact["_tag"]>(
  facts: ReadonlyArray<Fact>,
  tag: Tag,
): ReadonlyArray<Extract<Fact, { _tag: Tag }>> =>
  facts.filter((fact): fact is Extract<Fact, { _tag: Tag }> => fact._tag === tag);

/** Calls joined to their outcomes, the way a reader joins them: by key. */
export const callsIn = (facts: ReadonlyArray<Fact>) => {
  const returned = new Map(only(facts, "ToolHasReturned").map((fact) => [fact.callKey, fact]));
  return only(facts, "ToolWasCalled").map((call) => ({ call, returned: returned.get(call.callKey) }));
};
