/**
 * The work queue: which tasks wait to be claimed. A cache of the log that may be deleted at any time.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/TaskQueueContract.ts`, kept by every layer:
 * - a task is in the queue at most once, however often it is put there;
 * - `take` gives the most urgent entry of the agent types asked for, of equally urgent ones the oldest;
 * - an entry that was taken comes to no other worker until its lease lapses without a heartbeat, or it is given back;
 * - an entry that was given back comes again after its delay, and one that is done or withdrawn never;
 * - a take that is interrupted keeps no entry from others.
 *
 * The queue knows nothing of a task's state. The taker of an entry asks the log what it means.
 */
import { Context, type Effect } from "effect";
import type { TaskPriority } from "../../../domain/task/TaskEvents.ts";
import type { Submitted } from "../../../domain/task/TaskRecord.ts";
import type { LogUnavailable } from "../../../log/EventLog.ts";

/** In the order in which they are served. */
export const priorities: ReadonlyArray<TaskPriority> = ["high", "normal", "low"];

/**
 * The lease: longest silence of a worker before its task goes to another. Three heartbeats fit in, so one that is late by the
 * pause of a restarting server is no loss; a worker that dies costs its task half a minute.
 */
export const defaultLeaseMillis = 30_000;

/** Key of an entry. */
export interface Named {
  readonly taskId: string;
  readonly agentType: string;
  readonly priority: TaskPriority;
}

export interface Waiting extends Named {
  /** A task that was submitted and nothing more, for whoever takes it. Spares him a look into the log, and may be lost. */
  readonly known?: Submitted | undefined;
}

/** A task that was handed out. */
export interface Entry {
  readonly taskId: string;
  readonly agentType: string;
  /** State known when it was put in; only when it is handed out for the first time. */
  readonly known: Submitted | undefined;
  /** The queue's own name of this handing out. */
  readonly receipt: string;
  /** Without a `keep` in this time it is handed out again. */
  readonly leaseMillis: number;
}

/** Entries of an agent type cannot be asked for: a consumer that cannot be made, a right that is missing. */
export interface Trouble {
  readonly agentType: string;
  readonly reason: string;
}

/** One token of a lease at one holder: a process that works. */
export interface Held {
  readonly holder: string;
  readonly token: number;
}

export class TaskQueue extends Context.Service<
  TaskQueue,
  {
    /** Puts a task in; false when it is there already, also handed out. */
    readonly put: (task: Waiting) => Effect.Effect<boolean, LogUnavailable>;
    /**
     * The next entry; waits until there is one. While the queue cannot be reached it goes on trying, and tells `trouble` at
     * each try why one of the types cannot be asked for.
     */
    readonly take: (agentTypes: ReadonlyArray<string>, trouble?: (trouble: Trouble) => void) => Effect.Effect<Entry>;
    /** The heartbeat: another whole lease. */
    readonly keep: (entry: Entry) => Effect.Effect<void>;
    /** To be handed out again after a delay. */
    readonly giveBack: (entry: Entry, delayMillis: number) => Effect.Effect<void>;
    readonly done: (entry: Entry) => Effect.Effect<void>;
    /** Takes out an entry that needs no claim any more, handed out or not; nothing when it is not there. */
    readonly withdraw: (task: Named) => Effect.Effect<void>;
    /** Subject on which this process answers what it holds. */
    readonly holder: string;
    /** Answers for a token from now on, until it is let go. */
    readonly hold: (token: number) => Effect.Effect<void>;
    readonly letGo: (token: number) => Effect.Effect<void>;
    /** False when a holder says that it does not work under this token, or is not there; one that is only silent may. */
    readonly isHeld: (held: Held) => Effect.Effect<boolean>;
    /** The clock of log and queue, epoch milliseconds: that of the machine as long as it cannot be asked. */
    readonly now: Effect.Effect<number>;
    /** Makes the queue where it is not there. Another answer than before: it was lost, or may have lost something. */
    readonly incarnation: Effect.Effect<string, LogUnavailable>;
  }
>()("recollect/coordination/TaskQueue") {}
