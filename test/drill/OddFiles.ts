/**
 * Odd files: transcripts of every format, damaged or dressed up in numbered ways, and files that are none. Each is imported,
 * or refused by name and reason; none crashes or stalls an import, and importing all of them again adds nothing.
 */
import { Effect, Result } from "effect";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Carry, noCarry } from "../../src/domain/interpret/Interpreter.ts";
import { factsOf } from "../../src/domain/Interpret.ts";
import { documents } from "../edge/import/DocumentFixtures.ts";
import { everyLine } from "../edge/import/LineFixtures.ts";
import { events, importAll } from "../edge/import/World.ts";
import { type Dice, dice } from "./Dice.ts";

interface Base {
  readonly path: string;
  readonly bytes: Buffer;
}

const text = (value: string): Buffer => Buffer.from(value, "utf8");

/** A good file of each format. */
const bases: ReadonlyArray<Base> = [
  ...everyLine.map(({ format, lines }) => ({
    path: `${format}.jsonl`,
    bytes: text(lines.map((line) => `${JSON.stringify(line)}\n`).join("")),
  })),
  ...documents.map(({ document, format }) => ({ path: `${format}.json`, bytes: text(JSON.stringify(document)) })),
];

type Oddness = (bytes: Buffer, dice: Dice) => Buffer;

const cutAt = (bytes: Buffer, at: number, more: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
const somewhere = (bytes: Buffer, { between }: Dice): number => between(0, bytes.length);
const noise = (count: number, { between }: Dice): Buffer =>
  Buffer.from(Array.from({ length: count }, () => between(0, 255)));
const nested = (depth: number): string => `${'{"a":['.repeat(depth)}0${"]}".repeat(depth)}`;

/** What happens to files, or is done to them. */
export const oddnesses: Readonly<Record<string, Oddness>> = {
  "as it is": (bytes) => bytes,
  cut: (bytes, die) => bytes.subarray(0, somewhere(bytes, die)),
  "without its beginning": (bytes, die) => bytes.subarray(somewhere(bytes, die)),
  "a piece missing": (bytes, die) => {
    const [from, to] = [somewhere(bytes, die), somewhere(bytes, die)].toSorted((a, b) => a - b);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  twice: (bytes) => Buffer.concat([bytes, bytes]),
  "with a mark": (bytes) => Buffer.concat([text("\uFEFF"), bytes]),
  "two marks": (bytes) => Buffer.concat([text("\uFEFF\uFEFF"), bytes]),
  "carriage returns": (bytes) => text(bytes.toString("utf8").replaceAll("\n", "\r\n")),
  "old carriage returns": (bytes) => text(bytes.toString("utf8").replaceAll("\n", "\r")),
  "no end of line": (bytes) => text(bytes.toString("utf8").trimEnd()),
  "empty lines": (bytes) => text(bytes.toString("utf8").replaceAll("\n", "\n\n \t\n")),
  joined: (bytes) => text(bytes.toString("utf8").replaceAll("\n", "")),
  "laid out": (bytes) => text(bytes.toString("utf8").replaceAll(/([{,])"/g, '$1\n  "')),
  "no UTF-8": (bytes, die) => cutAt(bytes, somewhere(bytes, die), Buffer.from([0xc3, 0x28, 0xff, 0xfe, 0x80])),
  "half a character": (bytes, die) => cutAt(bytes, somewhere(bytes, die), Buffer.from([0xf0, 0x9f, 0x98])),
  "half a pair": (bytes) => text(bytes.toString("utf8").replaceAll(/"([a-z]{3,})"/g, '"$1\\ud83d"')),
  "NULs in it": (bytes, die) => cutAt(bytes, somewhere(bytes, die), Buffer.alloc(die.between(1, 5000))),
  "NULs at its end": (bytes) => Buffer.concat([bytes, Buffer.alloc(4096)]),
  "nothing but NULs": (bytes) => Buffer.alloc(bytes.length),
  empty: () => Buffer.alloc(0),
  "one byte": (_, die) => noise(1, die),
  blank: () => text(" \n\t\r\n "),
  noise: (_, die) => noise(die.between(1, 20_000), die),
  "a flipped bit": (bytes, die) => {
    const copy = Buffer.from(bytes);
    const at = die.between(0, Math.max(0, copy.length - 1));
    copy[at] = (copy[at] ?? 0) ^ (1 << die.between(0, 7));
    return copy;
  },
  "a huge line": (bytes) =>
    Buffer.concat([bytes, text(`{"type":"user","message":{"role":"user","content":"${"x".repeat(2_000_000)}"}}\n`)]),
  "a huge word": (bytes) => Buffer.concat([text("y".repeat(2_000_000)), bytes]),
  "many short lines": (bytes) => Buffer.concat([bytes, text("{}\n".repeat(3_000)), text("x\n".repeat(3_000))]),
  "nested deep": (bytes) => Buffer.concat([bytes, text(`${nested(4_000)}\n`)]),
  "nested far too deep": () => text("[".repeat(150_000)),
  "nested in a message": (bytes) =>
    text(bytes.toString("utf8").replace(/"content":/, `"deep":${nested(2_000)},"content":`)),
  "numbers without end": (bytes) => text(bytes.toString("utf8").replaceAll(/:(\d+)/g, `:$1${"0".repeat(400)}`)),
  "numbers of no kind": (bytes) => text(bytes.toString("utf8").replaceAll(/:(\d+)/g, ":NaN")),
  "times of another age": (bytes) => text(bytes.toString("utf8").replaceAll("2026-", "+275760-")),
  "names of prototypes": (bytes) =>
    text(bytes.toString("utf8").replaceAll('"type"', '"__proto__":{"x":1},"constructor":null,"type"')),
  "a name twice": (bytes) => text(bytes.toString("utf8").replaceAll('"type"', '"type":[],"type"')),
  "everything null": (bytes) =>
    text(bytes.toString("utf8").replaceAll(/"(content|message|parts|role|usage)":/g, '"$1":null,"x$1":')),
  "everything a list": (bytes) =>
    text(bytes.toString("utf8").replaceAll(/"(content|message|parts|role|usage)":/g, '"$1":[[]],"x$1":')),
  "words of a terminal": (bytes) =>
    text(bytes.toString("utf8").replaceAll(/"([a-z]{4,})"/g, '"\\u001b]0;$1\\u0007\\u001b[31m"')),
  "UTF-16": (bytes) => Buffer.from(`\uFEFF${bytes.toString("utf8")}`, "utf16le"),
  "UTF-16 without its end": (bytes) => Buffer.from(`\uFEFF${bytes.toString("utf8")}`, "utf16le").subarray(0, -3),
  gzip: (bytes) => gzipSync(bytes),
  "torn gzip": (bytes) => gzipSync(bytes).subarray(0, -9),
  "gzip with noise behind": (bytes, die) => Buffer.concat([gzipSync(bytes), noise(50, die)]),
  "gzip in gzip": (bytes) => gzipSync(gzipSync(bytes)),
  zstd: (bytes) => zstdCompressSync(bytes),
  "torn zstd": (bytes) => zstdCompressSync(bytes).subarray(0, -5),
  "damaged zstd": (bytes, die) => cutAt(zstdCompressSync(bytes), 6, noise(9, die)),
  "a database's head": (bytes) => Buffer.concat([text("SQLite format 3\u0000"), bytes]),
  "another's head": (bytes) => Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), bytes]),
  "a ZIP's head": (bytes) => Buffer.concat([text("PK\u0003\u0004"), bytes]),
  "in Markdown": (bytes) => Buffer.concat([text("# aider chat started at 2026-99-99 99:99:99\n\n#### hi\n"), bytes]),
};

const kinds = Object.keys(oddnesses);
const endings = [
  ".jsonl",
  ".json",
  ".txt",
  ".db",
  ".md",
  ".jsonl.zst",
  ".gz",
  "",
  ".af",
  ".traj",
  " (copy).jsonl",
  ".JSONL",
] as const;
const names = ["a", "events", "chat_history", "Ünïcödé 😀", "-rf", "a\nb", "con", "agent-1", "x".repeat(180)] as const;

export interface OddFile {
  readonly path: string;
  readonly bytes: Buffer;
  /** What was done to which format. */
  readonly about: string;
}

/** Odd files, the same for the same seed: every kind in turn, now and then two at once. */
export const oddFiles = (count: number, seed: number): ReadonlyArray<OddFile> => {
  const die = dice(seed);
  return Array.from({ length: count }, (_, at) => {
    const base = bases[die.between(0, bases.length - 1)] as Base;
    const chosen = [
      kinds[at % kinds.length] ?? "",
      ...(die.chance(0.25) ? [kinds[die.between(0, kinds.length - 1)] ?? ""] : []),
    ];
    const bytes = chosen.reduce((all, kind) => oddnesses[kind]?.(all, die) ?? all, base.bytes);
    const ending = die.chance(0.5) ? base.path.slice(base.path.lastIndexOf(".")) : die.pick(endings);
    return { path: `${at}/${die.pick(names)}${ending}`, bytes, about: `${base.path}: ${chosen.join(", then ")}` };
  });
};

export interface OddOutcome {
  readonly faults: ReadonlyArray<string>;
  readonly folder: string;
  readonly files: number;
  readonly imported: number;
  readonly named: number;
  readonly events: number;
  /** Processor time of the slowest file. */
  readonly longestMillis: number;
}

/** What is no file, and must not be opened as one. */
const others = (folder: string): void => {
  mkdirSync(join(folder, "folder.jsonl"));
  symlinkSync(folder, join(folder, "loop"));
  symlinkSync(join(folder, "nowhere"), join(folder, "nowhere.jsonl"));
  if (process.platform !== "win32") execFileSync("mkfifo", [join(folder, "pipe.jsonl")]);
};

/** Most processor time of one file: none of them is larger than some megabytes. */
const mostMillis = 20_000;
/** Longest wait for one, on a machine with much else to do. */
const longestWait = "5 minutes";

export const run = Effect.fnUntraced(function* (options: { readonly files: number; readonly seed: number }) {
  const folder = mkdtempSync(join(tmpdir(), "recollect-odd-"));
  const faults: Array<string> = [];
  const files = oddFiles(options.files, options.seed);
  let imported = 0;
  let named = 0;
  let longestMillis = 0;
  for (const { about, bytes, path } of files) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    const began = process.cpuUsage();
    const ended = yield* Effect.exit(Effect.timeout(importAll(file), longestWait));
    const { system, user } = process.cpuUsage(began);
    const millis = (system + user) / 1_000;
    longestMillis = Math.max(longestMillis, millis);
    if (millis > mostMillis) faults.push(`${about} (${path}): ${millis.toFixed(0)} ms of processor`);
    if (ended._tag === "Failure") {
      faults.push(`${about} (${path}): ${String(ended.cause)}`);
      continue;
    }
    const { files: taken, refused, skipped } = ended.value;
    const reasons = [...refused, ...skipped];
    if (taken + reasons.length === 0) faults.push(`${about} (${path}): neither taken nor named`);
    for (const { file: name, reason } of reasons)
      if (name !== file || reason.trim() === "") faults.push(`${about} (${path}): named as ${name}: ${reason}`);
    if (taken > 0) imported++;
    else named++;
  }
  const recorded = yield* events;
  const carries = new Map<string, Carry>();
  for (const event of recorded) {
    const told = factsOf(event, carries.get(event.history.id) ?? noCarry);
    if (Result.isFailure(told)) faults.push(`event ${event.sequence}: ${told.failure.reason}`);
    else if (told.success.carry !== undefined) carries.set(event.history.id, told.success.carry);
  }
  others(folder);
  const again = yield* Effect.exit(importAll(folder));
  if (again._tag === "Failure") faults.push(`all of them together: ${String(again.cause)}`);
  else if (again.value.eventsAppended > 0)
    faults.push(`all of them together, again: ${again.value.eventsAppended} entries were appended a second time`);
  if (faults.length === 0) rmSync(folder, { recursive: true, force: true });
  return {
    faults,
    folder,
    files: files.length,
    imported,
    named,
    events: recorded.length,
    longestMillis,
  } satisfies OddOutcome;
});
