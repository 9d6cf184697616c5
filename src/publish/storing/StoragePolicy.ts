/**
 * Storage policy in force in this process, asked before anything of an event is written.
 *
 * Room: publish.
 *
 * Promises: secrets of what publishers say are replaced before the command is made, so neither the log nor the spool, a
 * snapshot or a log line ever has them; entries of transcripts stay as they came; a policy that cannot be read is the
 * built-in one, which replaces.
 */
import { Context, Effect, Option } from "effect";
import { randomBytes } from "node:crypto";
import type { AuditPolicy } from "../../domain/audit/AuditPolicy.ts";
import type { Redactor } from "../../domain/secret/RedactSecrets.ts";
import { noSettings, redactorOf } from "../../domain/secret/SecretSettings.ts";

export interface Policy {
  /** Replaces secrets in what is stored; undefined: stored as it is said. */
  readonly stored: Redactor | undefined;
  /** Replaces secrets in what is shown; undefined: shown as it is stored. */
  readonly shown: Redactor | undefined;
  /** Finds secrets whatever becomes of them: for whoever looks for them. */
  readonly redactor: Redactor;
  readonly audit: AuditPolicy;
}

export class StoragePolicy extends Context.Service<StoragePolicy, { readonly now: () => Policy }>()(
  "recollect/publish/StoragePolicy",
) {}

/** The built-in policy, for a process without a data folder: its digests are its own. */
export const builtIn = (): StoragePolicy["Service"] => {
  const redactor = redactorOf(noSettings, randomBytes(32));
  const policy: Policy = { stored: redactor, shown: redactor, redactor, audit: [] };
  return StoragePolicy.of({ now: () => policy });
};

/** Kinds that are stored unchanged: transcripts and configuration. */
const asTheyCame: ReadonlySet<string> = new Set(["thread.entry_recorded", "source.described", "config.changed"]);

/** The policy of whoever makes a service: the process's, else the built-in one. */
export const policyHere = Effect.map(
  Effect.serviceOption(StoragePolicy),
  (found) => Option.getOrElse(found, builtIn).now,
);

/** An event's data as it may be stored. */
export const storable = <T>(policy: Policy, type: string, data: T): T =>
  policy.stored === undefined || asTheyCame.has(type) ? data : policy.stored.value(data);
