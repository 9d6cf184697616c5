/**
 * The front of the stdio server: lines in, one by one, and only messages of JSON-RPC go on to the server behind.
 *
 * Room: edge.
 *
 * Decision: Effect's stdio transport (4.1) loses the rest of its input at a line that is no JSON, and stalls at an empty batch;
 * so lines are looked at here first. The same look gives the tasks extension its messages.
 */
import { Deferred, Effect, Layer, Stdio, Stream } from "effect";
import { isObject } from "../../domain/Json.ts";
import { type Line, Lines } from "../wrap/Lines.ts";
import { codes, type Dispatch, failure, refused, type Reply } from "./Dispatch.ts";

/** Longest line: a question is shorter, a longer line is a file. */
const longestLine = 4 * 1024 * 1024;
/** Answers of the dispatcher that are on their way at one time. */
const atOnce = 64;

const encoder = new TextEncoder();

/** Standard input and output for the server behind, and when the input has ended. */
export const layer = (dispatch: Dispatch, ended: Deferred.Deferred<void>) =>
  Layer.effect(
    Stdio.Stdio,
    Effect.gen(function* () {
      const real = yield* Stdio.Stdio;
      const say = ({ body }: Reply) =>
        Stream.run(Stream.make(`${JSON.stringify(body)}\n`), real.stdout({ endOnDone: false })).pipe(Effect.ignore);
      const lines = new Lines(longestLine);

      /** The line for the server behind; none where it has been answered. */
      const look = Effect.fnUntraced(function* (line: Line) {
        if (line._tag === "Huge") {
          yield* say(
            failure({}, { code: codes.invalidRequest, message: `A message has at most ${longestLine} bytes` }),
          );
          return [];
        }
        if (line.text.trim() === "") return [];
        const { message, reply } = refused(line.text);
        const answered = reply ?? (isObject(message) ? yield* dispatch(message) : undefined);
        if (answered === undefined) return [encoder.encode(`${line.text}\n`)];
        yield* say(answered);
        return [];
      });

      const last = Stream.suspend(() => Stream.fromIterable([lines.end()].filter((line) => line !== undefined)));
      const stdin = real.stdin.pipe(
        Stream.flatMap((chunk) => Stream.fromIterable(lines.take(chunk))),
        Stream.concat(last),
        Stream.mapEffect(look, { concurrency: atOnce }),
        Stream.flattenIterable,
        Stream.ensuring(Deferred.succeed(ended, undefined)),
      );
      return Stdio.make({
        ...real,
        stdin,
        stdout: (options) => real.stdout(options),
        stderr: (options) => real.stderr(options),
      });
    }),
  );
