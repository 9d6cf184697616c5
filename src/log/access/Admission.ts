/**
 * Admission of a tenant's writes: asked before each, by every door that a tenant writes through.
 *
 * Room: log.
 */
import { Effect } from "effect";
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

/** A log whose appends are admitted first. */
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
