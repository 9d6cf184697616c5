/**
 * `recollect wrap`: a stdio MCP server, recorded.
 *
 * Room: edge.
 *
 * Everything between client and server passes unchanged; the session, its tool calls, their results and durations are
 * published beside. NATS being away or slow never delays or breaks a call: the recorder keeps what it cannot deliver
 * in the spool. With `limits` a call that is over one is answered with an error in the server's place. Imports nothing but Node, so that the server is started within milliseconds; `run` is the form for
 * programs that have no Effect yet, `wrap` (in `WrapEffect.ts`) the one for those that have.
 */
import { asking } from "./InPlace.ts";
import type { Access, Ended, LimitOptions } from "./Messages.ts";
import type { Protocol } from "./Protocol.ts";
import * as Proxy from "./Proxy.ts";
import { type Report, Tap } from "./Tap.ts";
import type { Direction } from "./Traffic.ts";

export { endLike, exitCodeOf } from "./Proxy.ts";
export type { Ended } from "./Messages.ts";

export interface Options {
  /** The server's program and its arguments; empty with `http`. */
  readonly command: ReadonlyArray<string>;
  /** The address of a server of streamable HTTP, in place of a command. */
  readonly http?: string | undefined;
  /** The port of this machine on which it is then served. Default: any free one. */
  readonly port?: number | undefined;
  /** Protocol between both sides. Default: mcp. */
  readonly protocol?: Protocol | undefined;
  /** The thread to write to. Default: a new one. */
  readonly thread?: string | undefined;
  readonly tenant?: string | undefined;
  /** Default: `RECOLLECT_NATS_URL`, else the running instance of the data folder. */
  readonly url?: string | undefined;
  /** Default: `RECOLLECT_DATA`, else the XDG data folder. */
  readonly data?: string | undefined;
  /** Credentials for the server. Default: `RECOLLECT_NATS_…`, else the data folder's own key. */
  readonly access?: Access | undefined;
  /**
   * Tools whose answers may be reused, for all users of the tenant who start the same command in the same folder:
   * those that answer by their arguments alone. `NAME`, or `NAME=MILLIS` for a lifetime; anything else is none. Default: none.
   */
  readonly cacheTools?: ReadonlyArray<string> | undefined;
  /** Give the answers of tools again that the configuration names, `cache.responses.tools.NAME`, while it does. Default: no. */
  readonly cache?: boolean | undefined;
  /** Patience of a call of these tools for an earlier answer, milliseconds. Default 250: a look takes one millisecond, over NATS two. */
  readonly findMillis?: number | undefined;
  /** Ask the limits of the configuration before each tool call. Default: no. */
  readonly limits?: LimitOptions | undefined;
  /**
   * Patience at the end until everything is in the log or the spool, milliseconds. Default 2,500: the official client kills a
   * server four seconds after it has closed its input. The rest is in the journal then.
   */
  readonly flushMillis?: number | undefined;
}

/** As the other commands say that something could not be done. */
const lostCode = 5;
const defaultFlushMillis = 2_500;
const defaultFindMillis = 250;

/** Runs the server until it ends. Resolves with how it ended, when what passed is recorded; never rejects. */
export const run = async (options: Options): Promise<Ended> => {
  if (options.http !== undefined) {
    const { run: serve } = await import("./WrapHttp.ts");
    return serve({ ...options, http: options.http });
  }
  let tap: Tap | undefined;
  let problem: Report;
  const { access, cache = false, cacheTools = [], command, data, limits, protocol, tenant, thread, url } = options;
  const passed = { passed: (direction: Direction, chunk: Uint8Array) => tap?.passed(direction, chunk) };
  const decide = (tool: string) => tap?.decide(tool) ?? Promise.resolve(undefined);
  const find = (line: Buffer) => tap?.find(line);
  const isReusing = cache || cacheTools.length > 0;
  const ask = asking({
    decide: limits === undefined ? undefined : decide,
    find: isReusing ? find : undefined,
  });
  const name = protocol === "acp" ? "recollect acp" : "recollect wrap";
  const running = Proxy.start(command, passed, limits === undefined && !isReusing ? undefined : ask, name);
  // The server has been started; only now the recorder's thread takes its share of the machine. Nothing has passed yet.
  const parentThreadId = process.env["CLAUDE_CODE_SESSION_ID"] || undefined;
  try {
    const cwd = process.cwd();
    const recorded = {
      protocol,
      threadId: thread,
      tenant,
      url,
      data,
      access,
      command,
      cwd,
      parentThreadId,
      cacheTools,
      cache,
      limits,
    };
    // Of a program that never began there is nothing to record.
    if (running.hasBegun) tap = new Tap(recorded, options.findMillis ?? defaultFindMillis);
  } catch (cause) {
    const words = `recording could not start: ${cause instanceof Error ? cause.message : String(cause)}`;
    problem = { words, isLost: true };
  }
  const ended = await running.ended;
  const report = problem ?? (await tap?.end(ended, options.flushMillis ?? defaultFlushMillis));
  if (report !== undefined) process.stderr.write(`${name}: ${report.words}\n`);
  running.letGo();
  // A server that did well, and of which nobody will ever know.
  return report?.isLost === true && ended.code === 0 ? { ...ended, code: lostCode } : ended;
};
