/** A daemon whose server has another stream than the one that is known, and what it does with the requests of tenants. */
import { assert, describe, it } from "@effect/vitest";
import type { Msg, NatsConnection as Client } from "@nats-io/transport-node";
import { headers } from "@nats-io/transport-node";
import { Effect, Layer } from "effect";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as TenantService from "../../src/log/access/TenantServiceNats.ts";
import * as TenantWrites from "../../src/log/access/TenantWritesNats.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";

/** A connection that stands, to a server that is not believed. */
const refused = () => {
  const published: Array<string> = [];
  const listening = new Map<string, (error: null, message: Msg) => void>();
  const nc = {
    subscribe: (subject: string, { callback }: { readonly callback: (error: null, message: Msg) => void }) => {
      listening.set(subject, callback);
      return { unsubscribe: () => listening.delete(subject) };
    },
    publish: (subject: string) => void published.push(subject),
  };
  const link = {
    connected: false,
    refused: { name: "strangeStream", message: "The server has another stream.", hint: "", refusesAppends: true },
    replies: { open: () => ({ reply: "_INBOX.1", close: () => undefined }) },
  };
  const connection = { nc: nc as unknown as Client, link } as unknown as NatsConnection["Service"];
  const answers: Array<string> = [];
  const ask = (listened: string, subject: string, about: Readonly<Record<string, string>>, body = "{}") => {
    const all = headers();
    for (const [name, value] of Object.entries(about)) all.set(name, value);
    const respond = (data: string, { headers: said }: { readonly headers?: typeof all } = {}) =>
      answers.push(data === "" ? `${said?.code} ${said?.description}` : data);
    const json = () => JSON.parse(body) as unknown;
    const message = { subject, reply: "_INBOX.asker", headers: all, data: Buffer.from(body), json, respond };
    listening.get(listened)?.(null, message as unknown as Msg);
  };
  return { connection, published, answers, ask };
};

describe("a daemon whose server has another stream", () => {
  it.live("hands no write and no question of a tenant on to it, and says so", () =>
    Effect.gen(function* () {
      const root = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "recollect-refused-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true })),
      );
      const ana = { name: "ana", role: "publisher", tenant: "acme", password: "p", createdAt: 0 };
      writeFileSync(join(root, "access.json"), JSON.stringify({ users: [ana] }));
      const { answers, ask, connection, published } = refused();
      const services = Layer.merge(TenantWrites.serve(root), TenantService.serve()).pipe(
        Layer.provide(Layer.succeed(NatsConnection, connection)),
        Layer.provide(EventLogMemory.layer),
      );
      yield* Layer.build(services);
      const info = { "Nats-Request-Info": JSON.stringify({ user: "ana" }), "ce-type": "thread.message_appended" };
      ask("recollect-in.*.*.*", "recollect-in.acme.thread.t", info);
      ask("recollect-store.*.*.*", "recollect-store.acme.DIRECT.GET", {}, '{"last_by_subj":"recollect.acme.thread.t"}');
      yield* Effect.sleep(0).pipe(Effect.repeat({ until: () => answers.length === 2, times: 1_000 }));
      assert.deepStrictEqual(published, []);
      assert.match(answers[0] ?? "", /"code":503.*another stream/);
      assert.match(answers[1] ?? "", /^503 The server has another stream/);
    }).pipe(Effect.scoped),
  );
});
