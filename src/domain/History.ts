/**
 * A history: the events of one thread, task, session, source or configuration, or of the store itself, in order.
 *
 * Room: domain.
 *
 * A history is named by tenant, kind and id. The id is whatever the outside world calls it: a UUID, a path,
 * a sentence with emoji. Encoding it into a subject is the log's business (`src/log/Subject.ts`).
 */
import { Schema } from "effect";
import { fitsUtf8, isObject } from "./Json.ts";

/** Stream sequence, from 1; 0 means before the first. Sequences of one history ascend but are not contiguous. */
export type Sequence = number;
export const Sequence = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0));

/**
 * Kind of a history. `source` holds what an imported file says beside its conversations, `config` one configuration,
 * `store` what became of the store itself: events it lost, losses that were accepted, heals.
 */
export const HistoryKind = Schema.Literals(["thread", "task", "session", "source", "config", "store"]);
export type HistoryKind = typeof HistoryKind.Type;

/** The tenant of everyone who never asked for another. */
export const defaultTenant = "default";

/**
 * Longest tenant and id, in UTF-8 bytes. An id is written as one subject token, at worst three bytes for one,
 * and nats-server keeps every subject in memory: 200 bytes leave room for a path and stay far below its limit.
 */
export const maxIdBytes = 200;

const Id = Schema.String.check(
  Schema.isNonEmpty(),
  Schema.makeFilter((id: string) => fitsUtf8(id, maxIdBytes), {
    message: `at most ${maxIdBytes} bytes of UTF-8`,
  }),
  Schema.makeFilter((id: string) => id.isWellFormed(), {
    message: "well-formed Unicode: a lone surrogate cannot be written as UTF-8",
  }),
);

export const History = Schema.Struct({ tenant: Id, kind: HistoryKind, id: Id });
export type History = typeof History.Type;

/** True for a name that a tenant or a history may have. */
export const isId = (id: unknown): boolean =>
  typeof id === "string" && id !== "" && fitsUtf8(id, maxIdBytes) && id.isWellFormed();

const isKind = (kind: unknown): boolean => (HistoryKind.literals as ReadonlyArray<unknown>).includes(kind);

/** True when anything can ever be written under this name: as the Schema has it, in plain code, because it is asked for every append. */
export const isHistory = (named: unknown): named is History =>
  isObject(named) && isId(named["tenant"]) && isKind(named["kind"]) && isId(named["id"]);

/** The history of one thread, in the default tenant unless one is given. */
export const thread = (id: string, tenant = defaultTenant): History => ({ tenant, kind: "thread", id });

/** The history of one task. */
export const task = (id: string, tenant = defaultTenant): History => ({ tenant, kind: "task", id });

/** The history of one session: a client and a server talking to each other for a while. */
export const session = (id: string, tenant = defaultTenant): History => ({ tenant, kind: "session", id });

/** The history of one imported source: what a file says beside its conversations. */
export const source = (id: string, tenant = defaultTenant): History => ({ tenant, kind: "source", id });

/** The history of one configuration: what was changed while everything ran. */
export const config = (scope: string, tenant = defaultTenant): History => ({ tenant, kind: "config", id: scope });

/** The one history of the store itself, whatever stream holds it: `recollect.default.store.record`. */
export const storeRecord: History = { tenant: defaultTenant, kind: "store", id: "record" };

/** One string per history, for maps. Unambiguous: NUL is in no kind, and a tenant or id with one still cannot collide. */
export const keyOf = (history: History): string =>
  `${history.kind}\u0000${history.tenant.length}\u0000${history.tenant}\u0000${history.id}`;
