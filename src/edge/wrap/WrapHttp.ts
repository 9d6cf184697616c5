/**
 * `recollect wrap --http URL`: an MCP server of streamable HTTP, recorded by a proxy on this machine.
 *
 * Room: edge.
 *
 * Runs until it is told to end. All that was recorded by then is in the log, in the spool, or in the journal, as for a process.
 */
import * as HttpProxy from "./HttpProxy.ts";
import type { Ended } from "./Messages.ts";
import { Tap } from "./Tap.ts";
import type { Options } from "./Wrap.ts";

const usageCode = 2;
const unavailableCode = 5;
const defaultFlushMillis = 2_500;

/** The address that is recorded: without the credentials in it. */
const shown = (target: URL): string => `${target.origin}${target.pathname}`;

const told = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
  });

const failed = (code: number, words: string): Ended => {
  process.stderr.write(`recollect wrap: ${words}\n`);
  return { code, signal: null };
};

/** Serves until a signal. Resolves with how it ended; never rejects. */
export const run = async (options: Options & { readonly http: string }): Promise<Ended> => {
  const { access, data, flushMillis = defaultFlushMillis, http, port = 0, tenant, thread, url } = options;
  const target = URL.parse(http);
  if (target === null || !/^https?:$/.test(target.protocol)) {
    return failed(usageCode, `${http} is no address. Write --http https://example.com/mcp`);
  }
  const recorded = {
    threadId: thread,
    tenant,
    url,
    data,
    access,
    command: ["--http", shown(target)],
    cwd: process.cwd(),
    parentThreadId: process.env["CLAUDE_CODE_SESSION_ID"] || undefined,
    cacheTools: [],
    cache: false,
    limits: undefined,
    transport: "http",
  };
  const tap = new Tap(recorded, 0);
  const listening = await HttpProxy.listen(target, port, (direction, line) => tap.passed(direction, line)).catch(
    (error: Error) => failed(unavailableCode, `port ${port} cannot be listened on: ${error.message}`),
  );
  if ("url" in listening) {
    process.stderr.write(`recollect wrap: ${listening.url} is ${shown(target)}, recorded\n`);
    await told();
    await listening.close();
  }
  const ended: Ended = "url" in listening ? { code: 0, signal: null } : listening;
  const report = await tap.end(ended, flushMillis);
  if (report !== undefined) process.stderr.write(`recollect wrap: ${report.words}\n`);
  return report?.isLost === true && ended.code === 0 ? { ...ended, code: unavailableCode } : ended;
};
