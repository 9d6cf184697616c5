/**
 * The public door for programs that use Effect: services, layers and effects, in the order in which data flows.
 *
 * Room: main. In: publish, coordination, log. Out: users.
 *
 * Effect is the program's own here: it is a dependency, where `recollect` brings its own inside.
 */

// Effect.
export * as Connect from "./publish/Connect.ts";
export { type Published, Publisher, type PublishError } from "./publish/Publisher.ts";
export { startSession, submit, task } from "./publish/TaskPublisher.ts";
export { type Answering, type Calling, type Saying, thread } from "./publish/ThreadPublisher.ts";
export type { Answer, Completion } from "./publish/AnswerPublisher.ts";
export type { ChatMessage } from "./publish/ChatMessage.ts";
export type { Synced } from "./publish/Sync.ts";
export { type ThreadView, ThreadViews } from "./publish/ThreadViews.ts";

// Work that many share.
export {
  type BatchResult,
  CannotRetry,
  layer as layerTasks,
  type Submitted,
  TaskNotFound,
  type TaskResult,
  Tasks,
} from "./coordination/Tasks.ts";
export { InvalidTask } from "./coordination/TaskLimits.ts";
export type { Batch, Submission } from "./coordination/TaskSubmit.ts";
export type { TaskLease } from "./coordination/TaskLease.ts";
export { TaskQueue } from "./coordination/TaskQueue.ts";
export * as TaskQueueMemory from "./coordination/TaskQueueMemory.ts";
export * as TaskQueueNats from "./coordination/TaskQueueNats.ts";
export * as TasksWhenNeeded from "./coordination/TasksWhenNeeded.ts";
export { type Running, type Work, work } from "./coordination/Worker.ts";
export { keepFilledFromLog } from "./coordination/Requeue.ts";
export { keepScheduled } from "./coordination/TaskScheduler.ts";
export type { TaskSchedule } from "./coordination/TaskSchedule.ts";
export { LeaseLost } from "./domain/TaskRecord.ts";
// What processes share.
export { type Bucket, Buckets } from "./coordination/Bucket.ts";
export * as BucketKv from "./coordination/BucketKv.ts";
export * as CacheWireMemory from "./coordination/CacheWireMemory.ts";
export * as CacheWireNats from "./coordination/CacheWireNats.ts";
export * as Configuration from "./coordination/Configuration.ts";
export * as FileCache from "./coordination/FileCache.ts";
export * as KeyValueStoreBucket from "./coordination/KeyValueStoreBucket.ts";
export * as LimiterStore from "./coordination/LimiterStore.ts";
export * as Limits from "./coordination/Limits.ts";
export * as PersistenceBucket from "./coordination/PersistenceBucket.ts";
export * as ResponseCache from "./coordination/ResponseCache.ts";

// While it is being said.
export { Live, type Watched, watch } from "./log/Live.ts";
export * as LiveNats from "./log/LiveNats.ts";

// Together: who is there, what happens, and what they tell each other.
export { Inbox, layer as layerInbox, type Message, type Sending } from "./coordination/Inbox.ts";
export { layer as layerWatch, type Seen, Watch, type Watchable } from "./coordination/Watch.ts";
export { type Presence, PresenceBucket, type Present } from "./coordination/Presence.ts";
export * as PresenceKv from "./coordination/PresenceKv.ts";
export { layer as layerSessions, Sessions } from "./coordination/Sessions.ts";

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
