/**
 * Lists and SQL over the read models for programs that speak in promises.
 *
 * Room: client.
 */
import { Effect, Schedule, Stream } from "effect";
import type { HistoryFilter, HistoryPage } from "../../query/HistoryList.ts";
import { EventLog } from "../../log/EventLog.ts";
import { Publisher } from "../../publish/Publisher.ts";
import { Query } from "../../query/Query.ts";
import { distinct, QueryRefused, type SqlParameters, type Value } from "../../query/Sql.ts";
import { asObject, asText } from "../Given.ts";
import type { PromiseRunner } from "../PromiseRunner.ts";
import type { Section } from "./Section.ts";

/** Selection of histories. Default: 50 threads. */
export interface ListOptions extends Omit<HistoryFilter, "kind"> {
  readonly kind?: HistoryFilter["kind"] | undefined;
}

export interface ListPage extends HistoryPage {
  /** False: what this client has appended is not all in the database yet. */
  readonly isCurrent: boolean;
}

/** A row by its columns' names; of two columns of one name the second is `name_2`. */
export type SqlRow = Readonly<Record<string, Value>>;

/** Longest wait for the projector. */
const currentMillis = 1_000;
/** Poll interval meanwhile. */
const pollMillis = 20;
/** All rows lie in memory at once. */
const maxRows = 100_000;

export class RecollectQuery {
  readonly #section: Section<Query>;
  readonly #runner: PromiseRunner;

  constructor(section: Section<Query>, runner: PromiseRunner) {
    this.#section = section;
    this.#runner = runner;
  }

  /** True once everything that this client appended is projected. */
  readonly #isCurrent = Effect.gen({ self: this }, function* () {
    const own = this.#runner.ownSequence;
    const { held, spooled } = yield* Publisher.use(({ waiting }) => waiting);
    if (own === undefined && held + spooled > 0) return false;
    const wanted = own ?? (yield* EventLog.use(({ info }) => Effect.map(info, ({ lastSequence }) => lastSequence)));
    return (yield* Query.use(({ checkpoint }) => checkpoint)) >= wanted;
  }).pipe(Effect.catchTag("LogUnavailable", () => Effect.succeed(false)));

  list(options: ListOptions, ofTenant: string): Promise<ListPage> {
    const current = this.#isCurrent.pipe(
      Effect.repeat({ until: (isCurrent: boolean) => isCurrent, schedule: Schedule.spaced(pollMillis) }),
      Effect.timeoutOrElse({ duration: currentMillis, orElse: () => Effect.succeed(false) }),
    );
    const listed = Effect.gen(function* () {
      const { kind = "thread", tenant = ofTenant, ...filter } = asObject(options, "list");
      const isCurrent = yield* current;
      const page = yield* Query.use((query) => query.histories({ kind, tenant, ...filter }));
      return { ...page, isCurrent };
    });
    return this.#section.run(listed);
  }

  sql(statement: string, parameters?: SqlParameters): Promise<ReadonlyArray<SqlRow>> {
    const answered = Effect.gen(function* () {
      const { columns, rows } = yield* Query.use((query) => query.sql(asText(statement, "sql"), parameters));
      const found = yield* Stream.runCollect(Stream.take(rows, maxRows + 1));
      if (found.length > maxRows) {
        const message = `The statement has more than ${maxRows} rows.`;
        return yield* new QueryRefused({ message, hint: "Give it a LIMIT, or run: recollect sql" });
      }
      const names = distinct(columns);
      return found.map((row): SqlRow => Object.fromEntries(names.map((name, at) => [name, row[at] ?? null])));
    });
    return this.#section.run(Effect.scoped(answered));
  }
}
