import { assert, describe, it } from "@effect/vitest";
import { join } from "node:path";
import { pidIn } from "../../../src/machine/Processes.ts";
import { Door } from "./Knock.ts";

const sayTo = (door: Door, thread: string, id: string, more: object = {}) =>
  door.ask(`/v1/threads/${thread}/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${door.local}`, "content-type": "application/json" },
    body: JSON.stringify({ type: "x.drill.said", id, data: id, ...more }),
  });

interface Page {
  readonly events: ReadonlyArray<{ readonly id: string }>;
  readonly next?: number;
}

const idsIn = async (door: Door, thread: string): Promise<ReadonlyArray<string>> => {
  const ids = new Array<string>();
  for (let after: number | undefined = 0; after !== undefined;) {
    const { text } = await door.ask(`/v1/threads/${thread}/events?after=${after}`, {
      headers: { authorization: `Bearer ${door.local}` },
    });
    const page: Page = JSON.parse(text);
    ids.push(...page.events.map(({ id }) => id));
    after = page.next;
  }
  return ids;
};

const natsOf = (door: Door): number => pidIn(join(door.data, "nats", "nats-server.pid")) ?? 0;

/** Writers that go on until they are told to stop; what was acknowledged, and what callers were told otherwise. */
const writers = (door: Door, count: number) => {
  const acknowledged = Array.from({ length: count }, () => new Array<string>());
  const told = new Map<string, number>();
  let isOver = false;
  const one = async (writer: number) => {
    for (let at = 0; !isOver; at++) {
      const id = `w${writer}-${at}`;
      const said = await sayTo(door, `w${writer}`, id).then(
        ({ status }) => String(status),
        () => "cut",
      );
      told.set(said, (told.get(said) ?? 0) + 1);
      if (said === "201" || said === "202") acknowledged[writer]?.push(id);
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const all = Promise.all(acknowledged.map((_, writer) => one(writer)));
  return { acknowledged, told, stop: () => ((isOver = true), all) };
};

const nothingLost = async (door: Door, acknowledged: ReadonlyArray<ReadonlyArray<string>>) => {
  for (const [writer, ids] of acknowledged.entries()) {
    const there = await idsIn(door, `w${writer}`);
    assert.strictEqual(new Set(there).size, there.length);
    assert.deepStrictEqual(
      ids.filter((id) => !there.includes(id)),
      [],
    );
    assert.isNotEmpty(ids);
  }
};

describe("the door when things die under it", { timeout: 180_000 }, () => {
  it("tells callers while NATS hangs, and loses nothing that it has acknowledged", async () => {
    await using door = new Door();
    await door.open();
    assert.strictEqual((await sayTo(door, "w0", "before")).status, 201);
    process.kill(natsOf(door), "SIGSTOP");
    try {
      const spooled = await sayTo(door, "w0", "spooled");
      assert.deepInclude(spooled.json(), { outcome: "spooled" });
      assert.strictEqual(spooled.status, 202);
      const strict = await sayTo(door, "w0", "strict", { durable: "log" });
      assert.strictEqual(strict.status, 503);
      assert.match(String(strict.headers["retry-after"]), /^\d+$/);
      assert.deepInclude(strict.json(), { code: "logUnavailable" });
    } finally {
      process.kill(natsOf(door), "SIGCONT");
    }
    for (let at = 0; (await sayTo(door, "w0", "strict", { durable: "log" })).status !== 201; at++)
      assert.isBelow(at, 50);
    const there = await idsIn(door, "w0");
    assert.sameMembers(
      there.filter((id) => id !== "strict"),
      ["before", "spooled"],
    );
    assert.lengthOf(there, 3);
  });

  it("loses nothing that it has acknowledged when NATS is killed, and then the daemon, while eight clients write", async () => {
    await using door = new Door();
    let up = await door.open();
    const { acknowledged, stop, told } = writers(door, 8);
    const reached = (count: number) =>
      new Promise<void>((resolve) => {
        const timer = setInterval(() => {
          if (acknowledged.every((ids) => ids.length >= count)) {
            clearInterval(timer);
            resolve();
          }
        }, 10);
      });
    await reached(10);
    process.kill(natsOf(door), "SIGKILL");
    await reached(30);
    await up.end("SIGKILL");
    up = await door.open();
    await reached(40);
    await stop();
    assert.isAbove(told.get("cut") ?? 0, 0, "the daemon's end was seen by its clients");
    await nothingLost(door, acknowledged);
    await up.end();
  });

  it("answers what it has accepted when it is asked to end", async () => {
    await using door = new Door();
    const up = await door.open();
    const answers = Array.from({ length: 50 }, (_, at) => sayTo(door, "last", `l${at}`).then(({ status }) => status));
    await Promise.race(answers);
    const ended = up.end("SIGTERM");
    const statuses = await Promise.allSettled(answers);
    const accepted = statuses.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    assert.isNotEmpty(accepted);
    assert.isTrue(accepted.every((status) => status === 201 || status === 202));
    assert.strictEqual((await ended).code, 0);
    await door.open();
    const there = await idsIn(door, "last");
    assert.isAtLeast(there.length, accepted.length);
  });
});
