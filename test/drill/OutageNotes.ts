/**
 * What the publishers of the outage drill were told, what is in the log, and whether one is as the other promises.
 */
import { Effect } from "effect";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { isMisfit } from "../../src/domain/Event.ts";
import { EventLog } from "../../src/log/EventLog.ts";

interface Note {
  readonly writer: string;
  readonly thread: string;
  readonly number: number;
  readonly id: string;
  readonly tag: string;
  readonly millis: number;
}

/** A last line without its end was never noted: its writer was killed in it. */
export const notesIn = (folder: string): ReadonlyArray<Note> =>
  readdirSync(folder).flatMap((writer) =>
    readFileSync(join(folder, writer), "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => {
        const [thread = "", number = "", id = "", tag = "", millis = ""] = line.split(" ");
        return { writer, thread, number: Number(number), id, tag, millis: Number(millis) };
      }),
  );

interface Said {
  readonly writer: string;
  readonly thread: string;
  readonly number: number;
  readonly id: string;
}

export const saidIn = Effect.gen(function* () {
  const log = yield* EventLog;
  const { lastSequence } = yield* log.info;
  const said: Array<Said> = [];
  for (let after = 0; after < lastSequence; after++) {
    const entry = yield* log.at(after + 1);
    if (entry === undefined || isMisfit(entry)) continue;
    const data: { readonly role: string; readonly parts: ReadonlyArray<{ readonly text: string }> } = JSON.parse(
      Buffer.from(entry.body).toString("utf8"),
    );
    const number = Number((data.parts[0]?.text ?? "").split(" ", 1)[0]);
    said.push({ writer: data.role, thread: entry.history.id, number, id: entry.id });
  }
  return said;
});

/** What is not as promised, a sentence each. */
export const judge = (said: ReadonlyArray<Said>, notes: ReadonlyArray<Note>): ReadonlyArray<string> => {
  const faults: Array<string> = [];
  const ids = new Map<string, number>();
  const expected = new Map<string, number>();
  for (const { id, number, thread, writer } of said) {
    ids.set(id, (ids.get(id) ?? 0) + 1);
    const line = `${writer} in ${thread}`;
    const next = expected.get(line) ?? 0;
    if (number !== next) faults.push(`${line}: ${number} stands where ${next} should`);
    expected.set(line, number + 1);
  }
  for (const [id, count] of ids) if (count > 1) faults.push(`the event ${id} is in the log ${count} times`);
  for (const { id, number, tag, thread, writer } of notes) {
    // What was only held in memory is lost with its process, and its caller knew.
    if (!ids.has(id) && tag !== "Held") faults.push(`${writer}'s message ${number} in ${thread} (${tag}) is lost`);
  }
  return faults;
};

/** Each writer's notes lie in the order in which it was told. */
export const returnsIn = (notes: ReadonlyArray<Note>): number =>
  notes.filter(({ tag, writer }, index) => {
    const before = notes[index - 1];
    return tag === "Appended" && before?.writer === writer && before.tag !== "Appended";
  }).length;

export const percentiles = (notes: ReadonlyArray<Note>): readonly [number, number, number] => {
  const sorted = notes.map(({ millis }) => millis).toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return [at(0.5), at(0.99), at(1)];
};

/** What a publisher was told of its last message, and how many bytes of notes it had made by then. */
export const lastTold = (file: string): { readonly tag: string; readonly bytes: number } => {
  if (!existsSync(file)) return { tag: "", bytes: 0 };
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return { tag: lines.at(-1)?.split(" ")[3] ?? "", bytes: statSync(file).size };
};
