/**
 * Admission of a tenant's writes: asked before each, by every door that a tenant writes through.
 *
 * Room: log.
 */
import { Effect } from "effect";
import { apiCode } from "../connection/RequestNats.ts";
import { EventLog, LogUnavailable } from "../EventLog.ts";

/** A write that asks to be admitted. */
export interface Written {
  readonly bytes: number;
  readonly events: number;
  /** Id of the thread that is written to; absent: another history, or none. */
  readonly thread?: string | undefined;
}

/** Refusal of a write; undefined: it may go, and is counted. */
export type Admission =
  | {
      /** Name in the configuration, as `quotas.acme.bytesPerDay`. */
      readonly quota: string;
      readonly reason: string;
      readonly hint: string;
      readonly retryAfterMillis?: number;
    }
  | undefined;

export type Admit = (tenant: string, written: Written) => Admission;

/** Admission of everything: no quota is set. */
export const always: Admit = () => undefined;

const unavailable = ({ hint, quota, reason, retryAfterMillis }: NonNullable<Admission>) =>
  new LogUnavailable({
    reason,
    hint,
    denied: quota,
    ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
  });

/** Answer of the daemon to a write over NATS that was refused: the quota's name stands last, in brackets. */
export const quotaAnswer = ({ quota, reason }: NonNullable<Admission>): string =>
  JSON.stringify({ error: { code: 429, err_code: apiCode.quota, description: `${reason} (${quota})` } });

/** Name of the quota in such an answer. */
export const quotaIn = (description: string): string => /\((quotas\..*)\)$/s.exec(description)?.[1] ?? "quotas";

/** A log whose appends and blobs are admitted first. */
export const admitting = (log: EventLog["Service"], admit: Admit): EventLog["Service"] => {
  type Appends = Parameters<typeof log.appendAll>[0];
  const admitted = (appends: Appends) => {
    for (const { events, history } of appends) {
      const bytes = events.reduce(
        (sum, { body }) => sum + (typeof body === "string" ? Buffer.byteLength(body) : body.byteLength),
        0,
      );
      const thread = history.kind === "thread" ? history.id : undefined;
      const refused = admit(history.tenant, { bytes, events: events.length, thread });
      if (refused !== undefined) return Effect.fail(unavailable(refused));
    }
    return Effect.void;
  };
  return EventLog.of({
    ...log,
    putBlob: (bytes, tenant) =>
      Effect.suspend(() => {
        const refused = tenant === undefined ? undefined : admit(tenant, { bytes: bytes.byteLength, events: 0 });
        return refused === undefined ? log.putBlob(bytes, tenant) : Effect.fail(unavailable(refused));
      }),
    append: (append) =>
      Effect.andThen(
        Effect.suspend(() => admitted([append])),
        log.append(append),
      ),
    appendAll: (appends) =>
      Effect.andThen(
        Effect.suspend(() => admitted(appends)),
        log.appendAll(appends),
      ),
  });
};
