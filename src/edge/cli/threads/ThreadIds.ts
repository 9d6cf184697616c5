/**
 * Thread ids as people write them: any beginning that only one thread has, or a place in the last list.
 *
 * Room: edge.
 */
import { Clock, Effect, Option } from "effect";
import { defaultTenant } from "../../../domain/History.ts";
import { shellWord } from "../../../machine/CalledAs.ts";
import { Query } from "../../../query/Query.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { recollect } from "../Flags.ts";
import * as LastList from "./LastList.ts";

/** Shortest id that is shown: git's habit, and room for millions of random ids. */
const shortest = 8;

/** The whole name of a thread, also of the N-th of the last list; as it is where no thread has it, since other stores than the read models may know it. */
export const wholeThread = Effect.fnUntraced(function* <Tenant extends string | undefined>(
  given: string,
  tenant: Tenant,
) {
  const query = yield* Query;
  const listed = yield* LastList.atPlace(given);
  // The list says whose thread it is.
  if (listed !== undefined) return listed;
  const ids = yield* query.threadIds({ beginning: given, limit: 4, ...(tenant === undefined ? {} : { tenant }) });
  const [only, ...others] = ids;
  if (only === undefined || others.length === 0) return { threadId: only ?? given, tenant };
  return yield* new BadRequest({
    message: `${given} is the beginning of several threads: ${ids.slice(0, 3).join(", ")}${ids.length > 3 ? ", …" : ""}.`,
    hint: "Write more of it.",
  });
});

/** The words that name a thread in a command. */
export const namedInHint = ({ tenant, threadId }: LastList.Listed): string =>
  `${shellWord(threadId)}${tenant === defaultTenant ? "" : ` --tenant ${shellWord(tenant)}`}`;

/** No thread has this id, or with `--as-of` none had it then. */
export const noThread = Effect.fnUntraced(function* (threadId: string) {
  const { asOf } = yield* recollect;
  return yield* Option.isNone(asOf)
    ? new NotFound({ message: `There is no thread ${threadId}.`, hint: "recollect threads lists them." })
    : new NotFound({
        message: `Thread ${threadId} was not there as of ${asOf.value}.`,
        hint: `recollect threads --as-of ${shellWord(asOf.value)} lists those that were.`,
      });
});

/** The thread of an id or of its beginning; one that is deleted or expired is not there. */
export const threadNamed = Effect.fnUntraced(function* (given: string, ofTenant: string) {
  const query = yield* Query;
  const { tenant, threadId } = yield* wholeThread(given, ofTenant);
  const found = yield* query.thread({ threadId, tenant });
  if (found === undefined) return yield* noThread(threadId);
  const now = yield* Clock.currentTimeMillis;
  if (found.deletedAt !== null || (found.expiresAt !== null && found.expiresAt <= now)) {
    return yield* new NotFound({
      message: `Thread ${threadId} is ${found.deletedAt === null ? "expired" : "deleted"}.`,
      hint: `recollect thread ${namedInHint(found)} --deleted shows it.`,
    });
  }
  return found;
});

/** The thread that was last active. */
export const lastThreadId = Effect.fnUntraced(function* (tenant: string) {
  const query = yield* Query;
  const { threads } = yield* query.threads({ limit: 1, tenant });
  const [newest] = threads;
  return newest === undefined
    ? yield* new NotFound({ message: "There is no thread.", hint: "Bring some in: recollect import PATH" })
    : newest.threadId;
});

/** The shortest beginnings of these ids that no other thread has, in their order. */
export const shortIds = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const query = yield* Query;
  return yield* Effect.forEach(ids, (id) =>
    Effect.gen(function* () {
      for (let length = shortest; length < id.length; length += 2) {
        const beginning = id.slice(0, length);
        if (/[\s-]$/.test(beginning)) continue;
        if ((yield* query.threadIds({ beginning, limit: 2 })).length === 1) return beginning;
      }
      return id;
    }),
  );
});
