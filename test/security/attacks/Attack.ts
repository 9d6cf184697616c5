/** An attack, and the world it is tried in: one daemon as people start it, with two tenants and users of every role. */
import * as NodeServices from "@effect/platform-node/NodeServices";
import {
  connect,
  type ConnectionOptions,
  type NatsConnection as Client,
  nkeyAuthenticator,
} from "@nats-io/transport-node";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import * as AccessList from "../../../src/log/access/AccessList.ts";
import * as HttpTokens from "../../../src/log/access/HttpTokens.ts";
import { inboxOf, type Role } from "../../../src/log/access/Roles.ts";
import { create } from "../../../src/machine/AccessKeys.ts";
import { type Answer, type Asking, Door } from "../../edge/http/Knock.ts";

export const attackers = [
  "another user of the machine",
  "a web page",
  "another tenant's publisher",
  "a publisher",
  "a reader",
  "a worker",
  "a holder of a token",
  "another server",
  "a stranger on the network",
  "a hostile transcript",
  "a hostile MCP server",
  "a statement of SQL",
  "a folder from elsewhere",
] as const;

/** Where another test shows it: its file below `test/`, and a piece of its title. */
export interface Elsewhere {
  readonly file: string;
  readonly title: string;
}

export interface Attack {
  readonly who: (typeof attackers)[number];
  readonly attempt: string;
  readonly result: string;
  /** Fails when the attack succeeds. */
  readonly shown: ((world: World) => Promise<void>) | Elsewhere;
}

export const attacksOf =
  (who: Attack["who"]) =>
  (rows: ReadonlyArray<readonly [attempt: string, result: string, shown: Attack["shown"]]>): ReadonlyArray<Attack> =>
    rows.map(([attempt, result, shown]) => ({ who, attempt, result, shown }));

/** `nobody` on every Linux; only root can be another user. */
const nobody = 65_534;
export const mayBeAnother = process.platform === "linux" && process.getuid?.() === 0;

const users = {
  ana: { role: "publisher", tenant: "acme" },
  bob: { role: "reader", tenant: "acme" },
  eve: { role: "publisher", tenant: "beta" },
  wor: { role: "worker", tenant: "acme" },
  gus: { role: "publisher", tenant: "gamma" },
} as const satisfies Record<string, { readonly role: Role; readonly tenant: string }>;
type Name = keyof typeof users;

/** Text that acme alone may ever read. */
export const canary = "CANARY-4711-of-acme";

const run = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, NodeServices.layer));

export class World extends Door {
  readonly clients = new Map<Name, Client>();
  readonly tokens = new Map<string, string>();

  get nats(): string {
    return this.instance()?.nats ?? "";
  }

  /** The daemon, its users, their connections, a token for each of them, and what acme has said. */
  async begin(): Promise<void> {
    const keys = new Map(Object.keys(users).map((name) => [name, create()]));
    const listed = Object.entries(users).map(([name, about]) => ({
      name,
      ...about,
      nkey: keys.get(name)?.publicKey ?? "",
      createdAt: 0,
    }));
    mkdirSync(this.data, { recursive: true, mode: 0o700 });
    // The one tenant that has a quota.
    const settings = { "quotas.gamma": { threads: 1 } };
    writeFileSync(`${this.data}/config.json`, JSON.stringify(settings), { mode: 0o600 });
    await run(AccessList.write(this.data, { users: listed }));
    await this.open();
    for (const [name, about] of Object.entries(users)) {
      const { secret } = await run(HttpTokens.create(this.data, { name, ...about, now: Date.now() }));
      this.tokens.set(name, secret);
      const authenticator = nkeyAuthenticator(new TextEncoder().encode(keys.get(name)?.seed));
      const how = { servers: this.nats, reconnect: false, inboxPrefix: inboxOf(name), authenticator };
      this.clients.set(name as Name, await connect(how));
    }
    const said = await this.as("ana", "/v1/threads/secret/messages", { role: "user", text: canary });
    assert.strictEqual(said.status, 201, said.text);
  }

  client(name: Name): Client {
    const found = this.clients.get(name);
    if (found === undefined) throw new Error(`${name} has no connection`);
    return found;
  }

  /** A request with the token of a user; a body makes it a POST. */
  as(name: Name, path: string, body?: unknown, more: Asking["headers"] = {}): Promise<Answer> {
    const headers = {
      authorization: `Bearer ${this.tokens.get(name)}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...more,
    };
    return this.ask(path, body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** The token that hooks of agents have. */
  async hooksToken(): Promise<string> {
    const about = { name: "hooks", role: "publisher", tenant: "acme", kind: "hooks", now: Date.now() } as const;
    return (await run(HttpTokens.create(this.data, about))).secret;
  }

  /** The cookie of a browser that is signed in as an operator of acme. */
  async signedIn(): Promise<string> {
    const who = { name: "browser", role: "operator", tenant: "acme", now: Date.now(), livesMillis: 60_000 } as const;
    const signed = await this.ask(`/sign-in?code=${await run(HttpTokens.createCode(this.data, who))}`);
    return String(signed.headers["set-cookie"]).split(";")[0] ?? "";
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients.values()) await client.close();
    await super[Symbol.asyncDispose]();
  }
}

/** What a command of another user of the machine says; undefined where this test cannot be one. */
export const asAnother = (command: string, words: ReadonlyArray<string>) =>
  mayBeAnother
    ? spawnSync(command, words, { uid: nobody, gid: nobody, encoding: "utf8", timeout: 10_000, env: {}, cwd: "/" })
    : undefined;

/** Fails when the server lets it in. */
export const keptOut = async (servers: string, how: ConnectionOptions): Promise<void> => {
  const came = await connect({ servers, reconnect: false, timeout: 5_000, ...how }).then(
    async (client) => {
      await client.close();
      return "in";
    },
    (error: unknown) => String(error),
  );
  assert.match(came, /Authorization/i);
};

export const status = async (answer: Promise<Answer>, ...expected: ReadonlyArray<number>): Promise<Answer> => {
  const got = await answer;
  assert.oneOf(got.status, [...expected], got.text.slice(0, 200));
  assert.notInclude(got.text, canary);
  return got;
};
