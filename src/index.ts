/**
 * The public door: what a program imports as `recollect`, in promises.
 *
 * Room: main.
 *
 * A program that uses Effect itself imports `recollect/effect`.
 */
export { Recollect } from "./client/Door.ts";
export type { RecollectSession, RecollectTask } from "./client/Recollect.ts";
export type { RecollectCall, RecollectThread } from "./client/RecollectThread.ts";
export type { ReadMessage, ReadThread, ReadThreadOptions } from "./client/ReadThread.ts";
export type { RecollectAnswer } from "./client/RecollectAnswer.ts";
export type { ConnectOptions } from "./client/PromiseRuntime.ts";
export type { Flushed } from "./client/PromiseRunner.ts";
export type {
  AppendOptions,
  EventFold,
  FoldedState,
  HistoryEvent,
  ReadOptions,
  RecollectHistory,
} from "./client/sections/RecollectHistory.ts";
export type { ListOptions, ListPage, SqlRow } from "./client/sections/RecollectQuery.ts";
export { NoDatabase } from "./client/NoDatabase.ts";
export type { ListedHistory } from "./query/HistoryList.ts";
export { QueryRefused, QueryStopped, type SqlParameters } from "./query/Sql.ts";
export { RecollectClosed } from "./client/RecollectClosed.ts";
export { RecollectError } from "./client/RecollectError.ts";
export { InvalidArgument } from "./client/Given.ts";

// What hangs on it.
export type {
  Progress,
  RecollectTasks,
  RunningTask,
  RunningWorker,
  WorkOptions,
} from "./client/sections/RecollectTasks.ts";
export type { PresentSession, RecollectSessions } from "./client/sections/RecollectSessions.ts";
export type { RecollectInbox } from "./client/sections/RecollectInbox.ts";
export type { RecollectChannel } from "./client/sections/RecollectChannel.ts";
export { ChannelRefused } from "./log/live/Channels.ts";
export type { HeldConfig, RecollectConfig } from "./client/sections/RecollectConfig.ts";
export type { RecollectLimits } from "./client/sections/RecollectLimits.ts";
export type { Allowed, Denied } from "./coordination/limits/Limits.ts";
export type { ReadFor, RecollectFiles } from "./client/sections/RecollectFiles.ts";
export type { RecollectResponses } from "./client/sections/RecollectResponses.ts";
export type { Target, WatchedElement, WatchedEvent } from "./client/WatchEvents.ts";
export type { BatchResult, Submitted, TaskResult } from "./coordination/tasks/Tasks.ts";
export { CannotRetry, TaskNotFound } from "./coordination/tasks/TaskErrors.ts";
export { InvalidTask } from "./coordination/config/TaskLimits.ts";
export type {
  DeadLetter as TaskDeadLetter,
  DeadLetters as TaskDeadLetters,
  Retried as RetriedTask,
} from "./coordination/tasks/DeadLetters.ts";
export type { Children } from "./coordination/tasks/TaskChildren.ts";
export type { Batch, BatchRequest, Submission } from "./coordination/tasks/TaskSubmit.ts";
export type { LogPiece } from "./domain/task/TaskLogs.ts";
export { TaskDeferred } from "./client/TaskDeferred.ts";
export type { QueueRate, QueueSettings } from "./coordination/config/QueueSettings.ts";
export type { TaskSchedule } from "./coordination/config/TaskSchedule.ts";

export type { Answering, Calling, Describing, Forking, Saying } from "./publish/thread/ThreadPublisher.ts";
export type { AppendedAll, AppendedEvent, Published } from "./publish/Publisher.ts";
export type { Completion } from "./publish/thread/AnswerPublisher.ts";
export type { ChatMessage } from "./publish/thread/ChatMessage.ts";
export type { Synced } from "./publish/thread/Sync.ts";
export type { DeadLetter, Message, Sending, Taken } from "./coordination/inbox/Inbox.ts";

// What can go wrong.
export { FileMissing, FileTooLarge, FileUnreadable } from "./coordination/cache/FileErrors.ts";
export { AnswerRefused, RequestRefused } from "./coordination/cache/RequestKey.ts";
export { PresenceUnavailable } from "./coordination/sessions/Presence.ts";
export { InboxFull, InboxUnavailable, NoReply, NoSuchMessage } from "./coordination/inbox/InboxCalls.ts";
export { InboxRefused } from "./coordination/inbox/InboxCheck.ts";
export { WatchRefused } from "./coordination/watch/WatchRefused.ts";
export { SessionRefused } from "./coordination/sessions/SessionRefused.ts";
export { InvalidEvent } from "./publish/write/InvalidEvent.ts";
export { NotAccepted } from "./publish/delivery/SpoolOrMemory.ts";
export { IllegalTransition, LeaseLost } from "./domain/task/Task.ts";
export { AccessDenied, AppendRefused, LogUnavailable, SequenceConflict } from "./log/EventLog.ts";

// What is published.
export type { Delta } from "./domain/thread/Draft.ts";
export type { Part, Program, TokenUsage } from "./domain/thread/Content.ts";
export { type EventData, type EventTypeName, eventTypes } from "./domain/Event.ts";
export type { TaskStatus } from "./domain/Fact.ts";
export { History } from "./domain/History.ts";
export type { TaskRequest } from "./domain/task/TaskEvents.ts";
