/** The table of what each role may: one question a row, asked by each of five users over a bare client. */
import { headers, type NatsConnection as Client } from "@nats-io/transport-node";
import { randomUUID } from "node:crypto";
import type { Role } from "../../src/log/access/Roles.ts";

export const who = {
  ana: { role: "publisher", tenant: "acme" },
  bob: { role: "reader", tenant: "acme" },
  eve: { role: "publisher", tenant: "beta" },
  wor: { role: "worker", tenant: "acme" },
  ope: { role: "operator", tenant: "acme" },
} as const satisfies Record<string, { readonly role: Role; readonly tenant: string }>;
export type Name = keyof typeof who;
export const names = Object.keys(who) as ReadonlyArray<Name>;

export const event = (type = "thread.renamed") => {
  const found = headers();
  const id = randomUUID();
  const all = {
    "Nats-Msg-Id": id,
    "ce-id": id,
    "ce-type": type,
    "ce-source": "test/1",
    "ce-time": "2026-01-01T00:00:00Z",
  };
  for (const [name, value] of Object.entries(all)) found.set(name, value);
  return found;
};

/** The answer, or why there is none: `denied` by a permission, `nobody` listens there for us, `silent`. */
export const ask = async (
  nc: Client,
  subject: string,
  body: unknown = "",
  { timeout = 1_500, withHeaders = false }: { readonly timeout?: number; readonly withHeaders?: boolean } = {},
): Promise<string> => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  try {
    const answer = await nc.request(subject, text, { timeout, ...(withHeaders ? { headers: event() } : {}) });
    const code = answer.headers?.code ?? 0;
    return code >= 400 ? `${code}` : answer.string() || answer.headers?.get("Nats-Subject") || "";
  } catch (error) {
    const said = `${error}`;
    if (/permission/i.test(said)) return "denied";
    return /no ?responders/i.test(said) ? "nobody" : "silent";
  }
};

/** Users of the store's account write under their own names. */
const isOfStore = (name: Name | undefined): boolean =>
  name !== undefined && (who[name].role === "worker" || who[name].role === "operator");

/** `timeout`: where an answer is sure to come, and a busy machine takes its time. */
export const publish = (kind: string, tenant: string, timeout?: number) => (nc: Client, name?: Name) =>
  ask(
    nc,
    `${isOfStore(name) ? `recollect-by.${name}` : "recollect"}.${tenant}.${kind}.t1`,
    { title: "x" },
    { withHeaders: true, ...(timeout === undefined ? {} : { timeout }) },
  );
const api =
  (subject: string, body: unknown = "") =>
  (nc: Client) =>
    ask(nc, `$JS.API.${subject}`, body);
const daemon =
  (question: string, body: unknown = "") =>
  (nc: Client) =>
    ask(nc, `recollect-store.${question}`, body);
/** Everything is to a tenant what it has: an answer here is an event of acme's among it. */
const ofAcmeInEverything = async (nc: Client): Promise<string> => {
  const asked = JSON.stringify({ seq: 1, next_by_subj: ">", batch: 100 });
  let found = "404";
  try {
    const answers = await nc.requestMany("recollect-store.DIRECT.GET", asked, { strategy: "timer", maxWait: 1_500 });
    for await (const { headers: given } of answers) {
      const subject = given?.get("Nats-Subject") ?? "";
      if (subject.startsWith("recollect.acme.")) found = subject;
    }
    return found;
  } catch {
    return "denied";
  }
};
const listen = (subject: string) => async (nc: Client) => {
  const subscription = nc.subscribe(subject);
  try {
    await nc.flush();
    const first = await Promise.race([subscription.closed, nc.flush().then(() => undefined)]);
    return first instanceof Error ? "denied" : "heard";
  } finally {
    subscription.unsubscribe();
  }
};

type Row = readonly [what: string, ask: (nc: Client, name: Name) => Promise<string>, may: ReadonlyArray<Name>];

const tenants = ["ana", "bob", "eve"] as const;
const acme = ["ana", "bob"] as const;
const trusted = ["wor", "ope"] as const;

export const rows: ReadonlyArray<Row> = [
  ["write a thread of acme", publish("thread", "acme"), ["ana", "wor", "ope"]],
  ["write a task of acme", publish("task", "acme"), ["ana", "wor", "ope"]],
  ["write a session of acme", publish("session", "acme"), ["ana", "wor", "ope"]],
  ["write a source of acme", publish("source", "acme"), ["ana", "wor", "ope"]],
  ["write a thread of beta", publish("thread", "beta"), ["eve", "ope"]],
  [
    "write a thread of acme under another user's name",
    (nc) => ask(nc, "recollect-by.king.acme.thread.t1", { title: "x" }, { withHeaders: true }),
    [],
  ],
  [
    "write a thread of acme past the daemon, which adds who it was",
    // A tenant's account reaches the daemon by this name.
    (nc, name) => (isOfStore(name) ? publish("thread", "acme")(nc) : Promise.resolve("denied")),
    [],
  ],
  ["make a stream of its own", api("STREAM.CREATE.JUNK", { name: "JUNK", subjects: ["junk"] }), ["ope"]],
  ["change the configuration of acme", publish("config", "acme"), ["ope"]],
  ["change the default configuration", publish("config", "default"), ["ope"]],
  ["write what the store says of itself", publish("store", "acme"), ["ope"]],
  [
    "read the last event of a history of acme",
    api("DIRECT.GET.RECOLLECT.recollect.acme.thread.t1"),
    [...acme, ...trusted],
  ],
  [
    "read the last event of a history of beta",
    api("DIRECT.GET.RECOLLECT.recollect.beta.thread.t1"),
    ["eve", ...trusted],
  ],
  ["read any event by its number, at the server", api("DIRECT.GET.RECOLLECT", { seq: 1 }), trusted],
  ["read any event by its number, at the leader", api("STREAM.MSG.GET.RECOLLECT", { seq: 1 }), trusted],
  ["list all subjects", api("STREAM.INFO.RECOLLECT", { subjects_filter: ">" }), trusted],
  ["ask the daemon what the stream is", daemon("STREAM.INFO"), tenants],
  ["ask the daemon for a history of acme", daemon("MSG.GET", { last_by_subj: "recollect.acme.thread.t1" }), acme],
  ["ask the daemon for a history of beta", daemon("MSG.GET", { last_by_subj: "recollect.beta.thread.t1" }), ["eve"]],
  ["be given what acme has, by asking the daemon for everything", ofAcmeInEverything, acme],
  ["ask the daemon for all of a number on", daemon("DIRECT.GET", { seq: 1, batch: 10 }), []],
  ["ask the daemon for acme's last ones", daemon("DIRECT.GET", { multi_last: ["recollect.acme.>"] }), acme],
  ["ask the daemon for the last ones of all", daemon("DIRECT.GET", { multi_last: ["recollect.>"] }), []],
  ["ask the daemon in the name of another tenant", (nc) => ask(nc, "recollect-store.beta.STREAM.INFO"), ["ope"]],
  ["delete the stream", api("STREAM.DELETE.RECOLLECT_NOT"), []],
  ["purge the stream", api("STREAM.PURGE.RECOLLECT", { filter: "nothing" }), []],
  ["delete an event", api("STREAM.MSG.DELETE.RECOLLECT", { seq: 1 }), []],
  ["change the stream", api("STREAM.UPDATE.RECOLLECT", { name: "RECOLLECT" }), []],
  ["hear all inboxes", listen("_INBOX.>"), []],
  ["hear ana's inbox", listen("_INBOX_ana.>"), ["ana", "ope"]],
  ["hear what acme says live", listen("recollect-live.acme.>"), ["ana", "bob", "wor", "ope"]],
  ["hear what beta says live", listen("recollect-live.beta.>"), ["eve", "ope"]],
  ["hear everything but other inboxes", listen(">"), ["ope"]],
  ["write a snapshot", (nc) => ask(nc, "$KV.RECOLLECT_THREADS.acme.t1", "x"), []],
  ["ask in the system account", (nc) => ask(nc, "$SYS.REQ.SERVER.PING.VARZ"), []],
  ["reload the server", (nc) => ask(nc, "$SYS.REQ.SERVER.PING.RELOAD"), []],
];
