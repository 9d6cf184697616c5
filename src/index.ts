/**
 * The public door: what a program imports as `recollect`, in promises.
 *
 * Room: main. In: publish, coordination, edge. Out: users.
 *
 * A program that uses Effect itself imports `recollect/effect`.
 */
export {
  Recollect,
  type RecollectCall,
  type RecollectSession,
  type RecollectTask,
  type RecollectThread,
} from "./publish/Recollect.ts";
export type { ReadMessage, ReadThread } from "./publish/ReadThread.ts";
export type { RecollectAnswer } from "./publish/RecollectAnswer.ts";
export type { ConnectOptions } from "./publish/PromiseRuntime.ts";
export type { Flushed } from "./publish/Runner.ts";

export { type PresentSession, RecollectSessions } from "./coordination/RecollectSessions.ts";
export { RecollectLive, type WatchedElement, type WatchedEvent } from "./coordination/RecollectLive.ts";
export { type CacheOptions, type ReadFor, RecollectCache } from "./coordination/RecollectCache.ts";
export { RecollectInbox } from "./coordination/RecollectInbox.ts";
export { RecollectShared, type SharedOptions, type Taken } from "./coordination/RecollectShared.ts";

// Work that many share.
export {
  RecollectTasks,
  type RunningTask,
  type RunningWorker,
  type TasksOptions,
  type WorkOptions,
} from "./coordination/RecollectTasks.ts";
export { type BatchResult, CannotRetry, type Submitted, TaskNotFound, type TaskResult } from "./coordination/Tasks.ts";
export { InvalidTask } from "./coordination/TaskLimits.ts";
export type { Batch, Submission } from "./coordination/TaskSubmit.ts";
export type { TaskSchedule } from "./coordination/TaskSchedule.ts";
export { LeaseLost } from "./domain/TaskRecord.ts";

export type { Calling, Saying } from "./publish/ThreadPublisher.ts";
export type { Published } from "./publish/Publisher.ts";
export type { Completion } from "./publish/AnswerPublisher.ts";
export type { ChatMessage } from "./publish/ChatMessage.ts";
export type { Synced } from "./publish/Sync.ts";
export type { Message, Sending } from "./coordination/Inbox.ts";

// What can go wrong.
export { FileMissing, FileTooLarge, FileUnreadable } from "./coordination/DiskFile.ts";
export { RequestRefused } from "./coordination/RequestKey.ts";
export { PresenceUnavailable } from "./coordination/Presence.ts";
export { InboxFull, InboxRefused, InboxUnavailable, NoReply } from "./coordination/Inbox.ts";
export { WatchRefused } from "./coordination/Watch.ts";
export { SessionRefused } from "./coordination/Sessions.ts";
export { InvalidEvent } from "./publish/Compose.ts";
export { NotAccepted } from "./publish/Keep.ts";
export { IllegalTransition } from "./domain/Task.ts";
export { AppendRefused, LogUnavailable, SequenceConflict } from "./log/EventLog.ts";

// What is published.
export type { Delta } from "./domain/Draft.ts";
export type { Part, Program, TokenUsage } from "./domain/Content.ts";
export { type EventData, type EventTypeName, eventTypes } from "./domain/Event.ts";
export type { TaskStatus } from "./domain/Fact.ts";
export { History } from "./domain/History.ts";
export type { TaskRequest } from "./domain/TaskEvents.ts";
