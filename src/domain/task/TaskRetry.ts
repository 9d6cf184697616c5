/**
 * The consequence of a failed attempt: another one after a pause, or the end. Pure.
 *
 * Room: domain.
 */
import { isLastAttempt, queueingOf, type TaskRecord } from "./TaskRecord.ts";

/** A pause is never longer than this: what fails for an hour is looked at by a person. */
const maxBackoffMillis = 60 * 60_000;

/** Deferrals of one task that cost no attempt: one that is never ready needs a person. */
export const maxDeferrals = 1_000;

/** The rule for errors of that type: `never`, or the first pause, milliseconds. */
const ruleFor = ({ submitted }: TaskRecord, errorType: string | undefined): "never" | number => {
  const { onError } = submitted?.queue ?? {};
  const own =
    errorType !== undefined && onError != null && Object.hasOwn(onError, errorType) ? onError[errorType] : null;
  return own ?? queueingOf(submitted?.queue).backoffMillis;
};

/** The pause after the record's last attempt, milliseconds; a type of error may have a longer or shorter one. */
export const backoffMillis = (record: TaskRecord, errorType?: string): number => {
  const rule = ruleFor(record, errorType);
  const first = rule === "never" ? 0 : rule;
  // After some thirty doublings every pause is the longest; without a bound, 0 times infinity is no number.
  return Math.min(first * 2 ** Math.min(Math.max(0, record.attempt - 1), 32), maxBackoffMillis);
};

export type AfterFailure =
  | { readonly _tag: "Again"; readonly pauseMillis: number }
  /** `isDeadLetter`: it had attempts, and they are used up. */
  | { readonly _tag: "Ends"; readonly isDeadLetter: boolean };

/** `retry` is the worker's own word on this failure. */
export const afterFailure = (options: {
  readonly record: TaskRecord;
  readonly errorType: string;
  readonly retry: "never" | undefined;
}): AfterFailure => {
  const { errorType, record, retry } = options;
  if (retry === "never" || ruleFor(record, errorType) === "never") return { _tag: "Ends", isDeadLetter: false };
  if (isLastAttempt(record)) return { _tag: "Ends", isDeadLetter: true };
  return { _tag: "Again", pauseMillis: backoffMillis(record, errorType) };
};
