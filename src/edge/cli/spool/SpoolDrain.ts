/**
 * Delivers what waits in a spool, for each log it is meant for, and tells what became of it.
 *
 * Room: edge.
 *
 * A running instance drains its own spool too; whoever of both is quicker, everything is delivered once.
 */
import { Effect, Layer, Schedule } from "effect";
import { EventLog } from "../../../log/EventLog.ts";
import * as EventLogNats from "../../../log/EventLogNats.ts";
import * as NatsConnection from "../../../log/connection/NatsConnectionNats.ts";
import { Drainer } from "../../../publish/drain/Drain.ts";
import * as DataFolder from "../../../machine/DataFolder.ts";
import * as Connect from "../../../publish/Connect.ts";
import { ownLog, targetOf } from "../../../publish/drain/SpoolDrainer.ts";
import { KnownTasks } from "../../../publish/write/WriteCommand.ts";
import { finder } from "../../../log/connection/ServerAccess.ts";
import * as SpoolList from "../../../spool/SpoolListSqlite.ts";
import * as SpoolSqlite from "../../../spool/SpoolSqlite.ts";
import { Attach, type Where } from "../Attach.ts";
import { describe } from "../Failure.ts";
import * as Output from "../Output.ts";
import * as Progress from "../Progress.ts";

export interface Drained {
  readonly target: string;
  readonly delivered: number;
  /** Of those delivered, in a thread of their own. */
  readonly forked: number;
  readonly setAside: number;
  /** Still here. */
  readonly waiting: number;
  /** Reason that delivery stopped. */
  readonly error: string | null;
}

/** A log that does not answer for so long is away: the spool keeps what it has. */
const patienceMillis = 15_000;
const lookMillis = 50;

/** Until nothing waits for this target any more. Needs the log it is meant for. */
const drainOne = Effect.fnUntraced(function* (file: string, target: string, bar: Progress.Bar) {
  const log = yield* EventLog;
  const spool = yield* SpoolSqlite.make({ file, target });
  const owner = { pid: process.pid, name: "drain" };
  const drainer = new Drainer({ log, spool, tasks: new KnownTasks(), owner });
  yield* Effect.addFinalizer(() => drainer.resign);
  const { waiting: total } = yield* spool.state;
  const patient = Schedule.spaced(200).pipe(Schedule.upTo({ duration: patienceMillis }));
  for (;;) {
    const step = yield* Effect.retry(drainer.step, patient);
    if (step._tag === "Empty") return;
    // Another process is at it.
    if (step._tag === "NotLeading") yield* Effect.sleep(lookMillis);
    const { waiting } = yield* spool.state;
    bar.show({ done: Math.max(0, total - waiting), total, what: target });
  }
}, Effect.scoped);

/** With the log that the target names: the folder's own store, or a server by its address. */
const drainInto = Effect.fnUntraced(function* (work: ReturnType<typeof drainOne>, target: string, place: Where) {
  const attach = yield* Attach;
  if (target === ownLog) return yield* Effect.provide(work, attach.store(place, "there"));
  const isGiven = place.natsUrl !== undefined && targetOf(place.natsUrl) === target;
  const servers = isGiven && place.natsUrl !== undefined ? place.natsUrl : target;
  const folder = yield* Effect.flatMap(DataFolder.locate(place.data), DataFolder.at);
  const guard = (yield* Connect.guardOf(folder, target))();
  const access = finder({ root: folder.root, given: place.access });
  const connection = NatsConnection.layer({ servers, name: "recollect spool drain", access, guard });
  return yield* Effect.provide(work, Layer.provide(EventLogNats.layer(), connection));
});

const countsOf = (found: SpoolList.Survey, target: string): SpoolList.Target =>
  found.targets.find((one) => one.target === target) ?? { target, waiting: 0, setAside: 0, forks: 0, oldestAt: null };

/** One row for each log that something waited for. */
export const drainTargets = Effect.fn("cli.drainTargets")(function* (options: {
  readonly file: string;
  readonly place: Where;
}) {
  const { file, place } = options;
  const survey = SpoolList.survey({ file, limit: 1 });
  const before = yield* survey;
  const bar = yield* Progress.make((done) => `${Output.count(Math.round(done))} events`);
  const rows: Array<Drained> = [];
  for (const { target, waiting } of before.targets) {
    if (waiting === 0) continue;
    const ended = yield* Effect.exit(drainInto(drainOne(file, target, bar), target, place));
    const error = ended._tag === "Failure" ? describe(ended.cause).text.replace(/^recollect: /, "") : null;
    const [first, now] = [countsOf(before, target), countsOf(yield* survey, target)];
    const forked = Math.max(0, now.forks - first.forks);
    const setAside = Math.max(0, now.setAside - first.setAside);
    const delivered = Math.max(0, first.waiting - now.waiting - setAside);
    rows.push({ target, delivered, forked, setAside, waiting: now.waiting, error });
  }
  bar.clear();
  return rows;
}, Effect.scoped);
