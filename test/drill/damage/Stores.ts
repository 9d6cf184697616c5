/**
 * The stores that faults are planted in, made once: real ones, through the product's own commands.
 *
 * `plain`: some threads, then enough to fill more than one block of the stream, then some threads again. `spooled`: the
 * same, and commands that wait in the spool. `compressed`: the same events in a stream as versions before December 2026
 * made it. Beside them the plain one of an earlier day, and another store.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import { dice } from "../Dice.ts";
import { type Jsm, withApi } from "./Api.ts";
import { begin, type Ended, endServer, product, type Running } from "./Command.ts";
import type { Base } from "./Fault.ts";
import * as Truth from "./Truth.ts";

/** Nothing takes longer on a busy machine; what does counts as a command that does not end. */
export const limitMillis = 120_000;

export interface Stores {
  readonly folder: string;
  readonly home: string;
  readonly threads: ReadonlyArray<string>;
  readonly of: (base: Base) => Promise<Store>;
  readonly older: string;
  readonly stranger: string;
  readonly fresh: string;
}

export interface Store {
  readonly data: string;
  readonly truth: Truth.Truth;
  /** What `damageReader.ts` said of it. */
  readonly read: Answers;
}

interface Answer {
  readonly error?: string;
  readonly late?: true;
  readonly none?: true;
  readonly isCurrent?: boolean;
  readonly messages?: ReadonlyArray<string>;
}
export type Answers = Readonly<Record<string, { readonly read: Answer; readonly messages: Answer }>>;

export const command = (home: string, data: string, words: ReadonlyArray<string>): Promise<Ended> =>
  begin({ words: [product, ...words, "--data", data], home, limitMillis }).ended;

const must = async (ended: Promise<Ended>, what: string): Promise<Ended> => {
  const is = await ended;
  if (is.code !== 0) throw new Error(`${what} ended with ${is.code}: ${is.err}`);
  return is;
};

/** The daemon, and where its NATS is; undefined when it ended or was not ready in time. */
export const up = async (home: string, data: string): Promise<{ running: Running; nats: string | undefined }> => {
  const running = begin({
    words: [product, "up", "--json"].concat("--data", data),
    home,
    limitMillis: 4 * limitMillis,
  });
  await running.says('"ready":true', limitMillis);
  const nats = /"nats":"([^"]+)"/.exec(running.out())?.[1];
  return { running, nats };
};

const program = (name: string) => new URL(`./${name}.ts`, import.meta.url).pathname;

export const read = async (home: string, data: string, threads: ReadonlyArray<string>): Promise<Ended> =>
  begin({ words: [program("damageReader"), data, ...threads], home, limitMillis }).ended;

const vocabulary = Array.from({ length: 800 }, (_, index) => `w${index.toString(36)}`);

/** A conversation of `count` messages, each of about so many bytes. */
const conversation = (seed: number, name: string, count: number, bytes: number): string => {
  const from = dice(seed);
  const text = (number: number): string => {
    const words = [`words ${name} ${number}`];
    for (let length = 0; length < bytes; length += 5)
      words.push(vocabulary[from.between(0, vocabulary.length - 1)] ?? "w");
    return words.join(" ");
  };
  const messages = Array.from({ length: count }, (_, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content: text(index),
  }));
  return JSON.stringify({ messages });
};

const threadsIn = async (home: string, data: string): Promise<ReadonlyArray<string>> => {
  const { out } = await must(command(home, data, ["threads", "--json"]), "threads");
  const { threads } = JSON.parse(out) as { readonly threads: ReadonlyArray<{ readonly threadId: string }> };
  return threads.map(({ threadId }) => threadId);
};

const readWhole = async (home: string, data: string, threads: ReadonlyArray<string>): Promise<Answers> => {
  const { nats, running } = await up(home, data);
  if (nats === undefined)
    throw new Error(`the store that is to be damaged did not start: ${(await running.ended).err}`);
  const said = await must(read(home, data, threads), "reading the threads");
  running.kill("SIGTERM");
  await running.ended;
  await endServer(data);
  return JSON.parse(said.out) as Answers;
};

/**
 * Events of a foreign type that fill the first block of the stream (8 MB), and a little of the second: nothing folds
 * them, so that they cost a verification little.
 */
const large = async (jsm: Jsm): Promise<void> => {
  const from = dice(5);
  for (let number = 0; number < 24; number++) {
    const bytes = Buffer.from(Uint8Array.from({ length: 280_000 }, () => from.between(0, 255)));
    const id = `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`;
    const event = {
      "ce-id": id,
      "ce-type": "x.drill.filled",
      "ce-source": "drill",
      "ce-time": "2026-01-01T00:00:00.000Z",
    };
    await jsm.publish("recollect.default.thread.filled", JSON.stringify({ text: bytes.toString("base64") }), event);
  }
};

const fill = async (home: string, data: string): Promise<void> => {
  const { nats, running } = await up(home, data);
  if (nats === undefined) throw new Error("the store did not start to be filled");
  await withApi(data, nats, large);
  running.kill("SIGTERM");
  await running.ended;
  await endServer(data);
};

const spool = async (stores: Omit<Stores, "of">, plain: Store): Promise<Store> => {
  const [data, drained] = [join(stores.folder, "spooled"), join(stores.folder, "drained")];
  rmSync(drained, { recursive: true, force: true });
  cpSync(plain.data, data, { recursive: true, verbatimSymlinks: true });
  const say = (from: number, count: number) =>
    must(
      begin({
        words: [program("spooler"), data, "spooled", String(from), String(count)],
        home: stores.home,
        limitMillis,
      }).ended,
      "the spooler",
    );
  await say(0, 4);
  for (const end of ["", "-wal"])
    cpSync(join(data, `spool.db${end}`), join(stores.older, `early-spool.db${end}`), { force: true, recursive: true });
  const { out } = await say(4, 8);
  if (/^(?!Spooled)/m.test(out.trim())) throw new Error(`what was to wait in the spool did not: ${out}`);
  cpSync(data, drained, { recursive: true, verbatimSymlinks: true });
  const threads = [...stores.threads, "spooled"];
  await must(command(stores.home, drained, ["spool", "drain"]), "draining");
  const answers = await readWhole(stores.home, drained, threads);
  const truth = new Map(
    // Where what waited comes to stand is not known before.
    [...Truth.truthOf(drained)].map(([id, row]) => [id, plain.truth.has(id) ? row : { ...row, sequence: 0 }]),
  );
  return { data, truth, read: answers };
};

/** Files that become the store, in the order in which they are imported. */
const write = (folder: string) => {
  const files = join(folder, "transcripts");
  mkdirSync(files, { recursive: true });
  const put = (name: string, count: number, bytes: number): string => {
    const file = join(files, `${name}.json`);
    writeFileSync(file, conversation(name.length * 7 + count, name, count, bytes));
    return file;
  };
  return {
    early: [put("early-one", 12, 300), put("early-two", 11, 300)],
    late: [put("late-one", 12, 300), put("late-two", 11, 2_000)],
    other: put("other", 9, 300),
    fresh: put("fresh", 7, 300),
  };
};

/** Stores of an earlier run in the same folder, in `stores.json` beside them; the truth as its entries. */
interface Note {
  /** Versions of the read models: of others, the stores are made anew. */
  readonly made: string;
  threads: ReadonlyArray<string>;
  readonly stores: Partial<
    Record<Base, Omit<Store, "truth"> & { readonly truth: ReadonlyArray<readonly [string, Truth.Row]> }>
  >;
}

const made = JSON.stringify(readModels.map(({ name, version }) => [name, version]));

const noteIn = (folder: string): Note => {
  const file = join(folder, "stores.json");
  const found = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Note) : undefined;
  return found?.made === made ? found : { made, threads: [], stores: {} };
};

/** `kept`: a folder for the stores, where those of an earlier run are used again. Default: one of their own. */
export const make = async (say: (line: string) => void, kept?: string): Promise<Stores> => {
  if (kept !== undefined) mkdirSync(kept, { recursive: true });
  const folder = kept ?? mkdtempSync(join(tmpdir(), "recollect-damage-drill-"));
  const home = join(folder, "home");
  mkdirSync(home, { recursive: true });
  const files = write(folder);
  const [data, older, stranger] = [join(folder, "plain"), join(folder, "older"), join(folder, "stranger")];
  const add = (to: string, paths: ReadonlyArray<string>) =>
    must(command(home, to, ["import", ...paths, "--json"]), "the import");
  const note = noteIn(folder);
  /** As it was made before, or made now and written down. */
  const noted = async (base: Base, name: string, begun: () => Promise<Store>): Promise<Store> => {
    const before = note.stores[base];
    if (before !== undefined) return { ...before, truth: new Map(before.truth) };
    rmSync(join(folder, name), { recursive: true, force: true });
    const store = await begun();
    note.stores[base] = { ...store, truth: [...store.truth] };
    writeFileSync(join(folder, "stores.json"), JSON.stringify(note));
    return store;
  };

  const plain = await noted("plain", "plain", async () => {
    for (const before of [older, stranger]) rmSync(before, { recursive: true, force: true });
    await add(stranger, [files.other]);
    await add(data, files.early);
    cpSync(data, older, { recursive: true, verbatimSymlinks: true });
    await fill(home, data);
    await add(data, files.late);
    note.threads = (await threadsIn(home, data)).filter((id) => id !== "filled");
    return { data, read: await readWhole(home, data, note.threads), truth: Truth.truthOf(data) };
  });
  const { threads } = note;
  say(`${plain.truth.size} events in ${threads.length} threads`);
  const known = { folder, home, threads, older, stranger, fresh: files.fresh };

  const compress = async (): Promise<Store> => {
    const to = join(folder, "compressed");
    const { nats, running } = await up(home, to);
    if (nats === undefined) throw new Error("no store for a compressed stream");
    await withApi(to, nats, async (jsm) => {
      const { config } = await jsm.streams.info("RECOLLECT");
      await jsm.request("STREAM.UPDATE.RECOLLECT", { ...config, compression: "s2" });
    });
    await add(to, files.early);
    await withApi(to, nats, large);
    await add(to, files.late);
    running.kill("SIGTERM");
    await running.ended;
    await endServer(to);
    return { data: to, read: await readWhole(home, to, threads), truth: Truth.truthOf(to) };
  };

  const held: Partial<Record<Base, Promise<Store>>> = { plain: Promise.resolve(plain) };
  const of = (base: Base): Promise<Store> =>
    (held[base] ??= base === "spooled" ? noted(base, base, () => spool(known, plain)) : noted(base, base, compress));
  return { ...known, of };
};
