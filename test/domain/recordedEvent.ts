/** An event as the log gives it back, for the tests of what reads it. */
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { thread } from "../../src/domain/History.ts";

export const recordedEvent = (
  type: string,
  data: unknown,
  more: Partial<Omit<RecordedEvent, "type" | "body">> = {},
): RecordedEvent => ({
  id: "0190a000-0000-7000-8000-000000000001",
  type,
  schemaVersion: 1,
  source: "test",
  occurredAt: 1_700_000_000_000,
  recordedAt: 1_700_000_000_005,
  sequence: 7,
  history: thread("t"),
  ...more,
  body: Buffer.from(JSON.stringify(data), "utf8"),
});
