/**
 * The stream of a bucket: made where it is missing, and brought in line with its settings.
 *
 * Room: coordination.
 */
import { JetStreamApiCodes, JetStreamApiError, type StreamConfig } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { NatsConnection } from "../../log/connection/NatsConnectionNats.ts";
import type { Settings } from "./Bucket.ts";

/** Life of the mark of an end or a removal, for watchers that are not connected; the others are told at once. */
export const markMillis = 60_000;

const hour = 3_600_000;

const configOf = (settings: Settings) =>
  ({
    name: `KV_${settings.name}`,
    description: settings.description,
    subjects: [`$KV.${settings.name}.>`],
    storage: settings.storage === "memory" ? "memory" : "file",
    num_replicas: settings.replicas ?? 1,
    ...(settings.storage === "quick" && (settings.replicas ?? 1) === 1 ? { persist_mode: "async" as const } : {}),
    max_age: nanos(settings.ttlMillis ?? 0),
    max_bytes: settings.maxBytes,
    max_msg_size: settings.maxValueBytes + 1024,
    max_msgs_per_subject: 1,
    discard: settings.whenFull === "forget" ? "old" : "new",
    duplicate_window: nanos(Math.min(settings.ttlMillis ?? hour, 120_000)),
    max_consumers: 5_000,
    allow_direct: true,
    allow_rollup_hdrs: true,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: nanos(markMillis),
    deny_delete: true,
  }) satisfies Partial<StreamConfig>;

/** Fields that are brought in line; storage and the like cannot be. */
const repairable = ["max_age", "max_bytes", "max_msg_size", "discard", "subject_delete_marker_ttl"] as const;

const isNotFound = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;

/** Another process made it at the same moment, a version with other settings perhaps: it is there. */
const isInUse = (error: unknown): boolean => error instanceof JetStreamApiError && error.code === 10_058;

/** Makes the stream or brings it in line. */
export const ensureStream = async (jsm: NatsConnection["Service"]["jsm"], settings: Settings): Promise<void> => {
  const config = configOf(settings);
  try {
    const { config: found } = await jsm.streams.info(config.name);
    if (repairable.some((field) => found[field] !== config[field])) {
      const repairs = Object.fromEntries(repairable.map((field) => [field, config[field]]));
      await jsm.streams.update(config.name, { ...found, ...repairs });
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await jsm.streams.add(config).catch((why: unknown) => {
      if (!isInUse(why)) throw why;
    });
  }
};
