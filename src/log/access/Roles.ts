/**
 * Permissions of each role at nats-server: the least that our own client works with.
 *
 * Room: log.
 *
 * | role | lives in | may |
 * |---|---|---|
 * | publisher | its tenant's account | write threads, tasks, sessions and sources of its tenant; read what its tenant has |
 * | reader | its tenant's account | read what its tenant has |
 * | worker | the store's account | what a publisher may, and what processes share: queue, buckets, limits, presence |
 * | operator | the store's account | everything but remove events: configuration too |
 *
 * A publisher or reader reaches the store through service imports that name its tenant, so that nothing it can say names
 * another tenant, and an answer goes back into its own account whatever reply subject it names. Worker and operator are
 * trusted by the whole store, and write under their own names: what they write names them (`recollect-by.<name>.…`), and the
 * daemon hands it on. Everyone's inbox is private: `_INBOX_<name>`.
 */
import type { HistoryKind } from "../../domain/History.ts";
import { encodeToken, root, signedRoot } from "../Subject.ts";

export const roles = ["publisher", "reader", "worker", "operator"] as const;
export type Role = (typeof roles)[number];

export interface Permissions {
  readonly publish: { readonly allow?: ReadonlyArray<string>; readonly deny?: ReadonlyArray<string> };
  readonly subscribe: { readonly allow?: ReadonlyArray<string>; readonly deny?: ReadonlyArray<string> };
  /** Answers to questions that were heard, for a moment. */
  readonly answers?: boolean;
}

/** The account that holds the stream; also the name of its folder below `jetstream/`. */
export const storeAccount = "RECOLLECT";
export const systemAccount = "SYS";
/** A tenant's account. Its name is no word of NATS's own. */
export const accountOf = (tenant: string): string => `RECOLLECT-${encodeToken(tenant)}`;

export const isTenantRole = (role: Role): boolean => role === "publisher" || role === "reader";

export const stream = "RECOLLECT";
const threads = "RECOLLECT_THREADS";

/** Subjects that a publisher writes. Configuration is written by operators, store events by the store. */
export const publisherKinds = ["thread", "task", "session", "source"] as const satisfies ReadonlyArray<HistoryKind>;

/** Inbox subjects of a user. */
export const inboxOf = (name: string): string => `_INBOX_${encodeToken(name)}`;

/** First token of what tenants' users write, on its way into the stream (see TenantWritesNats). */
export const writesRoot = `${root}-in`;

/** Questions that the daemon answers for a tenant, because nats-server cannot bound them to one (see TenantServiceNats). */
export const serviceRoot = `${root}-store`;
export const tenantQuestions = ["STREAM.INFO", "MSG.GET", "DIRECT.GET", "BLOB.PUT", "BLOB.GET"] as const;

/** A subject of the store's account, and what a tenant's account calls it. */
interface Service {
  readonly subject: string;
  readonly to?: string;
  /** True where nats-server says in a message who is connected. */
  readonly isShared?: boolean;
}

/** Everything of the store that a tenant's account reaches. */
export const servicesOf = (tenant: string): ReadonlyArray<Service> => {
  const token = encodeToken(tenant);
  return [
    ...publisherKinds.map((kind) => ({
      subject: `${writesRoot}.${token}.${kind}.*`,
      to: `${root}.${token}.${kind}.*`,
      isShared: true,
    })),
    { subject: `$JS.API.DIRECT.GET.${stream}.${root}.${token}.>` },
    { subject: `$JS.API.DIRECT.GET.KV_${threads}.$KV.${threads}.${token}.>` },
    { subject: `${root}-history.${token}.>` },
    ...tenantQuestions.map((question) => ({
      subject: `${serviceRoot}.${token}.${question}`,
      to: `${serviceRoot}.${question}`,
    })),
  ];
};

/** Requests of the daemon alone: they remove events, or what holds them. */
const removals = [
  "DELETE",
  "PURGE",
  "MSG.DELETE",
  "UPDATE",
  "RESTORE",
  "SNAPSHOT",
  "PEER.REMOVE",
  "LEADER.STEPDOWN",
].map((verb) => `$JS.API.STREAM.${verb}.${stream}`);

/** Requests denied to this user's own commands and publishers. */
export const localDenied: ReadonlyArray<string> = ["DELETE", "PURGE", "MSG.DELETE", "RESTORE"].map(
  (verb) => `$JS.API.STREAM.${verb}.${stream}`,
);

const readingOf = (token: string): ReadonlyArray<string> => [
  "$JS.API.INFO",
  `$JS.API.DIRECT.GET.${stream}.${root}.${token}.>`,
  `$JS.API.DIRECT.GET.KV_${threads}.$KV.${threads}.${token}.>`,
  `${root}-history.${token}.>`,
  `${root}-live-ask.${token}.>`,
  ...tenantQuestions.filter((question) => question !== "BLOB.PUT").map((question) => `${serviceRoot}.${question}`),
];

/** `under`: first tokens of the subjects of events. */
const writingOf = (token: string, under: string): ReadonlyArray<string> => [
  ...publisherKinds.map((kind) => `${under}.${token}.${kind}.*`),
  `${root}-live.${token}.>`,
  `${serviceRoot}.BLOB.PUT`,
];

/** Question of a user for its own permissions: by them a client knows whether its writes have to name it. */
const ownPermissions = "$SYS.REQ.USER.INFO";

/** Streams that processes make at their first use. A worker may make no other: each of these has a size limit. */
export const sharedStreams: ReadonlyArray<string> = [
  "RECOLLECT_TASKS",
  ...["FILES", "FLIGHTS", "INBOX", "LIMITS", "RESPONSES", "SESSIONS", "TASK_SLOTS"].map(
    (name) => `KV_RECOLLECT_${name}`,
  ),
  ...["BLOBS", "FILE_CONTENTS"].map((name) => `OBJ_RECOLLECT_${name}`),
];

/** Buckets, queue and news that processes share; the object stores of files and blobs. */
const shared: ReadonlyArray<string> = [
  ownPermissions,
  "$JS.API.INFO",
  "$JS.API.STREAM.INFO.*",
  "$JS.API.STREAM.MSG.GET.*",
  "$JS.API.DIRECT.GET.>",
  "$JS.API.CONSUMER.*.>",
  ...sharedStreams.flatMap((name) => ["CREATE", "UPDATE", "PURGE"].map((verb) => `$JS.API.STREAM.${verb}.${name}`)),
  "$JS.ACK.>",
  "$JS.FC.>",
  "$KV.>",
  "$O.>",
];

export const permissionsOf = (user: {
  readonly name: string;
  readonly role: Role;
  readonly tenant: string;
}): Permissions => {
  const token = encodeToken(user.tenant);
  const inbox = `${inboxOf(user.name)}.>`;
  const live = `${root}-live.${token}.>`;
  const signed = `${signedRoot}.${user.name}`;
  const reading = readingOf(token);
  switch (user.role) {
    case "reader":
      return { publish: { allow: reading }, subscribe: { allow: [inbox, live] } };
    case "publisher":
      return {
        publish: { allow: [...reading, ...writingOf(token, root)] },
        subscribe: { allow: [inbox, live, `${root}-live-ask.${token}.>`] },
        answers: true,
      };
    case "worker":
      return {
        publish: {
          allow: [
            ...shared,
            ...reading,
            ...writingOf(token, signed),
            `${root}-tasks.${token}.>`,
            `${root}-holder.>`,
            `${root}-cache.>`,
            `${root}-cache-ask.>`,
          ],
          // The daemon alone writes snapshots, and makes or changes the stream.
          deny: [`$KV.${threads}.>`, ...removals, `$JS.API.STREAM.CREATE.${stream}`, `$JS.API.STREAM.*.KV_${threads}`],
        },
        subscribe: {
          allow: [
            inbox,
            live,
            `${root}-live-ask.${token}.>`,
            `${root}-holder.>`,
            `${root}-cache.>`,
            `${root}-cache-ask.>`,
          ],
        },
        answers: true,
      };
    case "operator":
      return {
        publish: {
          allow: [
            ownPermissions,
            "$JS.>",
            "$KV.>",
            "$O.>",
            `${signed}.>`,
            ...["cache", "cache-ask", "history", "holder", "live", "live-ask", "store", "tasks"].map(
              (word) => `${root}-${word}.>`,
            ),
          ],
          deny: [...removals, `$KV.${threads}.>`],
        },
        subscribe: { deny: ["_INBOX.>"] },
        answers: true,
      };
  }
};
