/**
 * The arguments of `recollect wrap`, read without the command line's library.
 *
 * Room: edge.
 *
 * Decision: `wrap` is on the way of a server's start, and loading Effect and its command line takes 250 to 700 ms on
 * two busy cores. So main may look at the arguments with this first; whatever it does not take (`--help`, a mistake)
 * is left to the full command line, which knows the same flags.
 */
import { cacheToolsOf } from "./CallLine.ts";
import type { Protocol } from "./Protocol.ts";
import type { Options } from "./Wrap.ts";

/** The flags, and the field of `Options` each fills. */
const flags = {
  "--thread": "thread",
  "--tenant": "tenant",
  "--nats-url": "url",
  "--data": "data",
  "--user": "user",
} as const;

/** Credentials for the server: files, and a prefix. */
const accessFlags = { "--creds": "creds", "--nkey": "nkey", "--inbox-prefix": "inboxPrefix" } as const;
const tlsFlags = { "--tls-ca": "caFile", "--tls-cert": "certFile", "--tls-key": "keyFile" } as const;

/** A server of an address, and the port on which it is served here. */
const httpFlag = "--http";
const portFlag = "--port";

/** Those without a value: the configuration is asked for limits, or for tools whose answers may be given again. */
const limitsFlag = "--limits";
const cacheFlag = "--cache";

/** May be given several times. */
const cacheTool = "--cache-tool";

type Flag = keyof typeof flags;

const isAccess = (word: string): word is keyof typeof accessFlags => Object.hasOwn(accessFlags, word);
const isTls = (word: string): word is keyof typeof tlsFlags => Object.hasOwn(tlsFlags, word);
const isFlag = (word: string): word is Flag => Object.hasOwn(flags, word);

/**
 * Undefined for anything but `[--flag VALUE | --flag=VALUE | --limits | --cache]… -- COMMAND…`, or `--http URL` and flags without a
 * command. `words` are those behind `wrap`.
 * An agent that is spoken to in `acp` has neither thread, address, limits nor answers that are given again.
 */
export const parse = (words: ReadonlyArray<string>, protocol: Protocol = "mcp"): Options | undefined => {
  const divide = words.indexOf("--");
  const end = divide < 0 ? words.length : divide;
  const command = words.slice(end + 1);
  let http: string | undefined;
  let port: number | undefined;
  const found: { -readonly [K in (typeof flags)[Flag]]?: string } = {};
  const cacheTools: Array<string> = [];
  const access: { creds?: string; nkey?: string; inboxPrefix?: string } = {};
  const tls: { caFile?: string; certFile?: string; keyFile?: string } = {};
  let isLimited = false;
  let isCached = false;
  for (let at = 0; at < end; at++) {
    const word = words[at] ?? "";
    if (word === limitsFlag || word === cacheFlag) {
      isLimited ||= word === limitsFlag;
      isCached ||= word === cacheFlag;
      continue;
    }
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = equals < 0 ? words[++at] : word.slice(equals + 1);
    if (value === undefined || at >= end) return undefined;
    if (name === httpFlag) http = value;
    else if (name === portFlag && /^\d{1,5}$/.test(value)) port = Number(value);
    else if (name === cacheTool) cacheTools.push(value);
    else if (isAccess(name)) access[accessFlags[name]] = value;
    else if (isTls(name)) tls[tlsFlags[name]] = value;
    else if (isFlag(name)) found[flags[name]] = value;
    else return undefined;
  }
  // A command or an address; the proxy of an address gives nothing again, and asks no limits.
  if ((http === undefined) !== command.length > 0) return undefined;
  if (http === undefined ? port !== undefined : isLimited || isCached || cacheTools.length > 0) return undefined;
  const { user, ...options } = found;
  const isPlain =
    http === undefined && options.thread === undefined && !isLimited && !isCached && cacheTools.length === 0;
  if (protocol === "acp" && !isPlain) return undefined;
  // Whose calls they are is said to limits only.
  if (user !== undefined && !isLimited) return undefined;
  if (cacheToolsOf(cacheTools) === undefined) return undefined;
  const isTlsSaid = Object.keys(tls).length > 0;
  return {
    ...options,
    ...(protocol === "acp" ? { protocol } : {}),
    ...(isTlsSaid || Object.keys(access).length > 0 ? { access: { ...access, ...(isTlsSaid ? { tls } : {}) } } : {}),
    ...(cacheTools.length === 0 ? {} : { cacheTools }),
    ...(isCached ? { cache: true } : {}),
    ...(http === undefined ? {} : { http }),
    ...(port === undefined ? {} : { port }),
    command,
    ...(isLimited ? { limits: { user } } : {}),
  };
};
