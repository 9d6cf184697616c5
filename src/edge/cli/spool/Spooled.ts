/**
 * Commands in the spool for one thread, behind its part in the read models.
 *
 * Room: edge.
 */
import { Effect, Result } from "effect";
import { empty } from "../../../domain/thread/Thread.ts";
import type { History } from "../../../domain/History.ts";
import { partsOf } from "../../../domain/thread/ThreadMessage.ts";
import { variable } from "../../../machine/UserFolders.ts";
import { ownLog, targetOf } from "../../../publish/drain/SpoolDrainer.ts";
import type { SpooledCommand } from "../../../spool/Spool.ts";
import * as SpoolList from "../../../spool/SpoolListSqlite.ts";
import * as Waiting from "../../../spool/Waiting.ts";
import { Attach } from "../Attach.ts";
import { where } from "../Flags.ts";
import * as Output from "../Output.ts";

/** In order. A spool that cannot be read is said on stderr: what the log has is worth showing all the same. */
export const spooledFor = Effect.fn("cli.spooledFor")(function* (history: History) {
  const attach = yield* Attach;
  const place = yield* where;
  const { spool: file } = yield* attach.folder(place);
  const url = (place.natsUrl ?? (yield* variable("RECOLLECT_NATS_URL"))).trim();
  const targets = [ownLog, ...(url === "" ? [] : [targetOf(url)])];
  const found = yield* Effect.result(SpoolList.waitingFor({ file, targets, history }));
  if (Result.isSuccess(found)) return found.success;
  yield* Output.note(`${found.failure.message}\n  ${found.failure.hint}`);
  return [];
});

const textOf = (body: string | Uint8Array): string =>
  typeof body === "string" ? body : Buffer.from(body).toString("utf8");

const dataOf = (body: string | Uint8Array): unknown => {
  try {
    return JSON.parse(textOf(body));
  } catch {
    return textOf(body);
  }
};

/** An event as `tail` gives it, without the sequence and the time that it does not have yet. */
export const asJson = ({ acceptedAt, event, history }: SpooledCommand) => {
  const { body, id, ...rest } = event;
  return { eventId: id, ...rest, kind: history.kind, id: history.id, acceptedAt, data: dataOf(body) };
};

const indented = (text: string): string =>
  text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");

/** The messages among what waits, for reading; all of it is in `--json`. */
export const showSpooled = Effect.fnUntraced(function* (spooled: ReadonlyArray<SpooledCommand>) {
  const [first] = spooled;
  if (first === undefined) return;
  const { window } = Waiting.onto(empty(first.history), spooled);
  yield* Output.line(`\n${Output.counted(spooled.length, "event")} not in the log yet, spooled on this machine:`);
  for (const message of window.messages) {
    yield* Output.line(`\n${Output.moment(message.occurredAt)}  ${message.role}  spooled`);
    for (const part of partsOf(message))
      yield* Output.line(indented("text" in part ? part.text.trimEnd() : `[${part.type}]`));
  }
  for (const { asked } of window.calls) {
    if (asked !== undefined) yield* Output.line(`\n${Output.moment(asked.occurredAt)}  → ${asked.name}  spooled`);
  }
});
