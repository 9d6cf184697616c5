/**
 * `recollect tail`: the events of the store or of one thread, from the beginning or from now on, and then live.
 *
 * Room: edge. In: log. Out: Cli.
 */
import { Effect, Option, Stream } from "effect";
import { Command, Flag } from "effect/cli";
import { isMisfit, type LogEntry } from "../../domain/Event.ts";
import { thread } from "../../domain/History.ts";
import { EventLog } from "../../log/EventLog.ts";
import { store, tenant, threadFlag } from "./Flags.ts";
import * as Output from "./Output.ts";

const utf8 = new TextDecoder();

/** The body as JSON where it is JSON, else as text. */
const dataOf = (body: Uint8Array): unknown => {
  const text = utf8.decode(body);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** One event as the JSON contract has it. */
export const eventJson = (entry: LogEntry): Record<string, unknown> => {
  if (isMisfit(entry)) {
    const { body, headers, problem, recordedAt, sequence, subject } = entry;
    return { sequence, recordedAt, subject, problem, headers, data: dataOf(body) };
  }
  const { body, history, id, schemaVersion, sequence, type, occurredAt, recordedAt, source } = entry;
  return {
    sequence,
    eventId: id,
    type,
    schemaVersion,
    tenant: history.tenant,
    kind: history.kind,
    id: history.id,
    source,
    actor: entry.actor ?? null,
    session: entry.session ?? null,
    correlationId: entry.correlationId ?? null,
    causationId: entry.causationId ?? null,
    occurredAt,
    recordedAt,
    data: dataOf(body),
  };
};

const eventLine = (entry: LogEntry): string => {
  const at = Output.moment(entry.recordedAt);
  if (isMisfit(entry)) return `${String(entry.sequence).padStart(8)}  ${at}  misfit: ${entry.problem}`;
  const where = `${entry.history.kind} ${Output.clip(entry.history.id, 36)}`;
  return `${String(entry.sequence).padStart(8)}  ${at}  ${entry.type.padEnd(24)}  ${where}  ${Output.clip(utf8.decode(entry.body), 100)}`;
};

export const tail = Command.make(
  "tail",
  {
    thread: threadFlag.pipe(Flag.optional),
    tenant,
    after: Flag.Int("after").pipe(
      Flag.withDescription("Begin after this sequence instead of at the beginning"),
      Flag.optional,
    ),
    live: Flag.Boolean("live").pipe(Flag.withDefault(false), Flag.withDescription("Only what comes from now on")),
    noFollow: Flag.Boolean("no-follow").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Stop at the last event instead of waiting for more"),
    ),
    json: Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("One JSON object per line")),
  },
  Effect.fn("cli.tail")(function* (input) {
    const log = yield* EventLog;
    const head = (yield* log.info).lastSequence;
    const after = input.live ? head : Option.getOrElse(input.after, () => 0);
    const history = Option.map(input.thread, (id) => thread(id, input.tenant));
    const render = input.json ? (entry: LogEntry) => JSON.stringify(eventJson(entry)) : eventLine;
    if (input.noFollow) {
      if (after >= head) return;
      const past = Option.isSome(history)
        ? log.read({ history: history.value, after })
        : log.follow({ after }).pipe(Stream.takeUntil((entry) => entry.sequence >= head));
      return yield* Output.lines(past.pipe(Stream.map(render)));
    }
    yield* Output.lines(
      log.follow({ after, ...(Option.isSome(history) ? { history: history.value } : {}) }).pipe(Stream.map(render)),
    );
  }, store),
).pipe(Command.withDescription("Show events as they were written, then live (Ctrl-C ends)"));
