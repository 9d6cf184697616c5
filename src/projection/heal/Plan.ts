/**
 * The plan of a heal: what is wrong, what each copy gives, what it needs. It changes nothing.
 *
 * Room: projection.
 */
import { Effect, Schema } from "effect";
import { existsSync } from "node:fs";
import * as path from "node:path";
import { grouped } from "../../domain/Grouped.ts";
import { type BlockRecord, recordBytes } from "../../log/blocks/BlockFile.ts";
import type { Progress as BuildProgress } from "../../log/blocks/BuildNats.ts";
import * as StreamFiles from "../../log/blocks/StreamFiles.ts";
import * as OwnFile from "../../machine/OwnFile.ts";
import * as StoreRecord from "../../machine/StoreRecord.ts";
import * as NatsHealth from "../../machine/nats/NatsHealth.ts";
import { open as openLedger } from "./LedgerCopySqlite.ts";
import { type Rest, restOf } from "./RestSqlite.ts";
import {
  type Copies,
  joined,
  type LedgerCopy,
  type Place,
  type Range,
  type Ranges,
  provesStream,
  type Shape,
  survey,
} from "./Merge.ts";

/** Healing cannot be done as things are. Nothing was changed. */
export class CannotHeal extends Schema.TaggedError<CannotHeal>()("CannotHeal", {
  message: Schema.String,
  hint: Schema.String,
}) {}

export interface Folder {
  readonly root: string;
  readonly natsStore: string;
  readonly database: string;
  readonly spool: string;
}

/** Reason for a heal: a code for programs, a sentence for people. */
export interface Finding {
  readonly code:
    | "streamMissing"
    | "unloadable"
    | "compressed"
    | "removable"
    | "lostFromStream"
    | "lostFromBoth"
    | "changed"
    | "writtenOn"
    | "identity"
    | "strangeLedger"
    | "replicated"
    | "ledgerFaults";
  readonly message: string;
}

/** Plan of a heal; `heal --json` prints it. Ranges are sequences, both ends included. */
export interface Plan {
  readonly stream: string;
  /** True when the stream must be made anew, and whether the read models must. */
  readonly needed: boolean;
  readonly needsRebuild: boolean;
  readonly findings: ReadonlyArray<Finding>;
  readonly copies: {
    readonly stream: { readonly last: number; readonly compressed: boolean; readonly damagedBlocks: number } | null;
    readonly ledger: { readonly last: number } | null;
  };
  readonly events: {
    readonly total: number;
    readonly inBoth: number;
    readonly fromStream: number;
    readonly fromLedger: number;
    readonly lost: number;
    readonly moved: number;
  };
  readonly fromLedger: ReadonlyArray<Range>;
  readonly changed: ReadonlyArray<Range>;
  readonly lost: ReadonlyArray<Range>;
  /** Events that get new numbers: theirs in the old stream, and the first one they get. */
  readonly moved: ReadonlyArray<Range & { readonly to: number }>;
  /** Numbers in the old stream of events that the ledger has at other places: written once. */
  readonly doubled: ReadonlyArray<Range>;
  /** Files beside the stream, each with its repair. */
  readonly rest: ReadonlyArray<Rest>;
  readonly disk: { readonly neededBytes: number; readonly freeBytes: number };
}

export interface Progress {
  readonly step: "reading" | BuildProgress["step"];
  readonly sequence: number;
  /** 0 while it is not known. */
  readonly total: number;
}

export type OnProgress = (progress: Progress) => Effect.Effect<void>;

/** Everything that is known before the first byte is written. */
export interface Surveyed {
  readonly plan: Plan;
  readonly shape: Shape;
  readonly copies: Copies;
  /** Folder that its records are read from. */
  readonly folder: StreamFiles.StreamFolder | undefined;
  /** Folder in the place where the server looks. */
  readonly inPlace: StreamFiles.StreamFolder | undefined;
  /** The identity that the healed stream has: the one that the data folder knows, else that of the files. */
  readonly identity: string | undefined;
}

export const identityKey = "recollect.identity";

/** The data folder's record of its stream; undefined where there is none that is whole. */
const recordOf = (root: string): StoreRecord.StoreRecord | undefined => {
  try {
    const known = StoreRecord.parse(OwnFile.readText(path.join(root, "store.json")));
    return known._tag === "Known" ? known.record : undefined;
  } catch {
    return undefined;
  }
};

/** Most events that are believed to be lost behind all that is left: each becomes an event that says so. */
const mostLostBehind = 10_000_000;

/** The last sequence that the folder's daemon has seen in the stream; 0 where none is known, or no such end can be. */
const reachedIn = (record: StoreRecord.StoreRecord | undefined, { ledgerLast, streamLast }: Shape): number => {
  const reached = record?.reached ?? 0;
  return reached - Math.max(ledgerLast, streamLast) > mostLostBehind ? 0 : reached;
};

const noLedger: LedgerCopy = { last: 0, between: () => new Map(), hasEvent: () => false };

/** A ledger that also names the events behind its own end, which it lacks: they are reported as lost. */
const reaching = (ledger: LedgerCopy = noLedger, reached: number): LedgerCopy => ({ ...ledger, last: reached });

/** Entries between two moments at which others may run. */
const between = 500;
/** Bytes that an event takes beside its body, where it comes from the ledger. */
const envelopeBytes = 600;

const bytesOf = ({ ledger, stream }: Place): number =>
  stream === undefined ? envelopeBytes + (ledger?.body.byteLength ?? 0) : recordBytes(stream);

const plural = (count: number): string => (count === 1 ? "1 event" : `${grouped(count)} events`);

const findingsOf = (options: {
  readonly files: StreamFiles.StreamFolder | undefined;
  readonly isRemoved: boolean;
  readonly isStrangeLedger: boolean;
  readonly shape: Shape;
  /** As the data folder knows it. */
  readonly identity: string | undefined;
}): ReadonlyArray<Finding> => {
  const { files: folder, identity, isRemoved, isStrangeLedger, shape } = options;
  const findings: Array<Finding> = [];
  const add = (isSo: boolean, code: Finding["code"], message: string): void => {
    if (isSo) findings.push({ code, message });
  };
  const missing = folder === undefined;
  add(missing && shape.last > 0, "streamMissing", "The stream's files are not there.");
  add(isRemoved, "streamMissing", "nats-server could not load the stream and removed it; its files are held aside.");
  add(
    folder !== undefined && !isRemoved && !StreamFiles.isLoadable(folder),
    "unloadable",
    "The stream's settings (meta.inf, meta.sum) are missing or damaged, so nats-server does not load it.",
  );
  add(
    folder?.meta?.compression === "s2",
    "compressed",
    "The stream is compressed: one damaged bit costs a piece of a block, and nats-server may refuse all of it.",
  );
  add(
    folder?.meta?.allow_msg_ttl === true,
    "removable",
    "The stream lets an event be stored that vanishes after a time, and the server cannot turn that off.",
  );
  const stated = folder?.meta?.metadata?.[identityKey];
  add(
    folder?.meta !== undefined && identity !== undefined && stated !== identity,
    "identity",
    `The stream says that it is ${stated ?? "none"}, and this folder knows ${identity}: that is what it is called again.`,
  );
  add(
    isStrangeLedger,
    "strangeLedger",
    "The database is that of another store and has no event of this stream: it is kept aside, and made anew from the stream.",
  );
  const replicas = folder?.meta?.num_replicas ?? 1;
  add(
    replicas > 1,
    "replicated",
    `The files are one of ${replicas} copies on a cluster: a stream is made of them that stands alone.`,
  );
  add(
    !missing && shape.fromLedger.count - shape.changed.count > 0,
    "lostFromStream",
    `The stream lacks ${plural(shape.fromLedger.count - shape.changed.count)} that the ledger has.`,
  );
  add(shape.changed.count > 0, "changed", `The copies differ in the content of ${plural(shape.changed.count)}.`);
  add(shape.lost.count > 0, "lostFromBoth", `Both copies have lost ${plural(shape.lost.count)}.`);
  add(
    shape.displaced.count > 0,
    "writtenOn",
    `The stream was put back to an older state and written on: ${plural(shape.displaced.count)} get new numbers.`,
  );
  add(
    shape.ledgerFaults.count > 0,
    "ledgerFaults",
    `The ledger lacks ${plural(shape.ledgerFaults.count)}, or has others: it is made anew from the stream.`,
  );
  return findings;
};

/** Events of `displaced` with their new sequences. */
const movedOf = (displaced: Ranges, last: number): Plan["moved"] => {
  let to = last - displaced.count + 1;
  return displaced.list.map(({ first, last: end }) => {
    const moved = { first, last: end, to };
    to += end - first + 1;
    return moved;
  });
};

/**
 * True when a ledger is that of another store: it has other events than the stream wherever both have one. Not asked where
 * the folder knows another stream than this one.
 */
const isStrange = ({ changed, doubled, firstDifference, same }: Shape): boolean =>
  firstDifference !== undefined && same.count + changed.count + doubled.count === 0;

/** Reads both copies once. */
export const surveyAll = Effect.fnUntraced(function* (options: {
  readonly folder: Folder;
  readonly stream: string;
  readonly witness?: LedgerCopy | undefined;
  readonly onProgress: OnProgress;
}) {
  const { folder, onProgress, stream, witness } = options;
  const inPlace = StreamFiles.find(folder.natsStore, stream);
  const isThere = inPlace !== undefined && StreamFiles.readRecords(inPlace).next().done !== true;
  const files = isThere ? inPlace : (StreamFiles.findRemoved(folder.natsStore, stream) ?? inPlace);
  if (files?.isEncrypted === true) {
    return yield* new CannotHeal({
      message: "nats-server encrypts this store, so its files cannot be read here.",
      hint: "Restore a backup that `recollect backup` has made, or the server's own snapshot.",
    });
  }
  const found = yield* openLedger(folder.database);
  const record = recordOf(folder.root);
  const known = record?.identity;
  const damaged = { blocks: 0 };
  const records = (): Iterator<BlockRecord> =>
    files === undefined
      ? [].values()
      : StreamFiles.readRecords(files, ({ damages }) => (damaged.blocks += damages > 0 ? 1 : 0));
  const surveyed = Effect.fnUntraced(function* (of: Copies) {
    damaged.blocks = 0;
    const { ledger } = of;
    const going = survey(of);
    let bytes = 0;
    let step = going.next();
    for (; step.done !== true; step = going.next()) {
      bytes += bytesOf(step.value);
      if (step.value.sequence % between > 0) continue;
      yield* onProgress({ step: "reading", sequence: step.value.sequence, total: ledger?.last ?? 0 });
      yield* Effect.yieldNow;
    }
    return { bytes, shape: step.value };
  });
  const isKnownStream = known !== undefined && files?.meta?.metadata?.[identityKey] === known;
  const alone = found === undefined || !isKnownStream ? undefined : yield* surveyed({ stream: records, ledger: found });
  const isStrangeLedger = alone !== undefined && isStrange(alone.shape);
  const own = isStrangeLedger ? undefined : found;
  const ledger = joined(own, witness);
  const isSurveyed = alone !== undefined && own !== undefined && witness === undefined;
  const first = isSurveyed ? alone : yield* surveyed({ stream: records, ledger });
  const differs = first.shape.firstDifference !== undefined || first.shape.changed.count > 0;
  // The running hash tells which of two whole copies is right, for one more reading of the stream.
  const isStreamProven = differs && provesStream({ stream: records, ledger: own });
  const reached = reachedIn(record, first.shape);
  const isCut = Math.max(first.shape.streamLast, first.shape.ledgerLast) < reached;
  const copies: Copies = { stream: records, ledger: isCut ? reaching(ledger, reached) : ledger, isStreamProven };
  const { bytes, shape } = isStreamProven || isCut ? yield* surveyed(copies) : first;
  const isRemoved = files !== inPlace;
  const findings = findingsOf({ files, isRemoved, isStrangeLedger, shape, identity: known });
  const rest = restOf(folder);
  const isDamaged = rest.some(({ state, what }) => what === "read models" && state === "damaged");
  const freeBytes = yield* NatsHealth.freeBytes(folder.root);
  const plan: Plan = {
    stream,
    needed: findings.some(({ code }) => code !== "ledgerFaults" && code !== "strangeLedger"),
    needsRebuild:
      isDamaged ||
      isStrangeLedger ||
      shape.ledgerFaults.count > 0 ||
      witness !== undefined ||
      (own === undefined && existsSync(folder.database)),
    findings,
    copies: {
      stream:
        files === undefined
          ? null
          : { last: shape.streamLast, compressed: files.meta?.compression === "s2", damagedBlocks: damaged.blocks },
      ledger: own === undefined ? null : { last: own.last },
    },
    events: {
      total: shape.last,
      inBoth: shape.same.count,
      fromStream: shape.fromStream.count,
      fromLedger: shape.fromLedger.count,
      lost: shape.lost.count,
      moved: shape.displaced.count,
    },
    fromLedger: shape.fromLedger.list,
    changed: shape.changed.list,
    lost: shape.lost.list,
    moved: movedOf(shape.displaced, shape.last),
    doubled: shape.doubled.list,
    rest,
    disk: { neededBytes: bytes, freeBytes },
  };
  const identity = known ?? files?.meta?.metadata?.[identityKey];
  return { plan, shape, copies, folder: files, inPlace, identity } satisfies Surveyed as Surveyed;
});

/** Plans a heal; changes nothing. */
export const plan = (options: {
  readonly folder: Folder;
  readonly stream: string;
  readonly witness?: LedgerCopy | undefined;
  readonly onProgress: OnProgress;
}): Effect.Effect<Plan, CannotHeal> =>
  Effect.scoped(Effect.map(surveyAll(options), (surveyed) => surveyed.plan)).pipe(
    Effect.withSpan("projection.planHeal"),
  );
