/**
 * Fields of the configuration: each with its Schema, its default and its meaning.
 *
 * Room: coordination.
 *
 * A field is a line here and a reader somewhere; a value that its Schema does not allow never gets into a configuration.
 */
import { Result, Schema } from "effect";
import { policyFields } from "../../domain/audit/PolicySettings.ts";
import { maybe } from "../../domain/thread/Content.ts";
import { isDeeper } from "../../domain/Json.ts";
import { Limit } from "./Limit.ts";
import { queueName, QueueSettings } from "./QueueSettings.ts";
import { Quota, quotaName } from "./Quota.ts";
import { TaskSchedule } from "./TaskSchedule.ts";

interface Field<S extends Schema.Top> {
  readonly schema: S;
  readonly default: S["Type"];
  /** One sentence: what it decides, with the unit. */
  readonly doc: string;
  /** Never in the log and never in a file: comes from this variable of the environment, and is not shown. */
  readonly secret?: string;
}

const field = <S extends Schema.Top>(schema: S, fallback: S["Type"], doc: string): Field<S> => ({
  schema,
  default: fallback,
  doc,
});

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** Whole milliseconds from `least` to `most`. */
const millis = (least: number, most: number) => Schema.Int.check(Schema.isBetween({ minimum: least, maximum: most }));
const count = (least: number, most: number) => Schema.Int.check(Schema.isBetween({ minimum: least, maximum: most }));

const MiB = 1024 * 1024;

/** Most tasks of a bounded agent type at once: a worker that wants a place reads them all. */
const maxConcurrency = 1_000;

/** Fields of one value each. */
export const fields = {
  "snapshots.ttlMillis": field(
    millis(1_000, 30 * day),
    day,
    "How long the snapshot of a thread lives after it was last written, milliseconds.",
  ),
  "tasks.retentionMillis": field(
    millis(minute, 365 * day),
    7 * day,
    "How long a task that has ended is listed among the recent ones, milliseconds; then it is archived, and stays for ever.",
  ),
  "tasks.concurrency": field(
    Schema.Record(Schema.String, count(1, maxConcurrency)),
    {},
    "How many tasks of an agent type run at once, over all workers: an object of numbers by agent type. An agent type that is left out has no bound.",
  ),
  "cache.files.ttlMillis": field(
    millis(1_000, 365 * day),
    day,
    "How long the content of a file stays cached after it was last written, milliseconds.",
  ),
  "cache.files.maxBytes": field(count(MiB, 1024 * 1024 * MiB), 1024 * MiB, "Most bytes of cached file contents."),
  "cache.files.processBytes": field(
    count(0, 1024 * 1024 * MiB),
    64 * MiB,
    "Most bytes of file contents in the memory of one process; 0 for none.",
  ),
  "cache.files.missingMillis": field(
    millis(0, minute),
    1_000,
    "How long a file that was not there is believed to be missing, milliseconds; 0 for not at all.",
  ),
  "cache.responses.ttlMillis": field(
    millis(1_000, 365 * day),
    hour,
    "How long the answer to a request stays cached after it was written, milliseconds.",
  ),
  "cache.responses.maxBytes": field(
    count(MiB, 1024 * 1024 * MiB),
    256 * MiB,
    "Most bytes of answers that processes share.",
  ),
  "cache.responses.processBytes": field(
    count(0, 1024 * 1024 * MiB),
    32 * MiB,
    "Most bytes of answers in the memory of one process; 0 for none.",
  ),
  "spool.maxBytes": field(
    count(MiB, 1024 * 1024 * MiB),
    1024 * MiB,
    "Largest size of the file in which events wait while the log is away, bytes; beyond it what is published is refused.",
  ),
  "spool.overdueMillis": field(
    millis(minute, 365 * day),
    7 * day,
    "What waits in that file for longer is said to be overdue, milliseconds; it is delivered all the same.",
  ),
  ...policyFields,
  "import.follow": field(
    Schema.Boolean,
    false,
    "Whether `recollect up` follows what agents write on this machine, and imports what is there.",
  ),
  "import.paths": field(
    Schema.Array(Schema.String).check(Schema.isMaxLength(100)),
    [],
    "Files and folders that it follows beside the agents' own places, absolute paths; at most 100.",
  ),
  "nats.url": {
    ...field(Schema.String, "", "Where the NATS server is; may hold a password."),
    secret: "RECOLLECT_NATS_URL",
  },
} as const satisfies Record<string, Field<Schema.Top>>;

/** A tool whose answers may be given again. */
const CachedTool = Schema.Struct({
  /** Life of an answer, milliseconds; absent: as `cache.responses.ttlMillis` says. */
  ttlMillis: maybe(millis(1_000, 365 * day)),
});

const dollars = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }));
/** US dollars for a million tokens. A cache price that is left out is the input's. */
const ModelPrice = Schema.Struct({
  input: dollars,
  output: dollars,
  cacheRead: maybe(dollars),
  cacheWrite: maybe(dollars),
  /** Day of which it is, YYYY-MM-DD; absent: the day on which it was set. */
  since: maybe(Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\d$/))),
});

interface Family<S extends Schema.Top> {
  readonly schema: S;
  /** Pattern of a name in it. */
  readonly name: RegExp;
  readonly doc: string;
}

/** Names that people make up. */
const plainName = /^[A-Za-z0-9][-\w]*$/;
/** Names of tools as MCP allows them, and the signs with which clients put a server's name before them. */
const toolName = /^[-\w./:]+$/;

/** Families: any number of values of one kind, each under a name of its own, as `limits.search`. */
export const families = {
  limits: {
    schema: Limit,
    name: plainName,
    doc: "How often something may be done; see docs/limits.md.",
  },
  schedules: {
    schema: TaskSchedule,
    name: plainName,
    doc: "A task that is submitted again and again; see docs/tasks.md.",
  },
  queues: {
    schema: QueueSettings,
    name: queueName,
    doc: "Queue of an agent type: paused, drained, or limited in its rate; see docs/tasks.md.",
  },
  quotas: {
    schema: Quota,
    name: quotaName,
    doc: "How much a tenant may write: bytes a day, events a minute, threads; see docs/limits.md.",
  },
  prices: {
    schema: ModelPrice,
    name: toolName,
    doc: "What a model costs, in place of the list that comes with this version; v_prices shows all.",
  },
  "cache.responses.tools": {
    schema: CachedTool,
    name: toolName,
    doc: "A tool whose answers may be given again to equal calls; see docs/caches.md.",
  },
} as const satisfies Record<string, Family<Schema.Top>>;

export type FieldName = keyof typeof fields;
export type FieldValue<Name extends FieldName> = (typeof fields)[Name]["schema"]["Type"];
export type FamilyName = keyof typeof families;
export type FamilyValue<Name extends FamilyName> = (typeof families)[Name]["schema"]["Type"];

/** Longest name of a field, in characters: it is a column and a line of a table. A tool's own may be 128 of them (MCP). */
export const maxNameLength = 150;
/** Largest value, in bytes of JSON: every process holds all of them in memory. */
export const maxValueBytes = 16 * 1024;

/** Deepest nesting of a value: a limit is 3 levels deep, and no hand writes 16. */
export const maxDepth = 16;

/** A value's JSON; undefined for what has none, as a function, a BigInt, or a symbol. */
const jsonOf = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value) as string | undefined;
  } catch {
    return undefined;
  }
};

/** The value cannot be the field's, or there is no such field. Nothing was changed. */
export class ConfigRefused extends Schema.TaggedError<ConfigRefused>()("ConfigRefused", {
  field: Schema.String,
  /** Origin of the value: a call, or the file or environment that a process began with. */
  layer: Schema.Literals(["file", "environment", "runtime"]),
  message: Schema.String,
  hint: Schema.String,
}) {}

export type ConfigLayer = "default" | "file" | "environment" | "runtime";

interface Known {
  readonly schema: Schema.Codec<unknown>;
  readonly default: unknown;
  readonly doc: string;
  readonly secret: string | undefined;
  readonly family: FamilyName | undefined;
}

const isFieldName = (name: string): name is FieldName => Object.hasOwn(fields, name);

const familyNames = Object.keys(families) as ReadonlyArray<FamilyName>;

/** The family that has a value of that name. */
const familyOf = (name: string): FamilyName | undefined =>
  name.length > maxNameLength
    ? undefined
    : familyNames.find((one) => name.startsWith(`${one}.`) && families[one].name.test(name.slice(one.length + 1)));

/** The field of that name; undefined when there is none. */
export const known = (name: string): Known | undefined => {
  if (isFieldName(name)) {
    const found: Field<Schema.Top> = fields[name];
    const { doc, secret } = found;
    return { schema: found.schema as never, default: found.default, doc, secret, family: undefined };
  }
  const family = familyOf(name);
  if (family === undefined) return undefined;
  const { doc, schema } = families[family];
  return { schema, default: undefined, doc, secret: undefined, family };
};

const others = `Fields are ${Object.keys(fields).join(", ")} and ${familyNames
  .map((family) => `${family}.NAME`)
  .join(", ")}.`;

/** The value as its field has it, or a refusal that names the field. */
export const check = (
  name: string,
  value: unknown,
  layer: ConfigRefused["layer"],
): Result.Result<unknown, ConfigRefused> => {
  const refuse = (message: string, hint: string) =>
    Result.fail(new ConfigRefused({ field: name.slice(0, maxNameLength), layer, message, hint }));
  const found = known(name);
  if (found === undefined) return refuse(`There is no field ${name.slice(0, maxNameLength)}.`, others);
  if (found.secret !== undefined && layer !== "environment") {
    return refuse(
      `${name} is a secret, and secrets are never stored.`,
      `Set ${found.secret} in the environment of the process that needs it.`,
    );
  }
  if (isDeeper(value, maxDepth)) return refuse(`${name} is nested deeper than ${maxDepth} levels.`, found.doc);
  const text = jsonOf(value);
  if (text === undefined) return refuse(`${name} cannot be a ${typeof value}: that is no JSON.`, found.doc);
  const bytes = Buffer.byteLength(text, "utf8");
  if (bytes > maxValueBytes) {
    return refuse(`${name} is ${bytes} bytes of JSON; at most ${maxValueBytes} are possible.`, found.doc);
  }
  const decoded = Schema.decodeUnknownResult(found.schema)(value, { onExcessProperty: "error" });
  return Result.isSuccess(decoded)
    ? Result.succeed(decoded.success)
    : refuse(`${name} cannot be ${text.slice(0, 200)}: ${decoded.failure.message}`, found.doc);
};

/** The variable of the environment that sets a field: `RECOLLECT_SNAPSHOTS_TTL_MILLIS`. Families have none. */
export const variableOf = (name: string): string =>
  known(name)?.secret ??
  `RECOLLECT_${name
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .replaceAll(".", "_")
    .toUpperCase()}`;
