/**
 * The public door for programs that use Effect: services, layers and effects, in the order in which data flows.
 *
 * Room: main.
 *
 * Effect is the program's own here: it is a dependency, where `recollect` brings its own inside.
 */

// Everything, over one connection.
export * as RecollectLayers from "./client/Layers.ts";

export * as Connect from "./publish/Connect.ts";
export { type Published, Publisher, type PublishError } from "./publish/Publisher.ts";
export { startSession, task } from "./publish/TaskPublisher.ts";
export { type Answering, type Calling, type Saying, thread } from "./publish/thread/ThreadPublisher.ts";
export type { Answer, Completion } from "./publish/thread/AnswerPublisher.ts";
export type { ChatMessage } from "./publish/thread/ChatMessage.ts";
export type { Synced } from "./publish/thread/Sync.ts";
export { type Fold, HistoryReading } from "./publish/HistoryReading.ts";
export { type ThreadView, ThreadViews } from "./publish/thread/ThreadViews.ts";

// Work that many share.
export {
  type BatchResult,
  layer as layerTasks,
  type Submitted,
  type TaskResult,
  Tasks,
} from "./coordination/tasks/Tasks.ts";
export { CannotRetry, TaskNotFound } from "./coordination/tasks/TaskErrors.ts";
export { InvalidTask } from "./coordination/config/TaskLimits.ts";
export { type Children, children, results } from "./coordination/tasks/TaskChildren.ts";
export type { Batch, BatchRequest, Submission } from "./coordination/tasks/TaskSubmit.ts";
export type { LogPiece } from "./domain/task/TaskLogs.ts";
export type { TaskLease } from "./coordination/tasks/TaskLease.ts";
export { TaskQueue } from "./coordination/tasks/queue/TaskQueue.ts";
export * as TaskQueueMemory from "./coordination/tasks/queue/TaskQueueMemory.ts";
export * as TaskQueueNats from "./coordination/tasks/queue/TaskQueueNats.ts";
export { type Running, type Work, work } from "./coordination/tasks/Worker.ts";
export { keepFilledFromLog } from "./coordination/tasks/Requeue.ts";
export { keepScheduled } from "./coordination/tasks/TaskScheduler.ts";
export type { QueueRate, QueueSettings } from "./coordination/config/QueueSettings.ts";
export type { TaskSchedule } from "./coordination/config/TaskSchedule.ts";
// What processes share.
export { type Bucket, Buckets } from "./coordination/bucket/Bucket.ts";
export * as BucketKv from "./coordination/bucket/BucketKv.ts";
export * as CacheSharingMemory from "./coordination/cache/CacheSharingMemory.ts";
export * as CacheSharingNats from "./coordination/cache/CacheSharingNats.ts";
export * as Configuration from "./coordination/config/Configuration.ts";
export * as FileCache from "./coordination/cache/FileCache.ts";
export * as KeyValueStoreBucket from "./coordination/bucket/KeyValueStoreBucket.ts";
export * as Limits from "./coordination/limits/Limits.ts";
export * as PersistenceBucket from "./coordination/bucket/PersistenceBucket.ts";
export * as ResponseCache from "./coordination/cache/ResponseCache.ts";

// While it is being said.
export { Live, type Watched, watch } from "./log/live/Live.ts";
export * as LiveNats from "./log/live/LiveNats.ts";

// Together: who is there, what happens, and what they tell each other.
export { Inbox, layer as layerInbox, type Message, type Sending } from "./coordination/inbox/Inbox.ts";
export { layer as layerWatch, type Seen, Watch, type Watchable } from "./coordination/watch/Watch.ts";
export { type Presence, PresenceBucket, type Present } from "./coordination/sessions/Presence.ts";
export * as PresenceKv from "./coordination/sessions/PresenceKv.ts";
export { layer as layerSessions, Sessions } from "./coordination/sessions/Sessions.ts";

// What can go wrong.
export { FileMissing, FileTooLarge, FileUnreadable } from "./coordination/cache/FileErrors.ts";
export { AnswerRefused, RequestRefused } from "./coordination/cache/RequestKey.ts";
export { PresenceUnavailable } from "./coordination/sessions/Presence.ts";
export { InboxFull, InboxRefused, InboxUnavailable, NoReply } from "./coordination/inbox/Inbox.ts";
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
