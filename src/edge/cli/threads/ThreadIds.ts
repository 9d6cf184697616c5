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

/** Lengths of beginnings that are shown: 8 is git's habit, and has room for millions of random ids. */
const shownLengths = [8, 10, 12, 13];
/** An id leaves out its middle where no beginning is enough: ids differ near their end. */
const leftOut = "…";
const headLength = 6;
const tailLengths = [6, 8, 12, 16, 24];

/** Beginning and end of an id as it is shown: `019f6851` or `019f68…38755f`. */
const named = (given: string): { readonly beginning: string; readonly ending?: string } => {
  const at = given.indexOf(leftOut);
  return at === -1 ? { beginning: given } : { beginning: given.slice(0, at), ending: given.slice(at + leftOut.length) };
};

/** The whole name of a thread, also of the N-th of the last list; as it is where no thread has it, since other stores than the read models may know it. */
export const wholeThread = Effect.fnUntraced(function* <Tenant extends string | undefined>(
  given: string,
  tenant: Tenant,
) {
  const query = yield* Query;
  const listed = yield* LastList.atPlace(given);
  // The list says whose thread it is.
  if (listed !== undefined) return listed;
  const ids = yield* query.threadIds({ ...named(given), limit: 4, ...(tenant === undefined ? {} : { tenant }) });
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

/** Forms of an id from the shortest on: beginnings, then a beginning and an end of which the end grows. */
const forms = (id: string): ReadonlyArray<string> => {
  const beginnings = shownLengths.filter((length) => length < id.length).map((length) => id.slice(0, length));
  const ends = tailLengths.filter((length) => headLength + length + 1 < id.length);
  return [
    ...beginnings.filter((form) => !/[\s-]$/.test(form)),
    ...ends.map((length) => `${id.slice(0, headLength)}${leftOut}${id.slice(-length)}`),
  ];
};

/** The shortest forms of these ids that no other thread has, in their order. */
export const shortIds = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const query = yield* Query;
  return yield* Effect.forEach(ids, (id) =>
    Effect.gen(function* () {
      for (const form of forms(id))
        if ((yield* query.threadIds({ ...named(form), limit: 2 })).length === 1) return form;
      return id;
    }),
  );
});
