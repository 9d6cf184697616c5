/**
 * Watching for programs that speak in promises: history first, then live, as an async iterable.
 *
 * Room: client.
 */
import { dataOf } from "../log/Envelope.ts";
import { Effect, Stream } from "effect";
import * as History from "../domain/History.ts";
import { isMisfit, type LogEntry } from "../domain/Event.ts";
import { type Seen, Watch, type Watchable, type Watching } from "../coordination/watch/Watch.ts";
import { asObject } from "./Given.ts";
import type { Section } from "./sections/Section.ts";

/** Scope of a watch: one thread, task or session by its id, or the whole tenant. */
export type Target = { readonly thread: string } | { readonly task: string } | { readonly session: string } | "all";

/** An event as a program in promises sees it: `data` is the body's JSON. */
export interface WatchedEvent {
  readonly sequence: number;
  readonly id: string;
  readonly type: string;
  readonly tenant: string;
  readonly kind: History.HistoryKind;
  readonly historyId: string;
  readonly source: string;
  readonly actor: string | undefined;
  readonly session: string | undefined;
  /** Epoch milliseconds. */
  readonly occurredAt: number;
  readonly data: unknown;
}

export type WatchedElement =
  | { readonly _tag: "Event"; readonly event: WatchedEvent }
  | Exclude<Seen, { readonly _tag: "Event" }>;

/** As a program sees it; nothing of an entry that is no event. */
export const watchedOf = (entry: LogEntry): ReadonlyArray<WatchedElement> => {
  if (isMisfit(entry)) return [];
  const { actor, body, history, id, occurredAt, sequence, session, source, type } = entry;
  const { id: historyId, kind, tenant } = history;
  const about = { source, actor, session, occurredAt };
  return [{ _tag: "Event", event: { sequence, id, type, tenant, kind, historyId, ...about, data: dataOf(body) } }];
};

const watchableOf = (target: Target, tenant: string): Watchable => {
  if (target === "all") return { tenant };
  if ("thread" in target) return { history: History.thread(target.thread, tenant) };
  if ("task" in target) return { history: History.task(target.task, tenant) };
  return { history: History.session(target.session, tenant) };
};

/** Watches over one section of the client. */
export const watchOver = (
  section: Section<Watch>,
  tenant: string,
  target: Target,
  options: Watching,
): AsyncIterable<WatchedElement> => {
  if (target !== "all") asObject(target, "watch");
  const elements = Stream.unwrap(
    Watch.use(({ watch }) => Effect.succeed(watch(watchableOf(target, tenant), options))),
  ).pipe(
    Stream.map((seen) => (seen._tag === "Event" ? watchedOf(seen.entry) : [seen])),
    Stream.flattenIterable,
  );
  return { [Symbol.asyncIterator]: () => section.iterate(elements) };
};
