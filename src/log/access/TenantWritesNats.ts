/**
 * Writes of users, on their way into the stream: the user is added to each, as nats-server knows it.
 *
 * Room: log.
 *
 * A publish in a tenant's account comes to `recollect-in.<tenant>.<kind>.<id>` of the store's account, through a service
 * import that is shared: nats-server adds who is connected (`Nats-Request-Info`), and replaces what the sender wrote there.
 * The daemon hands it on to the stream with the user's name as the attribute `principal`, in the order in which it came.
 *
 * A worker or an operator, who lives in the store's account, writes to `recollect-by.<user>.<tenant>.<kind>.<id>`: nats-server
 * lets each user name itself alone. Its large parts lie in the object store already, so they count when an event names them.
 *
 * Promises: `principal` of an event that came this way is the name of the user whose connection sent it, whatever the
 * message says; a publisher claims no task and moves none under a claim; a write beyond a quota of the tenant is refused by
 * the quota's name, a batch as a whole; the answer is the stream's own.
 *
 * Decision: by the daemon, because the stream removes `Nats-Request-Info` before it stores a message (2.15.1), and a subject
 * for each user would make a history of each. It costs a tenant's publish one hop: 1.0 ms in place of 0.4, one by one,
 * without fsync, on a busy machine.
 */
import { headers, type Msg, type MsgHdrs } from "@nats-io/transport-node";
import { Effect, Layer } from "effect";
import { isObject } from "../../domain/Json.ts";
import { type Link, NatsConnection } from "../connection/NatsConnectionNats.ts";
import { type ApiError, apiCode } from "../connection/RequestNats.ts";
import { historyOf, root as streamRoot, signedRoot } from "../Subject.ts";
import { type User, userFinder } from "./AccessList.ts";
import { type Admission, type Admit, always, quotaAnswer } from "./Admission.ts";
import { bytesNamed } from "./NamedBlobs.ts";
import { isTenantRole, writesRoot } from "./Roles.ts";

/** User of the connection, as nats-server says it. */
const infoHeader = "Nats-Request-Info";
/** Added here, and nowhere else: whatever spelling a reader might take for it goes. */
const principalHeader = "ce-principal";
const ours: ReadonlySet<string> = new Set([infoHeader.toLowerCase(), principalHeader]);
/** Names a batch, in each of its messages (nats-server, ADR-50). */
const batchHeader = "Nats-Batch-Id";
/** Refused batches that are remembered. */
const mostRefused = 1_000;
/** An append waits on the stream for as long as our own client does. */
const answerMillis = 15_000;
const queue = "recollect";

const refusal = (code: number, description: string): ApiError => ({ code, err_code: apiCode.notAllowed, description });
/** Of a daemon that does not believe its server: later, and nowhere else. */
const away = ({ refused }: Link): ApiError => ({
  code: 503,
  err_code: apiCode.unavailable,
  description: refused?.message ?? "NATS is away",
});

/** The key or the name of the user whose connection sent it. */
const userOf = (message: Msg): string | undefined => {
  try {
    const said: unknown = JSON.parse(message.headers?.get(infoHeader) ?? "");
    return isObject(said) && typeof said["user"] === "string" ? said["user"] : undefined;
  } catch {
    return undefined;
  }
};

const queueMoves: ReadonlySet<string> = new Set(["task.claimed", "task.released"]);

/** A consumer's delivery is no user's publish: its deliver subject may name any user. */
const isDelivery = ({ reply }: Msg): boolean => reply?.startsWith("$JS.") === true;

const namesClaim = (message: Msg): boolean => {
  try {
    const data: unknown = message.json();
    return isObject(data) && data["claim"] != null;
  } catch {
    return false;
  }
};

/** True for what only a worker says: that it holds a task, and what it does to one that it holds. */
const isWorkers = (message: Msg, type: string): boolean =>
  type.startsWith("task.") && (queueMoves.has(type) || namesClaim(message));

/** The headers as they came, with `principal`. */
const signed = (message: Msg, principal: string): MsgHdrs => {
  const made = headers();
  for (const [name, values] of message.headers ?? []) {
    if (ours.has(name.trim().toLowerCase())) continue;
    for (const value of values) made.append(name, value);
  }
  made.set(principalHeader, principal);
  return made;
};

/** A body and what lies beside the stream for it: nothing for a tenant's user, whose large parts the daemon took and counted. */
interface Weighed {
  readonly message: Msg;
  readonly beside: number;
}

/** Admission of a message by the quotas of its tenant. Configuration has none: an operator changes a used quota by it. */
const admission = ({ beside, message }: Weighed, to: string, admit: Admit): Admission => {
  const history = historyOf(to);
  if (history === undefined || history.kind === "config" || history.kind === "store") return undefined;
  const thread = history.kind === "thread" ? history.id : undefined;
  return admit(history.tenant, { bytes: message.data.byteLength + beside, events: 1, thread });
};

/** Batches of which a part was refused: nothing more of one is handed on, and its end is answered with the refusal. */
class RefusedBatches {
  readonly #refused = new Map<string, NonNullable<Admission>>();

  of(message: Msg): Admission {
    const id = message.headers?.get(batchHeader) ?? "";
    return id === "" ? undefined : this.#refused.get(id);
  }

  add(message: Msg, refused: NonNullable<Admission>): void {
    const id = message.headers?.get(batchHeader) ?? "";
    if (id === "") return;
    this.#refused.set(id, refused);
    for (const oldest of this.#refused.keys()) {
      if (this.#refused.size <= mostRefused) break;
      this.#refused.delete(oldest);
    }
  }
}

type Connection = NatsConnection["Service"];

/** Hands one message on, and its answer back. Without a reply subject there is none to answer: a part of a batch. */
const handOn = ({ link, nc }: Connection, message: Msg, to: string, with_: MsgHdrs): void => {
  if (message.reply === undefined || message.reply === "") return nc.publish(to, message.data, { headers: with_ });
  const finish = (): void => {
    clearTimeout(timer);
    address.close();
  };
  const timer = setTimeout(finish, answerMillis);
  const address = link.replies.open({
    subject: to,
    onMessage: (answer) => {
      message.respond(answer.data, answer.headers === undefined ? {} : { headers: answer.headers });
      finish();
    },
    onNoAnswer: finish,
  });
  nc.publish(to, message.data, { headers: with_, reply: address.reply });
};

/** Forwards writes of users until the scope closes. `root` is the data folder, where users are listed. */
export const serve = (root: string, admit: Admit = always) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const connection = yield* NatsConnection;
      const find = userFinder(root);
      const batches = new RefusedBatches();
      const handle = (weighed: Weighed, user: User | undefined, to: string): void => {
        const { message } = weighed;
        const refuse = (code: number, why: string) => message.respond(JSON.stringify({ error: refusal(code, why) }));
        const { link } = connection;
        // A server with another stream than the one that is known gets nothing of a tenant's either.
        if (!link.connected) return void message.respond(JSON.stringify({ error: away(link) }));
        if (user === undefined) return void refuse(403, "the user of this connection is unknown");
        const type = message.headers?.get("ce-type") ?? "";
        if (isTenantRole(user.role) && isWorkers(message, type))
          return void refuse(403, `${type} is said by workers: ${user.name} is ${user.role}`);
        const refused = batches.of(message) ?? admission(weighed, to, admit);
        if (refused !== undefined) {
          batches.add(message, refused);
          return void (message.reply === undefined ? undefined : message.respond(quotaAnswer(refused)));
        }
        try {
          handOn(connection, message, to, signed(message, user.name));
        } catch (error) {
          // Larger than a message may be with one header more, or the connection is closed.
          refuse(400, error instanceof Error ? error.message : String(error));
        }
      };
      const ofTenant = (message: Msg): void => {
        const known = userOf(message);
        const user = known === undefined ? undefined : find(known);
        handle({ message, beside: 0 }, user, streamRoot + message.subject.slice(writesRoot.length));
      };
      const ofStore = (message: Msg): void => {
        if (isDelivery(message)) return;
        const [, name = "", ...history] = message.subject.split(".");
        handle({ message, beside: bytesNamed(message.data) }, find(name), [streamRoot, ...history].join("."));
      };
      const listen = (subject: string, take: (message: Msg) => void) =>
        Effect.acquireRelease(
          Effect.sync(() =>
            connection.nc.subscribe(subject, {
              queue,
              callback: (error, message) => {
                if (error === null) take(message);
              },
            }),
          ),
          (opened) => Effect.sync(() => opened.unsubscribe()),
        );
      yield* listen(`${writesRoot}.*.*.*`, ofTenant);
      yield* listen(`${signedRoot}.*.*.*.*`, ofStore);
    }),
  );
