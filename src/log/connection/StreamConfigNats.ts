/**
 * The configuration of the stream of record: what it must be, what an update can bring in line, and faults of one that is there.
 *
 * Room: log.
 *
 * Pure: a configuration in, sentences out.
 */
import type { StreamConfig } from "@nats-io/jetstream";
import { DiscardPolicy, RetentionPolicy, StorageType, StoreCompression } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { streamSubjects } from "../Subject.ts";
import type { LogCondition } from "./LogCondition.ts";

export interface Settings {
  readonly name: string;
  readonly replicas: 1 | 3;
  /** Duplicate window of the server, milliseconds. */
  readonly duplicateWindowMillis: number;
}

/** The metadata key of the stream's identity, a random UUID. */
export const identityKey = "recollect.identity";

/** The metadata key of its first sequence: 1, or what it was when an older stream became ours. A stream that begins later has lost events. */
export const firstKey = "recollect.first";

/**
 * Readers that may follow at once. nats-server 2.15 gives every stream 1,000 unless it is told; each costs a few
 * kilobytes, and one that was not ended goes by itself after a while.
 */
const maxConsumers = 5_000;

/**
 * Everything about the stream that we decide.
 *
 * - nothing is ever removed: retention by limits without a limit, deletes and purges denied, full means refused
 * - `allow_atomic` for appends of several events, `allow_direct` for reads without a consumer
 * - message TTL, schedules, delete markers and rollups stay off: each makes removal possible (schedules and markers
 *   even turn `deny_purge` off silently)
 *
 * Decision: not compressed, because a compressed block is lost as a whole and a compressed stream was lost as a whole:
 * nats-server 2.15.1 with three replicas, s2 and `sync_interval: always` lost 28,616 acknowledged messages after rolling
 * restarts and kill -9 of all nodes, without any damage from outside (uncompressed: 66,441 of 66,441 were there). One
 * flipped bit costs 1,416 messages of 6 KB where it costs one uncompressed, and no consumer gets past them. The price is
 * disk: 1.6 bytes in the stream for each byte imported in place of 0.5.
 */
export const configOf = ({ duplicateWindowMillis, name, replicas }: Settings) =>
  ({
    name,
    subjects: [...streamSubjects],
    description: "Recollect: every event, one subject per history.",
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    max_age: 0,
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    max_consumers: maxConsumers,
    deny_delete: true,
    deny_purge: true,
    allow_rollup_hdrs: false,
    allow_direct: true,
    allow_atomic: true,
    duplicate_window: nanos(duplicateWindowMillis),
    compression: StoreCompression.None,
  }) satisfies Partial<StreamConfig>;

/** Fields that `up` brings in line on every server. */
const repairable = [
  "subjects",
  "discard",
  "max_consumers",
  "deny_delete",
  "deny_purge",
  "allow_rollup_hdrs",
  "allow_direct",
  "allow_atomic",
  "duplicate_window",
] as const;

/** Limits: brought in line on a server of our own; on a foreign one they are an operator's to take back. */
const limits = ["max_age", "max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size"] as const;

type Field = (typeof repairable)[number] | (typeof limits)[number];

const differs = (found: StreamConfig, wanted: Partial<StreamConfig>, field: Field): boolean =>
  JSON.stringify(found[field] ?? false) !== JSON.stringify(wanted[field] ?? false);

/** The fields to change, with what they are to be; empty when all is in line. */
export const repairsOf = (found: StreamConfig, settings: Settings, isOwn: boolean): Partial<StreamConfig> => {
  const wanted = configOf(settings);
  const fields: ReadonlyArray<Field> = isOwn ? [...repairable, ...limits] : repairable;
  return Object.fromEntries(
    fields.filter((field) => differs(found, wanted, field)).map((field) => [field, wanted[field]]),
  );
};

/** Difference that can never be changed, or would remove events: such a stream is not ours. */
export const fatalDifference = (found: StreamConfig): string | undefined => {
  if (found.mirror !== undefined) return "it is a mirror of another stream";
  if ((found.sources ?? []).length > 0) return "it is fed from other streams";
  if (found.storage !== StorageType.File) return "it is kept in memory";
  if (found.retention !== RetentionPolicy.Limits)
    return `its retention is ${found.retention}: reading would remove events`;
  if (found.persist_mode === "async") return "its persist_mode is async: it acknowledges what is not on disk";
  if (found.subject_transform !== undefined) return "it renames subjects";
  if (found.allow_msg_schedules === true) return "it allows message schedules, which make removal possible";
  if ((found.subject_delete_marker_ttl ?? 0) !== 0) return "it writes delete markers, which make removal possible";
  if (found.sealed) return "it is sealed";
  return undefined;
};

/** Share of a stream's own limit from which a warning is due. */
const fullShare = 0.9;
/** Or how little room may be left: more than one append can take, of events or of bytes. */
const room = { max_msgs: 2_000, max_bytes: 16 * 1024 * 1024 } as const;

interface State {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
}

/** The command that takes a limit back. */
const without = (name: string, flag: string, isOwn: boolean): string =>
  isOwn
    ? "Stop the daemon and start it again with `recollect up`: it takes the limit back."
    : `Take it back: nats stream edit ${name} ${flag}`;

const removes = (options: {
  readonly field: string;
  readonly what: string;
  readonly hint: string;
  readonly refusesAppends: boolean;
}): LogCondition => ({
  name: "streamRemoves",
  field: options.field,
  message: `The stream's ${options.field} ${options.what}.`,
  hint: options.hint,
  refusesAppends: options.refusesAppends,
});

/** Limits by count and size: with `discard: new` full means refused, otherwise each append removes the oldest event. */
const sizeConditions = (found: StreamConfig, state: State, isOwn: boolean): ReadonlyArray<LogCondition> => {
  const sizes = [
    { field: "max_msgs", limit: found.max_msgs, used: state.messages, flag: "--max-msgs=-1" },
    { field: "max_bytes", limit: found.max_bytes, used: state.bytes, flag: "--max-bytes=-1" },
  ] as const;
  return sizes.flatMap(({ field, flag, limit, used }): ReadonlyArray<LogCondition> => {
    if (limit <= 0) return [];
    const hint = without(found.name, flag, isOwn);
    const isNear = used >= fullShare * limit || used + room[field] > limit;
    if (found.discard !== DiscardPolicy.New) {
      const what = `is ${limit} and its discard policy is old: each append beyond it removes the oldest event`;
      return [removes({ field, what, hint, refusesAppends: isNear })];
    }
    if (used < fullShare * limit) return [];
    const message = `The stream's ${field} is ${limit}, and ${used} are used: what does not fit is refused and waits in the spool.`;
    return [{ name: "streamFull", field, message, hint, refusesAppends: false }];
  });
};

/** Flags that allow the removal of events. */
const removalConditions = (found: StreamConfig, isOwn: boolean): ReadonlyArray<LogCondition> => {
  const conditions: Array<LogCondition> = [];
  const { name } = found;
  const up = "Stop the daemon and start it again with `recollect up`: it brings the stream in line.";
  const add = (field: string, what: string, hint: string, refusesAppends = false) =>
    conditions.push(removes({ field, what, hint, refusesAppends }));
  if (found.max_age > 0)
    add("max_age", `removes events older than ${found.max_age / 1e9} s`, without(name, "--max-age=0", isOwn));
  if (found.max_msgs_per_subject > 0) {
    const what = `is ${found.max_msgs_per_subject}: beyond it an append removes the oldest event of its history`;
    add("max_msgs_per_subject", what, without(name, "--max-msgs-per-subject=-1", isOwn), true);
  }
  if (found.allow_msg_ttl === true)
    add(
      "allow_msg_ttl",
      "lets an event be stored that vanishes after a time",
      "The server cannot turn it off again; recollect heal moves the events to a stream without it.",
    );
  if (!found.deny_delete) add("deny_delete", "is off: single events can be deleted", up);
  if (!found.deny_purge) add("deny_purge", "is off: the stream can be emptied", up);
  if (found.allow_rollup_hdrs) add("allow_rollup_hdrs", "is on: one message can replace a history", up);
  return conditions;
};

/** Nothing removes an event, so each number from the first to the last is one, or was lost (nats-server cuts a block that
 * it cannot read after an unclean stop: 658 events of 6 KB for one flipped bit). */
const lossConditions = (
  found: StreamConfig,
  state: State,
  { isOwn, reached = 0 }: { readonly isOwn: boolean; readonly reached?: number | undefined },
): ReadonlyArray<LogCondition> => {
  const lost = reached - state.lastSequence;
  if (lost > 0)
    return [
      {
        name: "streamDamaged",
        message: `The stream ends at sequence ${state.lastSequence}, and it has reached ${reached}: its last ${lost === 1 ? "event was" : `${lost} events were`} lost, or an older copy was put back.`,
        hint: "recollect verify names each place; recollect heal puts back what the ledger has, and names what no copy has.",
        refusesAppends: false,
      },
    ];
  const noted = Number(found.metadata?.[firstKey]);
  const isNoted = Number.isSafeInteger(noted) && noted > 0;
  // A stream of our own begins with 1. One of a foreign server, without a note, may have been cut before it became ours.
  const first = isOwn ? 1 : isNoted ? noted : state.firstSequence;
  const missing = state.messages === 0 && !isOwn && !isNoted ? 0 : state.lastSequence - first + 1 - state.messages;
  if (missing <= 0) return [];
  return [
    {
      name: "streamDamaged",
      message: `The stream lacks ${missing} of its events between sequences ${first} and ${state.lastSequence}.`,
      hint: "recollect verify names each place; recollect heal puts back what the ledger has.",
      refusesAppends: false,
    },
  ];
};

/** Conditions of a stream that is there, field by field; the gravest first. */
export const conditionsOf = (
  found: StreamConfig,
  state: State,
  options: { readonly settings: Settings; readonly isOwn: boolean; readonly reached?: number | undefined },
): ReadonlyArray<LogCondition> => {
  const { isOwn, settings } = options;
  const conditions = [
    ...lossConditions(found, state, options),
    ...sizeConditions(found, state, isOwn),
    ...removalConditions(found, isOwn),
  ];
  const named = new Set<string>([...conditions.map(({ field }) => field ?? ""), "discard", "duplicate_window"]);
  const rest = Object.keys(repairsOf(found, settings, false)).filter((field) => !named.has(field));
  if (rest.length > 0) {
    conditions.push({
      name: "streamSettings",
      field: rest.join(", "),
      message: `The stream's ${rest.join(", ")} ${rest.length === 1 ? "is" : "are"} not what Recollect needs: appends or reads may fail.`,
      hint: "Stop the daemon and start it again with `recollect up`: it brings the stream in line.",
      refusesAppends: false,
    });
  }
  if (found.compression !== undefined && found.compression !== StoreCompression.None) {
    conditions.push({
      name: "compressed",
      field: "compression",
      message: `The stream of record is compressed (${found.compression}): one damaged bit costs a whole block of some 2,000 events, and with three replicas all of it has been lost.`,
      hint: "recollect heal moves it to a stream that is not compressed; it says first what it would do.",
      refusesAppends: false,
    });
  }
  return conditions;
};
