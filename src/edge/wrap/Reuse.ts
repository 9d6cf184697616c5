/**
 * Reuse of answers of a wrapped server: calls that earlier answers serve, and answers that are kept for later ones.
 *
 * Room: edge.
 *
 * Two calls are equal when the same command was started in the same folder, calls itself by the same name and version,
 * and is given the same arguments. Its other knowledge (environment, user) is for the person who allows the tool.
 */
import { Effect, Option } from "effect";
import type { Answer, Asked, ResponseCache } from "../../coordination/cache/ResponseCache.ts";
import { isObject } from "../../domain/Json.ts";
import { cacheToolsOf } from "./CallLine.ts";
import type { RecorderOptions, ToRecorder } from "./Messages.ts";
import type { Observation } from "./Traffic.ts";
import type { Seeing } from "./Protocol.ts";

type Find = Extract<ToRecorder, { _tag: "Find" }>;
type Went = Extract<ToRecorder, { _tag: "Went" }>;

/** Questions and calls without an answer that are remembered: a client that never gets answers must not fill memory. */
const maxOpen = 10_000;

/** A call that was answered in the server's place. */
export interface Reused {
  readonly call: number;
  readonly answer: Answer;
  readonly name: string;
}

const put = <A>(table: Map<number, A>, key: number, value: A): void => {
  table.set(key, value);
  const [oldest] = table.keys();
  if (table.size > maxOpen && oldest !== undefined) table.delete(oldest);
};

export const make = (given: {
  readonly cache: ResponseCache["Service"];
  readonly options: RecorderOptions;
  readonly traffic: Seeing;
}) => {
  const { cache, options, traffic } = given;
  const { cacheTools, command, cwd } = options;
  const lives = cacheToolsOf(cacheTools);
  const finds = new Map<number, { readonly asked: Asked; readonly request: string; answer: Answer | undefined }>();
  /** Calls that went to the server, whose answers are wanted. */
  const wanted = new Map<number, Asked>();

  return {
    /** An earlier answer to an equal call, as JSON. Without an answer to that the server is asked. */
    find: Effect.fnUntraced(function* ({ arguments: args, find, name, request }: Find) {
      const { server } = traffic;
      const isNamed = lives?.has(name) === true;
      const asked: Asked = {
        kind: "tool",
        name,
        request: { command, cwd, server, arguments: args },
        ttlMillis: lives?.get(name),
        allowedBy: isNamed ? "call" : "configuration",
      };
      const about: { readonly asked: Asked; readonly request: string; answer: Answer | undefined } = {
        asked,
        request,
        answer: undefined,
      };
      put(finds, find, about);
      const found = yield* Effect.option(cache.find(asked));
      about.answer = Option.getOrUndefined(found);
      return about.answer === undefined ? null : JSON.stringify(about.answer.value);
    }),

    /** Notes a call that was just seen: answered again, or one whose answer is to be kept. */
    went: ({ find, how }: Went): Reused | undefined => {
      const about = finds.get(find);
      finds.delete(find);
      const call = about === undefined || how === "refused" ? undefined : traffic.callOf(about.request);
      if (about === undefined || call === undefined) return undefined;
      if (how === "answered" && about.answer !== undefined)
        return { call, answer: about.answer, name: about.asked.name };
      put(wanted, call, about.asked);
      return undefined;
    },

    /** Keeps the answers that are wanted, and no failure. */
    observed: (observation: Observation): Effect.Effect<void> => {
      if (observation._tag !== "ToolReturned") return Effect.void;
      const { call, durationMillis, outcome, result } = observation;
      const asked = wanted.get(call);
      wanted.delete(call);
      // An answer too large to be parsed is told by its size only.
      const isWhole = isObject(result) && !("notRecorded" in result);
      if (asked === undefined || outcome !== "ok" || !isWhole) return Effect.void;
      return Effect.ignore(cache.keep(asked, { value: result, tookMillis: durationMillis }));
    },
  };
};
