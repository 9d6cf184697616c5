/**
 * `recollect tail`: the events of the store or of one thread, task or session, from the beginning or from now on, and then live.
 *
 * Room: edge.
 */
import { Effect, Option, Stream } from "effect";
import { Command, Flag } from "effect/cli";
import { isMisfit, type LogEntry } from "../../../domain/Event.ts";
import { type History, session, task, thread } from "../../../domain/History.ts";
import { dataOf } from "../../../log/Envelope.ts";
import { EventLog } from "../../../log/EventLog.ts";
import * as WholeHistory from "../../../snapshot/WholeHistory.ts";
import * as Live from "../../../log/live/Live.ts";
import * as LiveNats from "../../../log/live/LiveNats.ts";
import type { Shown } from "../../../client/Shown.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { given, store, tenant, threadFlag } from "../Flags.ts";
import * as Output from "../Output.ts";

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

const utf8 = new TextDecoder();

/** Bytes of a body that a line can need. */
const bodyShown = 1_000;

const eventLine = (entry: LogEntry, shows: Shown): string => {
  const at = Output.moment(entry.recordedAt);
  if (isMisfit(entry)) return `${String(entry.sequence).padStart(8)}  ${at}  misfit: ${Output.shown(entry.problem)}`;
  const where = `${entry.history.kind} ${Output.clip(entry.history.id, 36)}`;
  const text = `${String(entry.sequence).padStart(8)}  ${at}  ${entry.type.padEnd(24)}  ${where}`;
  return `${Output.shown(text)}  ${Output.clip(shows.text(utf8.decode(entry.body.subarray(0, bodyShown))), 100)}`;
};

const isThere = (history: History) =>
  Effect.flatMap(EventLog, (log) =>
    log.read({ history, after: 0 }).pipe(Stream.take(1), Stream.runHead, Effect.map(Option.isSome)),
  );

const sequenceFlag = Flag.Int("after").pipe(
  Flag.filter(
    (sequence) => sequence >= 0,
    () => "a sequence is 0 or more",
  ),
  Flag.withMetavar("SEQUENCE"),
  Flag.withDescription("Begin after this sequence instead of at the beginning"),
  Flag.optional,
);

interface Wanted {
  readonly history: Option.Option<History>;
  readonly after: Option.Option<number>;
  readonly live: boolean;
  readonly noFollow: boolean;
  readonly json: boolean;
}

/** Words as they are said, between the lines of events; what was said before the first look comes in one piece. */
const withLive = <E, R, R2>(
  events: Stream.Stream<string, E, R>,
  said: Stream.Stream<Live.Watched, never, R2>,
  json: boolean,
): Stream.Stream<string, E, R | R2> => {
  if (json) {
    const lines = Stream.map(said, (live) => `${JSON.stringify({ live })}\n`);
    return Stream.merge(
      Stream.map(events, (line) => `${line}\n`),
      lines,
    );
  }
  /** The message whose words stand at the end of the output, without a line feed behind. */
  let open: string | undefined;
  const closed = () => {
    const feed = open === undefined ? "" : "\n";
    open = undefined;
    return feed;
  };
  const words = Stream.map(said, (live): string => {
    if (live._tag === "Ended") return live.messageId === open ? closed() : "";
    if (live._tag === "Missed") return `${closed()}          … words were missed; the event will have them\n`;
    const isNew = live.messageId !== open || live._tag === "SoFar";
    const heading = isNew ? `${closed()}    live  ${Output.clip(live.messageId, 36)}  ` : "";
    open = live.messageId;
    const text = live._tag === "SoFar" ? live.parts.map((part) => part.text).join("\n") : live.delta.text;
    return `${heading}${Output.shown(text)}`;
  });
  return Stream.merge(
    Stream.map(events, (line) => `${closed()}${line}\n`),
    words,
  );
};

const follow = Effect.fnUntraced(function* (wanted: Wanted) {
  const { history } = wanted;
  const log = yield* EventLog;
  const head = (yield* log.info).lastSequence;
  const after = wanted.live ? head : Option.getOrElse(wanted.after, () => 0);
  if (Option.isSome(history) && !(yield* isThere(history.value))) {
    const { id, kind } = history.value;
    if (wanted.noFollow)
      return yield* new NotFound({ message: `There is no ${kind} ${id}.`, hint: `recollect ${kind}s lists them.` });
    yield* Output.note(
      `${kind.charAt(0).toUpperCase()}${kind.slice(1)} ${id} has no events yet; waiting for the first.`,
    );
  }
  const shows = yield* Output.Shows;
  const render = (entry: LogEntry) =>
    wanted.json ? JSON.stringify(shows.value(eventJson(entry))) : eventLine(entry, shows);
  const only = given("history", history);
  if (wanted.live && Option.isSome(history)) {
    const events = Stream.map(log.follow({ after, ...only }), (entry) => render(entry));
    const said = Effect.provide(Live.Live, LiveNats.layer);
    return yield* Effect.flatMap(said, (live) =>
      Output.raw(withLive(events, Live.watch(history.value), wanted.json)).pipe(Effect.provideService(Live.Live, live)),
    );
  }
  if (!wanted.noFollow) return yield* Output.lines(Stream.map(log.follow({ after, ...only }), render));
  if (after >= head) return;
  const past = Option.isSome(history)
    ? WholeHistory.events(history.value, after)
    : log.follow({ after }).pipe(Stream.takeUntil((entry) => entry.sequence >= head));
  return yield* Output.lines(Stream.map(past, render));
});

export const tail = Command.make(
  "tail",
  {
    thread: threadFlag.pipe(Flag.optional),
    task: Flag.String("task").pipe(Flag.withMetavar("ID"), Flag.withDescription("Only this task"), Flag.optional),
    session: Flag.String("session").pipe(
      Flag.withMetavar("ID"),
      Flag.withDescription("Only this session"),
      Flag.optional,
    ),
    tenant,
    after: sequenceFlag,
    live: Flag.Boolean("live").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Only what comes from now on; with --thread also words as they are said"),
    ),
    noFollow: Flag.Boolean("no-follow").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Stop at the last event instead of waiting for more"),
    ),
    json: Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("One JSON object per line")),
  },
  Effect.fn("cli.tail")(function* (input) {
    if (input.live && (input.noFollow || Option.isSome(input.after))) {
      return yield* new BadRequest({
        message: "--live goes with neither --after nor --no-follow.",
        hint: "Leave one of them out.",
      });
    }
    const [history, ...others] = [
      ...Option.toArray(Option.map(input.thread, (id) => thread(id, input.tenant))),
      ...Option.toArray(Option.map(input.task, (id) => task(id, input.tenant))),
      ...Option.toArray(Option.map(input.session, (id) => session(id, input.tenant))),
    ];
    if (others.length > 0) {
      return yield* new BadRequest({
        message: "One of --thread, --task and --session can be followed at a time.",
        hint: "Leave the others out.",
      });
    }
    return yield* store(follow({ ...input, history: Option.fromUndefinedOr(history) }));
  }),
).pipe(
  Command.withDescription("Show events as they were written, then live (Ctrl-C ends)"),
  Command.withExamples([
    { command: "recollect tail --live", description: "What happens from now on" },
    { command: "recollect tail --thread ID --no-follow --json", description: "One thread's events, as they were" },
  ]),
);
