/**
 * The daemon's service for tenants: questions about the stream that nats-server cannot bound to one tenant.
 *
 * Room: log.
 *
 * `recollect-store.<tenant>.<question>` in the store's account; a tenant's account reaches its own as `recollect-store.<question>`
 * and no other. A question names histories in its body, so each of them is held against the tenant of the subject, and so
 * is each message that is found. Answers are the server's own, so a client reads them as it reads the server's.
 *
 * | question | is the server's | bounded by |
 * |---|---|---|
 * | `STREAM.INFO` | `$JS.API.STREAM.INFO` | asked without a filter: no subject is named |
 * | `MSG.GET` | `$JS.API.STREAM.MSG.GET` | the subject asked for, and of the message found |
 * | `DIRECT.GET` | `$JS.API.DIRECT.GET`, one answer or many; many of all subjects are the tenant's own | the same, message by message |
 * | `BLOB.PUT`, `BLOB.GET` | | bytes by their SHA-256: who knows it knows what was said |
 */
import { headers, type Msg } from "@nats-io/transport-node";
import { Effect, Layer, Queue, Stream } from "effect";
import { isObject } from "../../domain/Json.ts";
import { NatsConnection } from "../connection/NatsConnectionNats.ts";
import type { Address } from "../connection/RepliesNats.ts";
import { ask } from "../connection/RequestNats.ts";
import { EventLog } from "../EventLog.ts";
import { decodeToken, root } from "../Subject.ts";
import { type Admit, always, quotaAnswer } from "./Admission.ts";
import { serviceRoot, stream } from "./Roles.ts";

type Connection = NatsConnection["Service"];
type Question = Readonly<Record<string, unknown>>;

const queue = "recollect";
const answerMillis = 5_000;
/** Questions answered at once, over all tenants, and those that wait for that. Beyond them there is no answer. */
const atOnce = 16;
const mostWaiting = 1_024;

const apiError = (code: number, err_code: number, description: string): string =>
  JSON.stringify({ error: { code, err_code, description } });
const notFound = apiError(404, 10_037, "no message found");
const notYours = apiError(403, 10_023, "this history is not of your tenant");

/** Owner of the histories that a question names: `none` when it names none. */
const whose = (asked: Question, mine: string): "mine" | "others" | "none" => {
  const many: unknown = asked["multi_last"];
  const named = [asked["last_by_subj"], asked["next_by_subj"], ...(Array.isArray(many) ? many : [many])].filter(
    (subject) => subject !== undefined,
  );
  if (named.length === 0) return "none";
  return named.every((subject) => typeof subject === "string" && subject.startsWith(mine)) ? "mine" : "others";
};

/** A batch of all events behind a sequence, as a follower asks for it, is one of all the tenant's events behind it. */
const ofTenant = (asked: Question | undefined, mine: string): Question | undefined =>
  asked?.["batch"] !== undefined && asked["next_by_subj"] === ">" ? { ...asked, next_by_subj: `${mine}>` } : asked;

const questionIn = (message: Msg): Question | undefined => {
  try {
    const found: unknown = message.json();
    return isObject(found) ? found : undefined;
  } catch {
    return undefined;
  }
};

/** Of which history a direct get's answer is: the server's own header is the last of its name. */
const subjectOf = (message: Msg): string | undefined => message.headers?.values("Nats-Subject").at(-1);

const respond = (message: Msg, text: Uint8Array | string): void => {
  message.respond(text);
};
const respondStatus = (message: Msg, code: number, description: string): void => {
  message.respond("", { headers: headers(code, description) });
};

/** One question of the server's own API, answered as the server does. */
const relay = async (
  { link, nc }: Connection,
  message: Msg,
  subject: string,
  payload: string,
): Promise<string | undefined> => {
  const answer = await ask(nc, link, { subject: `$JS.API.${subject}.${stream}`, payload, timeoutMillis: answerMillis });
  if (answer._tag === "Answer") return answer.message.string();
  respond(message, apiError(503, 10_008, answer.reason));
  return undefined;
};

const info = async (connection: Connection, message: Msg): Promise<void> => {
  const said = await relay(connection, message, "STREAM.INFO", "");
  if (said !== undefined) respond(message, said);
};

const messageGet = async (connection: Connection, message: Msg, mine: string): Promise<void> => {
  const asked = questionIn(message);
  if (asked === undefined || whose(asked, mine) === "others") return respond(message, notYours);
  const said = await relay(connection, message, "STREAM.MSG.GET", JSON.stringify(asked));
  if (said === undefined) return;
  const found: { readonly message?: { readonly subject?: string } } = JSON.parse(said);
  const isMine = found.message === undefined || (found.message.subject ?? "").startsWith(mine);
  respond(message, isMine ? said : notFound);
};

/** The server's answers one by one, until it has said that there are no more. */
const directGet = ({ link, nc }: Connection, message: Msg, mine: string): Promise<void> =>
  new Promise((resolve) => {
    if (!link.connected) {
      respondStatus(message, 503, link.refused?.message ?? "NATS is away");
      resolve();
      return;
    }
    const asked = ofTenant(questionIn(message), mine);
    const isMany = asked?.["batch"] !== undefined || asked?.["multi_last"] !== undefined;
    const of = asked === undefined ? "others" : whose(asked, mine);
    // A number alone is one message, which shows whose it is; many of them would be other tenants' too.
    if (of === "others" || (of === "none" && isMany)) {
      respondStatus(message, 403, "Not of your tenant");
      resolve();
      return;
    }
    let address: Address | undefined;
    const finish = () => {
      clearTimeout(timer);
      address?.close();
      resolve();
    };
    const timer = setTimeout(finish, answerMillis);
    const onMessage = (one: Msg) => {
      timer.refresh();
      const subject = subjectOf(one);
      const isEnd = subject === undefined;
      if (isEnd || subject.startsWith(mine)) {
        message.respond(one.data, one.headers === undefined ? {} : { headers: one.headers });
      } else if (!isMany) respondStatus(message, 404, "Message Not Found");
      if (isEnd || !isMany) finish();
    };
    try {
      address = link.replies.open({ subject: `$JS.API.DIRECT.GET.${stream}`, onMessage, onNoAnswer: finish });
      nc.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(asked), { reply: address.reply });
    } catch {
      finish();
    }
  });

const answer = Effect.fnUntraced(function* (connection: Connection, message: Msg, admit: Admit) {
  const log = yield* EventLog;
  const [, tenant = "", ...rest] = message.subject.split(".");
  const mine = `${root}.${tenant}.`;
  switch (rest.join(".")) {
    case "STREAM.INFO":
      return yield* Effect.promise(() => info(connection, message));
    case "MSG.GET":
      return yield* Effect.promise(() => messageGet(connection, message, mine));
    case "DIRECT.GET":
      return yield* Effect.promise(() => directGet(connection, message, mine));
    case "BLOB.PUT": {
      const refused = admit(decodeToken(tenant) ?? tenant, { bytes: message.data.byteLength, events: 0 });
      if (refused !== undefined) return respond(message, quotaAnswer(refused));
      const kept = yield* log.putBlob(message.data);
      return respond(message, JSON.stringify(kept));
    }
    case "BLOB.GET": {
      const bytes = yield* log.getBlob(message.string());
      return bytes === undefined ? respondStatus(message, 404, "No Such Blob") : respond(message, bytes);
    }
    default:
      return undefined;
  }
});

/** Answers until the scope closes; several daemons on one server share the questions. */
export const serve = (admit: Admit = always) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const connection = yield* NatsConnection;
      const asked = yield* Queue.dropping<Msg>(mostWaiting);
      yield* Effect.acquireRelease(
        Effect.sync(() =>
          connection.nc.subscribe(`${serviceRoot}.*.*.*`, {
            queue,
            callback: (error, message) => {
              if (error === null) Queue.offerUnsafe(asked, message);
            },
          }),
        ),
        (opened) => Effect.sync(() => opened.unsubscribe()),
      );
      const answered = (message: Msg) =>
        // A question that cannot be answered, or a fault of ours, must not end the answers to all others.
        Effect.catchCause(answer(connection, message, admit), () => Effect.void);
      yield* Stream.fromQueue(asked).pipe(
        Stream.mapEffect(answered, { concurrency: atOnce, unordered: true }),
        Stream.runDrain,
        Effect.forkScoped,
      );
    }),
  );
