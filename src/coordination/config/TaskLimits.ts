/**
 * Bounds of tasks, claims and workers, each with its reason, and the refusal of what is beyond.
 *
 * Room: coordination.
 *
 * Texts that stand in an event (messages, reasons, questions) are bounded by its size, 768 KiB (`InvalidEvent`).
 */
import { Effect, Result, Schema } from "effect";
import type { EventData } from "../../domain/Event.ts";
import { isHistory, maxIdBytes } from "../../domain/History.ts";
import { isDeeper } from "../../domain/Json.ts";
import type { TaskRequest } from "../../domain/task/TaskEvents.ts";

/** The request is beyond what there can be. Nothing was written. */
export class InvalidTask extends Schema.TaggedError<InvalidTask>()("InvalidTask", {
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message(): string {
    return `${this.reason}. ${this.hint}`;
  }
}

/** An agent type is a token of every subject of its tasks, at worst three bytes for one. */
export const maxAgentTypeBytes = 100;
/** Agent types of one claim: each is three consumers at the server, and is asked in turn. */
const maxAgentTypes = 100;
/** Name of a worker in lists: a host name and what tells its processes apart. */
const maxWorkerBytes = 300;
/** Tasks that one worker runs at once: each is a claim that waits, and a heartbeat. More is another process. */
const maxConcurrency = 1_000;
/** A task that was tried a hundred times needs a person. */
export const maxAttemptsAllowed = 100;
/** Plans further ahead than a year belong into another tool. */
export const maxDelayMillis = 366 * 24 * 3_600_000;
/** A silent worker costs its task as much; a shorter one is lost by workers that live, a longer one helps none. */
const minLeaseMillis = 100;
const maxLeaseMillis = 24 * 3_600_000;
/** Every report is an event for ever, and each reader of the task reads them all: one in ten seconds, for a day. */
export const maxReports = 10_000;
/** Readers in other languages stop at 500 to 1,000 levels, and a value that was stored is read for ever. */
const maxDepth = 500;
/** Longest text of an error, in bytes of JSON: as much as a person reads, however much was thrown. */
export const maxErrorBytes = 64 * 1024;
export const maxErrorTypeBytes = 200;
/** The id of a task under a key is agent type, key and a number, in the 200 bytes of an id. */
const maxKeyBytes = 80;
/** Types of errors with a rule of their own: what a person has written down. */
const maxErrorRules = 100;
/** Tasks that one waits for: all others of the largest batch. */
const maxAfter = 1_000;

const invalid = (reason: string, hint: string) => new InvalidTask({ reason, hint });

/** Ids in refusals: an id that is none may be of any size, and from a program without types anything. */
export const shown = (id: string): string => {
  const text = String(id);
  return text.length > 80 ? `${text.slice(0, 80).toWellFormed()}…` : text.toWellFormed();
};

export const notAnId = (of: string, id: string): InvalidTask | undefined =>
  isHistory({ tenant: "t", kind: "task", id })
    ? undefined
    : invalid(`"${shown(id)}" is no id of a ${of}`, `An id has 1 to ${maxIdBytes} bytes of well-formed UTF-8.`);

const notAnAgentType = (agentType: string): InvalidTask | undefined => {
  if (typeof agentType !== "string")
    return invalid(`the agent type ${shown(agentType)} is no text`, "Give it as a text.");
  const bytes = Buffer.byteLength(agentType, "utf8");
  if (bytes > 0 && bytes <= maxAgentTypeBytes && agentType.isWellFormed()) return undefined;
  return invalid(
    `the agent type "${shown(agentType)}" has ${bytes} bytes`,
    `It has 1 to ${maxAgentTypeBytes} of well-formed UTF-8.`,
  );
};

export const isAgentType = (agentType: string): boolean => notAnAgentType(agentType) === undefined;

const tooDeep = (what: string, value: unknown): InvalidTask | undefined =>
  isDeeper(value, maxDepth)
    ? invalid(`${what} is nested deeper than ${maxDepth} levels`, "Make it flatter, or give it as a text.")
    : undefined;

/** Fault of a task's request; undefined when there is none. */
export const requestFault = ({ agentType, timeoutSeconds, workflowParams }: TaskRequest): InvalidTask | undefined => {
  if (timeoutSeconds != null && !(timeoutSeconds > 0 && timeoutSeconds * 1_000 <= maxDelayMillis)) {
    return invalid(`timeoutSeconds is ${timeoutSeconds}`, `It is more than 0, and at most ${maxDelayMillis / 1_000}.`);
  }
  return notAnAgentType(agentType) ?? tooDeep("workflowParams", workflowParams);
};

/** Fault of an output. */
export const outputFault = (output: unknown): InvalidTask | undefined => tooDeep("the output", output);

/** Fault of a report: JSON has no NaN, and would leave it out without a word. */
export const reportFault = (numbers: ReadonlyArray<number | null | undefined>, reports: number) => {
  const odd = numbers.find((number) => number != null && !Number.isFinite(number));
  if (odd !== undefined) return invalid(`progress cannot be ${odd}`, "progress and total are finite numbers.");
  if (reports < maxReports) return undefined;
  return invalid(
    `the task has reported ${maxReports} times in this attempt`,
    "Report less often, as every tenth step.",
  );
};

/** Fault of a pause. */
export const delayFault = (delayMillis: number): InvalidTask | undefined =>
  delayMillis >= 0 && delayMillis <= maxDelayMillis
    ? undefined
    : invalid(`a pause of ${delayMillis} ms`, `It is from 0 to ${maxDelayMillis}, a year.`);

/** Fault of a task's key. */
export const keyFault = (dedupKey: string): InvalidTask | undefined => {
  if (typeof dedupKey !== "string") return invalid(`the key ${shown(dedupKey)} is no text`, "Give it as a text.");
  const bytes = Buffer.byteLength(dedupKey, "utf8");
  if (bytes > 0 && bytes <= maxKeyBytes && dedupKey.isWellFormed()) return undefined;
  return invalid(`the key "${shown(dedupKey)}" has ${bytes} bytes`, `It has 1 to ${maxKeyBytes} of well-formed UTF-8.`);
};

/** Fault of rules for errors. */
export const onErrorFault = (types: ReadonlyArray<string>): InvalidTask | undefined => {
  if (types.length > maxErrorRules) {
    return invalid(`onError names ${types.length} types of errors`, `It names at most ${maxErrorRules}.`);
  }
  const odd = types.find((type) => type === "" || Buffer.byteLength(type, "utf8") > maxErrorTypeBytes);
  return odd === undefined
    ? undefined
    : invalid(`onError names the type "${shown(odd)}"`, `A type has 1 to ${maxErrorTypeBytes} bytes.`);
};

/** Fault of the tasks that one waits for. */
export const afterFault = (id: string, after: ReadonlyArray<string>): InvalidTask | undefined => {
  if (after.length > maxAfter) {
    return invalid(`${id} waits for ${after.length} tasks`, `At most ${maxAfter}; let some of them wait for others.`);
  }
  if (after.includes(id)) return invalid(`${shown(id)} waits for itself`, "Take it out of its after.");
  return after.map((one) => notAnId("task", one)).find((fault) => fault !== undefined);
};

/** Fault of a task that is in the log, by which it can never be claimed: another program may have written anything. */
export const submissionFault = (
  taskId: string,
  submitted: EventData<"task.submitted"> | undefined,
): InvalidTask | undefined =>
  submitted === undefined
    ? undefined
    : (notAnAgentType(submitted.request.agentType) ?? afterFault(taskId, submitted.after ?? []));

/** Fault of a claim. */
export const claimFault = (agentTypes: ReadonlyArray<string>, worker: string | undefined): InvalidTask | undefined => {
  if (agentTypes.length < 1 || agentTypes.length > maxAgentTypes) {
    return invalid(`${agentTypes.length} agent types are asked for`, `A worker has 1 to ${maxAgentTypes} of them.`);
  }
  if (worker !== undefined && Buffer.byteLength(worker) > maxWorkerBytes) {
    return invalid("the worker's name is too long", `It has at most ${maxWorkerBytes} bytes.`);
  }
  return agentTypes.map(notAnAgentType).find((fault) => fault !== undefined);
};

/** Fault of a number of tasks at once. */
export const concurrencyFault = (counts: ReadonlyArray<number>): InvalidTask | undefined => {
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.every((count) => Number.isSafeInteger(count) && count >= 1) && all <= maxConcurrency
    ? undefined
    : invalid(
        `${counts.join(" + ")} tasks cannot run at once`,
        `Whole numbers from 1, at most ${maxConcurrency} in all.`,
      );
};

/** A lease that can be kept. */
export const checkedLease = (leaseMillis: number | undefined): Effect.Effect<void, InvalidTask> =>
  leaseMillis === undefined ||
  (Number.isInteger(leaseMillis) && leaseMillis >= minLeaseMillis && leaseMillis <= maxLeaseMillis)
    ? Effect.void
    : Effect.fail(
        invalid(
          `a lease of ${leaseMillis} ms`,
          `It is a whole number of milliseconds from ${minLeaseMillis} to ${maxLeaseMillis}.`,
        ),
      );

/** Fails with the first of these that is there. */
export const refusing = (...faults: ReadonlyArray<InvalidTask | undefined>): Result.Result<void, InvalidTask> => {
  const fault = faults.find((one) => one !== undefined);
  return fault === undefined ? Result.succeed(undefined) : Result.fail(fault);
};
