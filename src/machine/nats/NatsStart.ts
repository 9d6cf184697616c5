/**
 * One start of a nats-server: a child that answers, or the sentence why there is none.
 *
 * Room: machine.
 */
import { Effect, Option, Schema } from "effect";
import type { Signer } from "../AccessKeys.ts";
import * as FreePort from "./FreePort.ts";
import * as NatsChild from "./NatsChild.ts";
import * as NatsProbe from "./NatsProbe.ts";
import * as StreamLinks from "../StreamLinks.ts";

/** The server could not be started. `message` says why, `hint` what to do, `log` holds its last words. */
export class NatsNotStarted extends Schema.TaggedError<NatsNotStarted>()("NatsNotStarted", {
  reason: Schema.Literals(["portTaken", "folderNotWritable", "diskFull", "configuration", "silent", "failed"]),
  message: Schema.String,
  hint: Schema.String,
  log: Schema.Array(Schema.String),
}) {}

/** Everything that one start needs; the same for every restart. */
export interface Spec {
  readonly program: string;
  readonly host: string;
  readonly port: number;
  readonly args: ReadonlyArray<string>;
  readonly storeFolder: string;
  readonly logFile: string;
  /** User of the readiness question; undefined for a server without users. */
  readonly signer: Signer | undefined;
}

/** A probe on this machine is answered within a millisecond or not at all; a cluster's may wait for a leader. */
const probeTimeoutMillis = 1_000;
const probeEveryMillis = 5;
/** Recovery of 200,000 messages took 0.4 s. Ten million, on a slow disk, may take this long. */
const startTimeoutMillis = 120_000;
/** Delay of the first progress line of a slow start, and interval of the next ones, milliseconds. */
const saidAfterMillis = 2_000;
const saidEveryMillis = 10_000;

export const portTaken = (options: {
  readonly host: string;
  readonly port: number;
  readonly log?: ReadonlyArray<string>;
}): NatsNotStarted =>
  new NatsNotStarted({
    reason: "portTaken",
    message: `Another program already listens on ${options.host}:${options.port}.`,
    hint: "Stop it, or choose another port; if it is a nats-server, use it with RECOLLECT_NATS_URL.",
    log: options.log ?? [],
  });

/** Turns the last words of a server that did not start into a sentence and a way out. */
const explain = (options: { readonly spec: Spec; readonly how: string; readonly from: number }): NatsNotStarted => {
  const { spec } = options;
  const log = NatsChild.logTail({ logFile: spec.logFile, from: options.from });
  const text = [options.how, ...log].join("\n");
  const because = (reason: NatsNotStarted["reason"], message: string, hint: string) =>
    new NatsNotStarted({ reason, message, hint, log });
  if (/address already in use/i.test(text)) return portTaken({ host: spec.host, port: spec.port, log });
  if (/permission denied|read-only file system|operation not permitted/i.test(text)) {
    return because(
      "folderNotWritable",
      `nats-server may not write to ${spec.storeFolder}.`,
      "Make the folder writable for this user, or name another with --data DIR.",
    );
  }
  if (/no space left on device/i.test(text)) {
    return because(
      "diskFull",
      `The disk that holds ${spec.storeFolder} is full.`,
      "Free some space; nothing that was acknowledged is lost.",
    );
  }
  if (/^nats-server: /m.test(text)) {
    return because(
      "configuration",
      `nats-server refused its configuration (${log.at(-1)}).`,
      `Check it with: ${spec.program} -t ${spec.args.slice(0, 2).join(" ")}`,
    );
  }
  const lastWords = log.length > 0 ? `; its last words: ${log.at(-1)}` : "";
  return because("failed", `nats-server ${options.how}${lastWords}.`, `Read its log: ${spec.logFile}`);
};

const silent = (options: { readonly spec: Spec; readonly from: number }) =>
  new NatsNotStarted({
    reason: "silent",
    message: `nats-server runs but did not answer within ${startTimeoutMillis / 1000} s.`,
    hint: `It may go round on a damaged file: recollect heal says what is wrong. Its log: ${options.spec.logFile}`,
    log: NatsChild.logTail({ logFile: options.spec.logFile, from: options.from }),
  });

/** Sentences for a start that takes long. Never returns. */
const sayWhatItDoes = Effect.fnUntraced(function* ({ storeFolder }: Spec) {
  yield* Effect.sleep(saidAfterMillis);
  for (let millis = saidAfterMillis; ; millis += saidEveryMillis) {
    yield* Effect.logWarning(
      `nats-server has been reading its streams in ${storeFolder} for ${millis / 1000} s; it is given ${startTimeoutMillis / 1000} s`,
    );
    yield* Effect.sleep(saidEveryMillis);
  }
});

/** End of a process, as the end of a sentence. */
export const howItEnded = (ended: NatsChild.Ended): string =>
  ended.signal === null ? `ended with exit code ${ended.code}` : `was ended by ${ended.signal}`;

/** Asks until the server answers. Never fails: whoever waits also watches the server's end. */
const answers = (spec: Spec): Effect.Effect<NatsProbe.ServerInfo> =>
  NatsProbe.probe({ host: spec.host, port: spec.port, signer: spec.signer, timeoutMillis: probeTimeoutMillis }).pipe(
    Effect.flatMap(
      Option.match({
        onNone: () => Effect.flatMap(Effect.sleep(probeEveryMillis), () => answers(spec)),
        onSome: Effect.succeed,
      }),
    ),
  );

/** A server that answers. */
export interface Started {
  readonly child: NatsChild.NatsChild;
  readonly info: NatsProbe.ServerInfo;
}

/** The server's ender: its scope, or the watchman when the scope's process is killed. */
export interface Owner {
  readonly watchman: NatsChild.Watchman;
  /** The process that there is, whether it answers yet or not. */
  child: NatsChild.NatsChild | undefined;
  /** The same once it answers. */
  running: Started | undefined;
}

/**
 * Starts the server and waits until it answers. It belongs to `owner` from the same uninterruptible step on; when the
 * start fails or is interrupted, which ends it at once, no process is left.
 */
export const start = Effect.fn("machine.startNats")(function* (options: {
  readonly spec: Spec;
  readonly owner: Owner;
}): Effect.fn.Return<Started, NatsNotStarted> {
  const { owner, spec } = options;
  // A foreign server that answers there would be taken for ours, until ours has ended for want of the port.
  if (!(yield* FreePort.isFree(spec))) return yield* portTaken(spec);
  const from = NatsChild.logLength(spec.logFile);
  StreamLinks.hold(spec.storeFolder);
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const child = yield* Effect.tryPromise({
        try: () => NatsChild.begin(spec),
        catch: (cause) => explain({ spec, from, how: `could not be run (${String(cause)})` }),
      });
      owner.child = child;
      owner.watchman.watch(child.pid);
      const died = Effect.flatMap(
        Effect.promise(() => child.ended),
        (ended) => Effect.fail(explain({ spec, from, how: howItEnded(ended) })),
      );
      const answered = Effect.timeoutOrElse(
        Effect.raceFirst(Effect.raceFirst(answers(spec), died), sayWhatItDoes(spec)),
        {
          duration: startTimeoutMillis,
          orElse: () => Effect.fail(silent({ spec, from })),
        },
      );
      // All of the waiting is restored, its timer too: around it, it would keep whoever interrupts until it rings.
      const info = yield* restore(answered).pipe(Effect.onError(() => Effect.promise(() => child.stop())));
      StreamLinks.release(spec.storeFolder);
      owner.running = { child, info };
      return owner.running;
    }),
  );
});

/** Ends what an earlier life of ours left running on this store. */
export const endOrphan = Effect.fn("machine.endOrphanNats")(function* (pidFile: string) {
  const left = yield* Effect.promise(() => NatsChild.endOrphan(pidFile));
  if (left === undefined) return;
  return yield* new NatsNotStarted({
    reason: "failed",
    message: `An earlier nats-server (process ${left}) still runs on this store and cannot be ended.`,
    hint: `End it yourself: kill -9 ${left}`,
    log: [],
  });
});
