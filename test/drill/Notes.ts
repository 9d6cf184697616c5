/**
 * What an importer was told is safe, written down by itself before it goes on: the drill holds the stream against it.
 *
 * One line for each event, `<id> <sequence>`, in a file of its own for each life of an importer. A line is in the file
 * once `writeSync` has returned, also when the process is killed in the next moment.
 */
import { Effect, Layer } from "effect";
import { openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Sequence } from "../../src/domain/History.ts";
import { type Append, type Appended, EventLog } from "../../src/log/EventLog.ts";

/** Of a duplicate with several events only the last one's sequence is told. */
const unknown = "-";

const linesOf = ({ events }: Append, { duplicate, sequence }: Appended): string =>
  events
    .map(({ id }, index) => {
      const before = events.length - 1 - index;
      return `${id} ${duplicate && before > 0 ? unknown : sequence - before}\n`;
    })
    .join("");

/** The same log; what it acknowledges is noted in `file` before the caller learns of it. */
export const noting = (file: string) =>
  Layer.effect(
    EventLog,
    Effect.gen(function* () {
      const log = yield* EventLog;
      const notes = openSync(file, "a");
      const note = (appends: ReadonlyArray<Append>, appended: ReadonlyArray<Appended>) =>
        Effect.sync(() => {
          if (appends.length !== appended.length) throw new Error("not every append was acknowledged");
          writeSync(notes, appends.map((append, index) => linesOf(append, appended[index] as Appended)).join(""));
        });
      return EventLog.of({
        ...log,
        append: (append) => Effect.tap(log.append(append), (appended) => note([append], [appended])),
        appendAll: (appends) => Effect.tap(log.appendAll(appends), (appended) => note(appends, appended)),
      });
    }),
  );

export interface Note {
  readonly id: string;
  /** Undefined when the acknowledgement did not tell. */
  readonly sequence: Sequence | undefined;
}

const files = (folder: string) => readdirSync(folder).map((name) => join(folder, name));

/** All notes of a folder. A last line without its end was never noted: its writer was killed in it. */
export const read = (folder: string): ReadonlyArray<Note> =>
  files(folder).flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line): Note => {
        const [id = "", sequence = unknown] = line.split(" ");
        return { id, sequence: sequence === unknown ? undefined : Number(sequence) };
      }),
  );

/** Grows with every note. */
export const size = (folder: string): number => files(folder).reduce((sum, file) => sum + statSync(file).size, 0);
