/**
 * The one connection to NATS that log, snapshot and coordination share.
 *
 * Room: log.
 *
 * Promises: the server is new enough and its JetStream answers, or the layer fails with a sentence and a hint; a lost
 * connection is dialled again for ever, ever more slowly and never in step with others; with a guard, nothing counts as
 * connected before it has found the server to be the one that is meant; what is in flight when the scope closes is
 * drained, for at most two seconds.
 */
import { elapsed } from "./Elapsed.ts";
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import {
  type ConnectionOptions,
  connect,
  type NatsConnection as Client,
  PermissionViolationError,
  type ServerInfo,
} from "@nats-io/transport-node";
import { Context, Effect, Layer, Stream } from "effect";
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { isObject } from "../../domain/Json.ts";
import { isAtLeast, minimumVersion } from "../../machine/nats/NatsBinary.ts";
import type { LogCondition } from "./LogCondition.ts";
import { Replies } from "./RepliesNats.ts";
import { authenticationOf, type Credentials, inboxPrefixIn, splitUrls } from "./NatsCredentialsNats.ts";
import * as HoldsProcess from "./HoldsProcessNats.ts";
import * as Gate from "./GateNats.ts";
import type { Link, LinkState } from "./LinkNats.ts";
import * as ServerAccess from "./ServerAccess.ts";
import type { StreamGuard } from "./StreamGuardNats.ts";
import { root as streamRoot, signedRoot } from "../Subject.ts";
import * as Unusable from "./NatsUnusable.ts";

export type { Link, LinkState } from "./LinkNats.ts";
export type { Credentials } from "./NatsCredentialsNats.ts";

export interface Options {
  /** `nats://host:port`, several with commas or as a list; a user and password in the URL are taken as credentials. */
  readonly servers: string | ReadonlyArray<string>;
  readonly credentials?: Credentials | undefined;
  /** Finder of credentials where none are given. Default: in the address, else in the environment. */
  readonly access?: ServerAccess.Find | undefined;
  readonly tls?: ServerAccess.TlsFiles | undefined;
  /** Shown in the server's list of connections. Default `recollect`. */
  readonly name?: string | undefined;
  /** For users who may only listen below a prefix of their own. Default `_INBOX`. */
  readonly inboxPrefix?: string | undefined;
  /** The server's `sync_interval`, as far as the caller knows it: a client cannot ask for it. Shown by `status`. */
  readonly syncInterval?: string | undefined;
  /** Default 5,000: a server on another continent answers within one second. */
  readonly connectTimeoutMillis?: number | undefined;
  /** Says whether the server is the one that is meant; until it does, nothing is asked of it. Absent: any server is. */
  readonly guard?: StreamGuard | undefined;
  /** True: the process works with the whole stream, so that a user of one tenant is refused. Default: no. */
  readonly isWholeStore?: boolean | undefined;
}

export class NatsConnection extends Context.Service<
  NatsConnection,
  {
    readonly nc: Client;
    readonly js: JetStreamClient;
    readonly jsm: JetStreamManager;
    readonly link: Link;
    /** The state now and every later one. */
    readonly changes: Stream.Stream<LinkState>;
    readonly state: Effect.Effect<LinkState>;
    /** Returns as soon as the server is there: at once, or when it is back. */
    readonly connected: Effect.Effect<void>;
    /** Prefix of the addresses for our answers; undefined for the client's default. */
    readonly inboxPrefix: string | undefined;
    /** The configured addresses, without credentials, separated by commas. */
    readonly url: string;
    /** The server's own description at the last connect: version, name, cluster, largest payload. */
    readonly serverInfo: () => ServerInfo;
    /** Findings of the guard about the server or its stream; empty when all is well, and without a guard. */
    readonly conditions: () => ReadonlyArray<LogCondition>;
    /** The guard, which knows the stream; undefined without one. */
    readonly stream: StreamGuard | undefined;
    /** Looks again now, and returns when that is done: the state is as it is and not as it was. */
    readonly lookAgain: Effect.Effect<void>;
    /** The caller's setting; undefined when unknown. `always` means that acknowledged is on disk. */
    readonly syncInterval: string | undefined;
  }
>()("recollect/log/NatsConnection") {}

/**
 * A half-open connection is noticed after two unanswered pings, 20 to 30 s. The client's default is four minutes.
 */
const pingIntervalMillis = 10_000;
const firstRedialMillis = 20;
/** A server that is away for hours costs a dial every 10 s, and is found again that soon. */
const longestRedialMillis = 10_000;
const drainMillis = 2_000;
/** A cluster elects its JetStream leader in 4 to 9 s. A single server answers at once or never. */
const electionMillis = 15_000;

/**
 * Pause between two dials of one server: a quarter to a half of the time the connection has been
 * away. So dials come ever more slowly, and a server is found again within half as long as it was away.
 *
 * The client asks before every dial and again after every pause, so the answer must not grow by being asked.
 */
const redialPause = () => {
  let awaySince: number | undefined;
  return {
    reset: () => {
      awaySince = undefined;
    },
    next: () => {
      awaySince ??= performance.now();
      // Jitter: clients that lost the same server must not come back in the same millisecond. The client calls this
      // outside any fiber, so the randomness is the platform's.
      const pause = (performance.now() - awaySince) * (0.25 + Math.random() / 4);
      return Math.ceil(Math.min(Math.max(pause, firstRedialMillis), longestRedialMillis));
    },
  };
};

const causeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : undefined;
  const code = cause !== undefined && "code" in cause ? String(cause.code) : "";
  if (code === "ECONNREFUSED" || /refused/i.test(error.message)) return "the connection was refused";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || /ENOTFOUND|EAI_AGAIN/.test(error.message)) {
    return "its name is unknown";
  }
  if (error.name === "TimeoutError" || /timeout/i.test(error.message)) return "no answer in time";
  return (cause?.message ?? error.message).replace(/\.$/, "");
};

/** Not where the server only waited too long for the client's name: on a busy machine right ones come late as well. */
const isCredentialError = (error: unknown): boolean =>
  error instanceof Error &&
  !/timeout/i.test(error.message) &&
  (/Authorization|Authentication/.test(error.name) || /authorization violation|authentication/i.test(error.message));

/** Settings of this connection: the given ones, and those found for the rest. */
const settle = Effect.fnUntraced(function* (options: Options) {
  const { addresses, fromUrl, url } = splitUrls(options.servers);
  const written = typeof options.servers === "string" ? options.servers : options.servers.join(",");
  const found = yield* (options.access ?? ServerAccess.finder())(written);
  const credentials = options.credentials ?? fromUrl ?? found.credentials;
  const inboxPrefix = options.inboxPrefix ?? found.inboxPrefix ?? inboxPrefixIn(credentials);
  return { addresses, url, credentials, inboxPrefix, tls: options.tls ?? found.tls };
});

/** Handed on to Node's own `tls.connect`, which knows more options than the client's type. */
const pinned = { allowPartialTrustChain: true, checkServerIdentity: () => undefined };

/** For a server that is named by an address the client asks of a certificate to be for `localhost` (3.4.0). */
const byAddress = (addresses: ReadonlyArray<string>) => {
  const [host = ""] = addresses.map((text) => text.replace(/^\w+:\/\//, "").replace(/:\d+$/, ""));
  const isOne = addresses.length === 1 && isIP(host) !== 0;
  return isOne ? { checkServerIdentity: (_: string, cert: PeerCertificate) => checkServerIdentity(host, cert) } : {};
};

const tlsOf = ({ caFile, certFile, isPinned, keyFile }: ServerAccess.TlsFiles, addresses: ReadonlyArray<string>) => ({
  ...(isPinned === true ? pinned : byAddress(addresses)),
  ...(caFile === undefined ? {} : { caFile }),
  ...(certFile === undefined ? {} : { certFile }),
  ...(keyFile === undefined ? {} : { keyFile }),
});

const dial = Effect.fnUntraced(function* (options: Options, pause: () => number) {
  yield* HoldsProcess.prepare;
  const { addresses, credentials, inboxPrefix, tls, url } = yield* settle(options);
  const authentication = yield* authenticationOf(credentials);
  const settings: ConnectionOptions = {
    ...authentication,
    servers: [...addresses],
    name: options.name ?? "recollect",
    timeout: options.connectTimeoutMillis ?? 5_000,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: pause,
    pingInterval: pingIntervalMillis,
    maxPingOut: 2,
    // Credentials are exchanged while servers run: two refusals in a row must not end the client for ever.
    ignoreAuthErrorAbort: true,
    // Traces of every request cost more than the request; our errors say what was asked.
    noAsyncTraces: true,
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(tls === undefined ? {} : { tls: tlsOf(tls, addresses) }),
  };
  const nc = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => connect(settings),
      catch: (error) =>
        isCredentialError(error) ? Unusable.wrongCredentials(url) : Unusable.refused(url, causeOf(error)),
    }),
    (client) =>
      Effect.promise(() => client.drain().catch(() => undefined)).pipe(
        Effect.timeoutOption(drainMillis),
        Effect.andThen(Effect.promise(() => client.close().catch(() => undefined))),
      ),
  );
  yield* HoldsProcess.letSocketGo(nc);
  return { nc, url, inboxPrefix };
});

type Route = Link["route"];

const direct: Route = (subject) => subject;

/** Questions about the stream, in a tenant's account: see TenantServiceNats. */
const daemons: Readonly<Record<string, string>> = {
  "$JS.API.STREAM.INFO.RECOLLECT": "recollect-store.STREAM.INFO",
  "$JS.API.STREAM.MSG.GET.RECOLLECT": "recollect-store.MSG.GET",
  "$JS.API.DIRECT.GET.RECOLLECT": "recollect-store.DIRECT.GET",
};
export const viaDaemon: Route = (subject) => daemons[subject] ?? subject;

/** Question for the permissions of one's own user, answered by nats-server in each account. */
const ownPermissions = "$SYS.REQ.USER.INFO";
const itself: Link["writes"] = (subject) => subject;

/** First subject tokens of this user's writes, by its permissions; undefined for a user who writes directly. */
const writesPrefix = (permissions: unknown): string | undefined => {
  if (!isObject(permissions) || !isObject(permissions["publish"])) return undefined;
  const { allow } = permissions["publish"];
  const first = Array.isArray(allow) ? allow.find((word) => String(word).startsWith(`${signedRoot}.`)) : undefined;
  return typeof first === "string" ? first.split(".").slice(0, 2).join(".") : undefined;
};

/** Only a user with a private inbox can be one of ours whose writes name it: another costs no question. */
const writesOf = Effect.fnUntraced(function* (nc: Client, url: string, inboxPrefix: string | undefined) {
  if (inboxPrefix === undefined) return itself;
  const answer = yield* Effect.promise(() =>
    nc.request(ownPermissions, undefined, { timeout: 5_000 }).then(
      (message): unknown => message.json(),
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    ),
  );
  // A server that does not let its users ask is none whose configuration is ours.
  if (answer instanceof Error)
    return /timeout/i.test(answer.name) ? yield* Unusable.refused(url, "no answer in time") : itself;
  const data = isObject(answer) && isObject(answer["data"]) ? answer["data"] : {};
  const prefix = writesPrefix(data["permissions"]);
  return prefix === undefined ? itself : (subject: string) => `${prefix}${subject.slice(streamRoot.length)}`;
});

/** The account has no JetStream of its own. */
const jetStreamNotEnabled = 10_039;

/** True when this account reaches a store's daemon: it is a tenant's. */
const isTenant = (nc: Client) =>
  Effect.promise(() =>
    nc.request("recollect-store.STREAM.INFO", "", { timeout: 5_000 }).then(
      () => true,
      () => false,
    ),
  );

/** Asks JetStream for the account's limits. A user who may not ask is taken at the server's word. */
const checkJetStream = Effect.fnUntraced(function* (nc: Client, url: string) {
  if (nc.info?.jetstream !== true) return yield* Unusable.noJetStream(url, "it runs without JetStream");
  const started = yield* elapsed;
  for (;;) {
    const answer = yield* Effect.promise(() =>
      nc.request("$JS.API.INFO", undefined, { timeout: 5_000 }).then(
        (message) => message.string(),
        (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
      ),
    );
    if (typeof answer === "string") {
      const error: { readonly description?: string; readonly err_code?: number } | undefined = JSON.parse(answer).error;
      if (error === undefined) return direct;
      if (error.err_code === jetStreamNotEnabled && (yield* isTenant(nc))) return viaDaemon;
      return yield* Unusable.noJetStream(url, error.description ?? "it refused without a reason");
    }
    if (/permission/i.test(`${answer.name} ${answer.message}`)) return direct;
    const electing = nc.info?.cluster !== undefined && (yield* elapsed) - started < electionMillis;
    if (!electing) return yield* Unusable.noJetStream(url, "its API does not answer");
    yield* Effect.sleep(100);
  }
});

/** Most different denials that one connection logs: subjects may have ids in them. */
const mostDenials = 20;

/** Keeps the gate and the server's last words in step with the client's own status, and writes log lines. */
const watch = Effect.fnUntraced(function* (options: {
  readonly nc: Client;
  readonly lost: Effect.Effect<void>;
  readonly back: (server: string) => Effect.Effect<void>;
  readonly denied: (subject: string, reason: string) => void;
  /** The server takes our credentials no longer. */
  readonly refused: () => void;
}) {
  const { nc } = options;
  const said = new Set<string>();
  yield* Stream.fromAsyncIterable(nc.status(), () => undefined).pipe(
    Stream.runForEach(
      Effect.fnUntraced(function* (status) {
        if (status.type === "disconnect") {
          yield* options.lost;
          yield* Effect.logWarning(`NATS at ${status.server} is away; dialling until it is back`);
        } else if (status.type === "reconnect") {
          yield* HoldsProcess.letSocketGo(nc);
          yield* options.back(status.server);
          yield* Effect.logInfo(`NATS at ${status.server} is back`);
        } else if (status.type === "error") {
          const { error } = status;
          if (error instanceof PermissionViolationError && error.operation === "publish") {
            options.denied(error.subject, error.message);
          }
          if (isCredentialError(error)) options.refused();
          // The server repeats a refusal at each attempt: it is logged once.
          const isDenied = error instanceof PermissionViolationError;
          if (isDenied && (said.has(error.message) || said.size >= mostDenials)) return;
          if (isDenied) said.add(error.message);
          yield* Effect.logWarning(`NATS reports: ${error.message}`);
        } else if (status.type === "slowConsumer" || status.type === "staleConnection") {
          yield* Effect.logWarning(`NATS connection: ${status.type}`);
        }
      }),
    ),
    Effect.ignore,
    Effect.forkScoped,
  );
});

export const make = Effect.fn("log.connect")(function* (options: Options) {
  const pause = redialPause();
  const { inboxPrefix, nc, url } = yield* dial(options, pause.next);
  pause.reset();
  let info = nc.info;
  if (info === undefined) return yield* Unusable.refused(url, "it closed the connection at once");
  if (!isAtLeast(info.version, minimumVersion)) return yield* Unusable.tooOld(url, info.version, minimumVersion);
  const route = yield* checkJetStream(nc, url);
  if (options.isWholeStore === true && route === viaDaemon) return yield* Unusable.tenantOnly(url);

  const writes = route === viaDaemon ? itself : yield* writesOf(nc, url, inboxPrefix);

  const replies = new Replies(nc, inboxPrefix);
  const gate = yield* Gate.make({ nc, replies, route, writes, guard: options.guard });
  yield* watch({
    nc,
    lost: Effect.andThen(
      gate.lost,
      Effect.sync(() => replies.lost()),
    ),
    denied: (subject, reason) => replies.denied(subject, reason),
    refused: () => gate.denied(Unusable.credentialsRefused(url)),
    back: (server) =>
      Effect.suspend(() => {
        pause.reset();
        info = nc.info ?? info;
        return gate.back(server);
      }),
  });
  yield* gate.first;
  const jsm = yield* Effect.promise(() => jetstreamManager(nc, { checkAPI: false }));
  const known = info;
  return NatsConnection.of({
    nc,
    js: jetstream(nc),
    jsm,
    link: gate.link,
    changes: gate.changes,
    state: gate.state,
    conditions: gate.conditions,
    stream: options.guard,
    lookAgain: gate.lookAgain,
    connected: gate.changes.pipe(
      Stream.filter((now) => now._tag === "Connected"),
      Stream.take(1),
      Stream.runDrain,
    ),
    inboxPrefix,
    url,
    serverInfo: () => info ?? known,
    syncInterval: options.syncInterval,
  });
});

export const layer = (options: Options) => Layer.effect(NatsConnection, make(options));
