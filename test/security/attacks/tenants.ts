/** Users of NATS: another tenant's publisher, a publisher, a reader, a worker. */
import { headers, type NatsConnection as Client } from "@nats-io/transport-node";
import { assert } from "@effect/vitest";
import { randomUUID } from "node:crypto";
import { names, rows, who } from "../RoleRows.ts";
import { type Attack, attacksOf, canary } from "./Attack.ts";

const byRole = { file: "security/Roles.test.ts", title: "may do what its role says, and nothing else" };
const byReply = {
  file: "security/Roles.test.ts",
  title: "of a tenant cannot make the server write into another tenant, or its own, by naming a reply subject",
};

/** The attacker of a question that not every role may ask: of those who are refused, the one that is furthest away. */
const attackerOf = (may: ReadonlyArray<string>): Attack["who"] | undefined => {
  const refused = names.filter((name) => !may.includes(name));
  if (refused.includes("eve")) return "another tenant's publisher";
  if (refused.length === 0) return undefined;
  const role = who[refused.at(-1) ?? "ana"].role;
  return role === "reader" || role === "worker" ? `a ${role}` : "a publisher";
};

/** The rows of the table of roles, as attacks: whoever may not, is refused. */
const ofRoles: ReadonlyArray<Attack> = rows.flatMap(([attempt, , may]) => {
  const attacker = attackerOf(may);
  const others =
    may.length === 0
      ? "no role may"
      : `only ${may.map((name) => `${who[name].role} of ${who[name].tenant}`).join(", ")} may`;
  return attacker === undefined ? [] : [{ who: attacker, attempt, result: `refused: ${others}`, shown: byRole }];
});

const told = (client: Client, subject: string, more: Readonly<Record<string, string>>, data: unknown) => {
  const id = randomUUID();
  const made = headers();
  const all = { "Nats-Msg-Id": id, "ce-id": id, "ce-source": "x/1", "ce-time": "2026-01-01T00:00:00Z", ...more };
  for (const [name, value] of Object.entries(all)) made.append(name, value);
  return client
    .request(subject, JSON.stringify(data), { headers: made, timeout: 5_000 })
    .then((answer) => answer.json<{ readonly seq?: number; readonly error?: { readonly code: number } }>());
};

/** The headers of the last event of a thread of acme, as they are stored. */
const headersOf = async (client: Client, thread: string): Promise<string> => {
  const answer = await client.request(`$JS.API.DIRECT.GET.RECOLLECT.recollect.acme.thread.${thread}`);
  return [...(answer.headers ?? [])].map(([name, values]) => `${name}: ${values.join(" ")}`).join("\n");
};

const renamed = { "ce-type": "thread.renamed" };

const planted = attacksOf("another tenant's publisher")([
  ...[
    "an event into another tenant",
    "an event into a thread of its own tenant, past what it says there",
    "everyone's configuration",
    "a snapshot of another tenant",
    "a message into another user's inbox",
  ].map(
    (what) =>
      [`make the server write ${what}, by a reply subject`, "nothing is stored or heard there", byReply] as const,
  ),
  ["hear the answers to others' questions on `_INBOX.>`", "refused: each inbox is `_INBOX_<name>` and private", byRole],
  [
    "read what acme keeps through every question of the daemon at once",
    "none of the answers holds a word of it",
    async (world) => {
      const eve = world.client("eve");
      const asked = [
        ["recollect-store.MSG.GET", { seq: 1 }],
        ["recollect-store.DIRECT.GET", { seq: 1 }],
        ["recollect-store.DIRECT.GET", { multi_last: ["recollect.beta.>", "recollect.acme.>"] }],
        ["recollect-store.DIRECT.GET", { seq: 1, next_by_subj: "recollect.*.thread.*", batch: 5 }],
        ["recollect-store.DIRECT.GET", { seq: 1, next_by_subj: "recollect.beta*.>", batch: 5 }],
        ["recollect-store.MSG.GET", { last_by_subj: "recollect.beta.>", next_by_subj: "recollect.acme.>" }],
        ["recollect-store.STREAM.INFO", { subjects_filter: ">" }],
      ] as const;
      for (const [subject, question] of asked) {
        const answer = await eve.request(subject, JSON.stringify(question), { timeout: 2_000 }).then(
          (message) => `${message.headers ?? ""} ${Buffer.from(message.data).toString()}`,
          () => "",
        );
        const text = `${answer}${Buffer.from(answer, "base64").toString("latin1")}`;
        assert.notInclude(text, canary, JSON.stringify(question));
        assert.notInclude(text, "acme.thread", JSON.stringify(question));
      }
    },
  ],
]);

const named = attacksOf("a publisher")([
  [
    "write under the name of another user: `ce-principal`, in every spelling, and the server's own header",
    "the event has the name of the user whose connection it was",
    async (world) => {
      const forged = {
        ...renamed,
        "ce-principal": "king",
        "Ce-Principal": "king",
        "Nats-Request-Info": '{"acc":"RECOLLECT-acme","user":"king"}',
        "nats-request-info": '{"user":"king"}',
      };
      const { seq } = await told(world.client("ana"), "recollect.acme.thread.named", forged, { title: "x" });
      assert.isNumber(seq);
      const stored = await headersOf(world.client("bob"), "named");
      assert.include(stored, "ce-principal: ana");
      assert.notInclude(stored, "king");
    },
  ],
  [
    "claim a task, or end one under another worker's claim",
    "refused: workers say that",
    async (world) => {
      const ana = world.client("ana");
      const claimed = await told(ana, "recollect.acme.task.k", { "ce-type": "task.claimed" }, { holder: "me" });
      assert.strictEqual(claimed.error?.code, 403);
      const ended = await told(ana, "recollect.acme.task.k", { "ce-type": "task.completed" }, { claim: 7, output: 1 });
      assert.strictEqual(ended.error?.code, 403);
    },
  ],
  [
    "write a history whose kind or name is none",
    "refused by the server, or kept as a misfit, which is read as no event",
    async (world) => {
      const ana = world.client("ana");
      for (const subject of ["recollect.acme.secret.t", "recollect.acme.thread.a.b", "recollect.acme.thread"]) {
        const answer = await told(ana, subject, renamed, {}).catch(() => ({ error: { code: 403 } }));
        assert.isDefined(answer.error, subject);
      }
    },
  ],
  [
    "write an event that carries the headers of the server's own answers",
    "kept as a misfit: no history has it",
    { file: "security/Forgery.test.ts", title: "cannot pass for another history or another number" },
  ],
  [
    "take the id of an entry before its transcript is imported",
    "the entry is kept under a second id, and everything else is imported",
    { file: "edge/import/TakenIds.test.ts", title: "the entries are kept under their second ids" },
  ],
  [
    "take that id in another history",
    "that thread alone is refused, with its reason; the other files are in",
    { file: "edge/import/TakenIds.test.ts", title: "the log refuses that thread, and nothing but it is tried again" },
  ],
  [
    "use a wrong key, or lack a right",
    "an error that names the right, in the call; nothing waits in the spool",
    { file: "security/Denied.test.ts", title: "is told so, be its credentials missing, wrong, or without a right" },
  ],
  [
    "go on after it was revoked",
    "disconnected at once, refused from then on",
    { file: "security/OtherUser.test.ts", title: "disconnects who is taken out, at once, and lets him in no more" },
  ],
]);

const trusted = attacksOf("a worker")([
  [
    "put a snapshot with other words into the bucket, with a right checksum",
    "the server refuses the write; who has the bucket by other means lacks the key, so it is a miss",
    { file: "snapshot/Forged.test.ts", title: "whose text was changed by somebody who knows everything but the key" },
  ],
  [
    "answer readers in the daemon's place with a history of its own making",
    "held against the log, event by event: never given out",
    { file: "snapshot/Forged.test.ts", title: "never changes what is read, whatever places it names" },
  ],
]);

export const tenants = [...ofRoles, ...planted, ...named, ...trusted];
