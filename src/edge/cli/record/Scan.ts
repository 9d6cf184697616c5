/**
 * `recollect scan`: which secrets lie in the store, and where. It says rule, place and digest, and never the secret.
 *
 * Room: edge.
 *
 * Reads every event of the log once, with the large parts that they refer to; what `secrets.off` and `secrets.allowed` leave
 * out is left out. Changes nothing: a record that could be rewritten would be none.
 */
import { Effect, Option, Stream } from "effect";
import { Command, Flag } from "effect/cli";
import { isMisfit, type LogEntry } from "../../../domain/Event.ts";
import { thread } from "../../../domain/History.ts";
import { isObject } from "../../../domain/Json.ts";
import type { Redactor, Seen } from "../../../domain/secret/RedactSecrets.ts";
import { marksIn } from "../../../domain/secret/SecretMark.ts";
import { rules } from "../../../domain/secret/SecretSettings.ts";
import { dataOf } from "../../../log/Envelope.ts";
import { EventLog } from "../../../log/EventLog.ts";
import { policyHere } from "../../../publish/storing/StoragePolicy.ts";
import { json, store, tenant, threadFlag } from "../Flags.ts";
import * as Output from "../Output.ts";
import * as Progress from "../Progress.ts";
import { wholeThread } from "../threads/ThreadIds.ts";
import { type RuleSum, ScanReport } from "./ScanReport.ts";

/** Hashes of large parts that an event refers to. */
const blobsIn = (value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap(blobsIn);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    if (!/blob$/i.test(name)) return blobsIn(inner);
    const sha256 = isObject(inner) ? inner["sha256"] : undefined;
    return typeof sha256 === "string" ? [sha256] : [];
  });
};

const utf8 = new TextDecoder();

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

/** A part that is a text, as JSON where it is JSON; undefined for bytes of an image. */
const partOf = (bytes: Uint8Array): unknown => (bytes.includes(0) ? undefined : parsed(utf8.decode(bytes)));

/** Bytes that are no UTF-8 stand in an entry as base64. */
const opened = (data: unknown): unknown => {
  const base64 = isObject(data) ? data["base64"] : undefined;
  return typeof base64 === "string" ? [data, Buffer.from(base64, "base64").toString("latin1")] : data;
};

/** Scans one event and its large parts; each part is looked at once, with the event that names it first. */
const lookInto = Effect.fnUntraced(function* (
  entry: LogEntry,
  how: { readonly redactor: Redactor; readonly seen: Set<string>; readonly report: ScanReport },
) {
  const log = yield* EventLog;
  const data = opened(dataOf(entry.body));
  const secrets: Array<Seen> = [...how.redactor.found(data)];
  const marks: Array<Seen> = [...marksIn(utf8.decode(entry.body))];
  let bytes = entry.body.byteLength;
  for (const sha256 of blobsIn(data)) {
    if (how.seen.has(sha256)) continue;
    how.seen.add(sha256);
    const blob = Option.getOrUndefined(yield* Effect.option(log.getBlob(sha256)));
    if (blob === undefined) how.report.unread++;
    else {
      bytes += blob.byteLength;
      secrets.push(...how.redactor.found(partOf(blob)));
      marks.push(...marksIn(utf8.decode(blob)));
    }
  }
  if (isMisfit(entry)) {
    const history = { tenant: "", kind: "store", id: entry.subject } as const;
    const { recordedAt: occurredAt, sequence } = entry;
    how.report.add({ history, sequence, type: "misfit", occurredAt, bytes, secrets, marks });
  } else {
    const { history, occurredAt, sequence, type } = entry;
    how.report.add({ history, sequence, type, occurredAt, bytes, secrets, marks });
  }
});

const scanned = Effect.fnUntraced(function* (wanted: {
  readonly thread: Option.Option<string>;
  readonly tenant: string;
  readonly limit: number;
}) {
  const log = yield* EventLog;
  const { redactor } = (yield* policyHere)();
  const report = new ScanReport(wanted.limit);
  const head = (yield* log.info).lastSequence;
  const bar = yield* Progress.make(Progress.events);
  const seen = new Set<string>();
  if (head === 0) return report;
  const named = Option.isSome(wanted.thread) ? yield* wholeThread(wanted.thread.value, wanted.tenant) : undefined;
  const entries: Stream.Stream<LogEntry, unknown> = named
    ? log.read({ history: thread(named.threadId, named.tenant), after: 0 })
    : log.follow({ after: 0 }).pipe(Stream.takeUntil((entry) => entry.sequence >= head));
  yield* Stream.runForEach(entries, (entry) =>
    Effect.tap(lookInto(entry, { redactor, seen, report }), () =>
      Effect.sync(() => bar.show({ done: entry.sequence, total: head, what: "scan" })),
    ),
  );
  return report;
}, Effect.scoped);

const table = (sums: ReadonlyArray<RuleSum>) =>
  Output.table(
    ["rule", "found", "different", "in events", "in histories"],
    sums.map(({ distinct, events, histories, rule, secrets }) => [
      rule,
      Output.count(secrets),
      Output.count(distinct),
      Output.count(events),
      Output.count(histories),
    ]),
  );

const show = Effect.fnUntraced(function* (report: ScanReport) {
  const { marks, secrets } = report;
  yield* Output.line(`${Output.counted(report.events, "event")} looked at, ${Output.bytes(report.bytes)}.`);
  if (report.unread > 0)
    yield* Output.line(`${Output.counted(report.unread, "large part")} could not be read; verify names them.`);
  if (secrets.length === 0) yield* Output.line(`No secrets lie in ${report.unread > 0 ? "the rest" : "the store"}.`);
  else {
    yield* Output.line("\nSecrets as they came:");
    for (const line of table(secrets)) yield* Output.line(line);
    yield* Output.line();
    const rows = report.places.map(({ digests, id, kind, rule, sequence }) => [
      rule,
      `${digests[0] ?? ""}${digests.length > 1 ? ` +${digests.length - 1}` : ""}`,
      `${kind} ${Output.clip(id, 60)}`,
      String(sequence),
    ]);
    for (const line of Output.table(["rule", "digest", "where", "sequence"], rows)) yield* Output.line(line);
    if (report.more > 0) yield* Output.note(`And ${Output.counted(report.more, "more place")}; --limit shows them.`);
  }
  if (marks.length > 0) {
    yield* Output.line("\nReplaced by marks before they were stored:");
    for (const line of table(marks)) yield* Output.line(line);
  }
});

export const scan = Command.make(
  "scan",
  {
    thread: threadFlag.pipe(Flag.optional),
    tenant,
    limit: Flag.Int("limit").pipe(
      Flag.filter(
        (count) => count >= 0 && count <= 100_000,
        () => "it is from 0 to 100000",
      ),
      Flag.withMetavar("COUNT"),
      Flag.withDescription("List at most so many places, 0 to 100000 (default: 50); all are counted"),
      Flag.withDefault(50),
    ),
    rules: Flag.Boolean("rules").pipe(Flag.withDefault(false), Flag.withDescription("Only list the rules there are")),
    json,
  },
  Effect.fn("cli.scan")(function* (input) {
    if (input.rules) {
      if (input.json) return yield* Output.json({ rules });
      for (const rule of rules) yield* Output.line(rule);
      return;
    }
    yield* store(
      Effect.gen(function* () {
        const report = yield* scanned(input);
        if (!input.json) return yield* show(report);
        const { bytes, events, marks, more, places, secrets, unread } = report;
        yield* Output.json({ events, bytes, unread, secrets, places, more, marks });
      }),
    );
  }),
).pipe(
  Command.withDescription("Which secrets lie in the store and where: rule, count, place and digest, never the secret"),
  Command.withExamples([
    { command: "recollect scan", description: "Everything, with counts by rule and the first places" },
    { command: "recollect scan --thread ID --json", description: "One conversation, as JSON" },
    { command: "recollect scan --rules", description: "The names of all rules, for secrets.off" },
  ]),
);
