import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { EventLog } from "../../../src/log/EventLog.ts";
import { fromContent } from "../../../src/domain/EventId.ts";
import { thread } from "../../../src/domain/History.ts";
import {
  claude,
  claudeLines,
  events,
  exported,
  exportedBytes,
  folderOf,
  importAll,
  withLog,
  world,
  write,
} from "../import/World.ts";

const sessions = ["a", "b", "c/ü"] as const;
type Session = (typeof sessions)[number];

/** Numbers below 1, the same for the same seed. */
const randomOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
};

/** What of a line belongs to which session; `undefined`: to the one before. */
type Pieces = ReadonlyArray<{ readonly session: Session | undefined; readonly bytes: Buffer }>;

const words = ["word", "\u2028", "\u0000", "\uFEFF", '\\ud83d"', "é😀", "\\", "\r", "{", "]", "1e400", "  "];
const broken = [Buffer.from([0xff, 0xfe]), Buffer.from([0xc3]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0])];

const lineOf = (random: () => number): Pieces => {
  const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)] as A;
  const some = () => Array.from({ length: Math.floor(random() * 4) }, () => pick(words)).join("");
  const object = (session: Session | undefined) => {
    const text = `{"type":"user", "n":1.0,"x":${JSON.stringify(some())},"s":"\\ud83d","uuid":"${Math.floor(random() * 40)}"`;
    return { session, bytes: Buffer.from(`${text}${session === undefined ? "" : `,"sessionId":"${session}"`}}`) };
  };
  const junk = (bytes: Buffer): Pieces => [{ session: undefined, bytes }];
  const kind = random();
  if (kind < 0.4) return [object(pick(sessions))];
  if (kind < 0.5) return [object(undefined)];
  if (kind < 0.6) {
    const [one, two] = [object(pick(sessions)), object(pick([...sessions, undefined]))];
    return [one, { ...two, bytes: Buffer.concat([Buffer.from(pick(["", " ", "\t"])), two.bytes]) }];
  }
  if (kind < 0.7)
    return [{ ...object(pick(sessions)) }].map((one) => ({
      ...one,
      bytes: Buffer.concat([one.bytes, Buffer.from("\r")]),
    }));
  if (kind < 0.8) return junk(Buffer.from(`junk ${some()}`));
  if (kind < 0.9)
    return junk(Buffer.concat([Buffer.from('{"x":"'), pick(broken), Buffer.from(some()), Buffer.from('"}')]));
  return junk(Buffer.from(pick(["1", "null", '"text"', "[1, 2]", "{}", "{", "\u0000\u0000", "true", "[[1]"])));
};

const newline = Buffer.from("\n");

/** The bytes that each session should come out as. */
const perSession = (lines: ReadonlyArray<Pieces>): ReadonlyMap<Session, Buffer> => {
  const found = new Map<Session, Array<Buffer>>();
  let current: Session = "a";
  for (const pieces of lines) {
    const here: Array<Session> = [];
    for (const { bytes, session } of pieces) {
      current = session ?? current;
      const chunks = found.get(current) ?? [];
      found.set(current, chunks);
      if (here.at(-1) === current) chunks.push(Buffer.concat([chunks.pop() ?? newline, bytes]));
      else chunks.push(bytes);
      here.push(current);
    }
  }
  return new Map([...found].map(([name, chunks]) => [name, Buffer.concat(chunks.flatMap((each) => [each, newline]))]));
};

describe("export after import", () => {
  it.live("gives every session of any file back byte for byte, also of one that grew and was torn on its way", () =>
    Effect.gen(function* () {
      for (let seed = 1; seed <= 25; seed++) {
        const random = randomOf(seed);
        const first: Pieces = [{ session: "a", bytes: Buffer.from(claude("a", "first")) }];
        const lines = [first, ...Array.from({ length: Math.floor(random() * 60) }, () => lineOf(random))];
        const bytes = lines.map((pieces) => Buffer.concat([...pieces.map((piece) => piece.bytes), newline]));
        const whole = Buffer.concat(bytes);
        yield* Effect.gen(function* () {
          const folder = yield* folderOf({ "a.jsonl": "" });
          let appended = 0;
          for (let at = 0; at < bytes.length; at += 1 + Math.floor(random() * 20)) {
            const torn = bytes[at]?.subarray(0, Math.floor(random() * 6)) ?? newline;
            yield* write(`${folder}/a.jsonl`, Buffer.concat([...bytes.slice(0, at), torn]));
            appended += (yield* importAll(folder)).eventsAppended;
          }
          yield* write(`${folder}/a.jsonl`, whole);
          const last = yield* importAll(folder);
          assert.deepStrictEqual(last.refused, [], `seed ${seed}`);
          assert.strictEqual(appended + last.eventsAppended, lines.flat().length, `seed ${seed}`);
          for (const [name, wanted] of perSession(lines)) {
            const got = yield* exportedBytes(name);
            assert.strictEqual(got.toString("latin1"), wanted.toString("latin1"), `seed ${seed}, session ${name}`);
          }
          assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: lines.flat().length });
        }).pipe(Effect.scoped, Effect.provide(world));
      }
    }),
  );

  it.live("writes no line that no file had: an object joined to one that came before stands alone", () =>
    Effect.gen(function* () {
      const line = (n: number) => claude("s", `${n}`);
      yield* importAll(yield* folderOf({ "a.jsonl": `${line(1)}\n${line(2)}\n${line(3)}\n` }));
      const second = yield* folderOf({ "b.jsonl": `${line(1)}\n${line(2)}${line(4)}${line(5)}\n` });
      assert.deepInclude(yield* importAll(second), { eventsAppended: 2 });
      assert.strictEqual(yield* exported("s"), `${line(1)}\n${line(2)}\n${line(3)}\n${line(4)}${line(5)}\n`);
      assert.deepInclude(yield* importAll(second), { eventsAppended: 0 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("takes an entry whole out of a body that says more after it, as another writer may order it", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const line = claude("s", "1");
      const event = {
        id: fromContent("foreign"),
        type: "thread.entry_recorded",
        schemaVersion: 1,
        occurredAt: 0,
        source: "urn:foreign",
        body: `{"format":"claude-code","entry":${line},"blob":null}`,
      };
      yield* log.append({ history: thread("s"), expected: 0, events: [event] });
      assert.strictEqual(yield* exported("s"), `${line}\n`);
    }).pipe(Effect.provide(world)),
  );

  it.live("and import hold one large line in memory at a time, however many a file has", () =>
    Effect.gen(function* () {
      setFlagsFromString("--expose-gc");
      const collect = runInNewContext("gc") as () => void;
      const lineBytes = 6 * 1024 * 1024;
      const lines = Array.from({ length: 12 }, (_, n) => `${claude("s", `${n}`, { pad: "p".repeat(lineBytes) })}\n`);
      const folder = yield* folderOf({ "a.jsonl": lines.join("") });
      lines.length = 0;
      const live: Array<number> = [];
      const measured = withLog(() => ({
        putBlob: (bytes) =>
          Effect.sync(() => {
            collect();
            const { arrayBuffers, heapUsed } = process.memoryUsage();
            live.push(arrayBuffers + heapUsed);
            return { sha256: fromContent(bytes.subarray(0, 300)), bytes: bytes.length };
          }),
      }));
      assert.deepInclude(yield* importAll(folder).pipe(measured), { eventsAppended: 12, messages: 12 });
      const [first = 0] = live;
      assert.isAtMost(Math.max(...live) - first, 2.5 * lineBytes);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("of a large text that is no JSON is the same text", () =>
    Effect.gen(function* () {
      const text = `${claudeLines("s", 0, 1)}${"\u0001".repeat(700_000)}\n${claudeLines("s", 1, 2)}`;
      assert.deepInclude(yield* importAll(yield* folderOf({ "a.jsonl": text })), { eventsAppended: 3, unknown: 1 });
      assert.isTrue((yield* exported("s")) === text);
      // Written as JSON it would be six times as large, and no event for a server with the usual limit of 1 MiB.
      assert.isAtMost(Math.max(...(yield* events).map(({ body }) => body.length)), 1000 * 1000);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
