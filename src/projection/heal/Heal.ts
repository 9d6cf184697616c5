/**
 * Healing: one whole stream out of the damaged one and the ledger, made beside the old one and put in its place.
 *
 * Room: projection.
 *
 * Promises:
 * - nothing that either copy has whole is lost, and every event that keeps its number has it; `Merge` has the rule;
 * - the new stream is read back through nats-server before the old one is moved, and the old one is kept;
 * - a process killed at any moment leaves the old stream in use or the new one, and the next call goes on;
 * - the heal is the last event of what it makes.
 *
 * The caller holds the folder's lock, so that no server has the store open.
 */
import { Clock, Effect } from "effect";
import { existsSync } from "node:fs";
import * as path from "node:path";
import type { Healed } from "../../domain/StoreEvents.ts";
import { type BlockRecord, storedOf } from "../../log/blocks/BlockFile.ts";
import { build } from "../../log/blocks/BuildNats.ts";
import * as StreamFiles from "../../log/blocks/StreamFiles.ts";
import { chained, hex, zeroChain } from "../../log/Digest.ts";
import { entryOf } from "../../log/Envelope.ts";
import * as StoreSwap from "../../machine/StoreSwap.ts";
import { leafOf } from "../Chain.ts";
import * as Generations from "../rebuild/Generations.ts";
import { type LedgerCopy, merged } from "./Merge.ts";
import {
  CannotHeal,
  type Finding,
  type Folder,
  identityKey,
  type OnProgress,
  type Plan,
  surveyAll,
  type Surveyed,
} from "./Plan.ts";
import * as Records from "./Records.ts";

interface Writing {
  readonly name: string;
  readonly reason: string;
  readonly actor: string | undefined;
  readonly now: number;
}

/** Records to write, ascending from 1, and last the event of the heal. */
function* recordsOf(surveyed: Surveyed, writing: Writing): Generator<BlockRecord> {
  const { copies, folder, identity, plan: planned, shape } = surveyed;
  const { actor, name, now, reason } = writing;
  const identityBefore = folder?.meta?.metadata?.[identityKey];
  let after = 0n;
  let chain: Uint8Array = zeroChain;
  for (const piece of merged(copies, shape)) {
    const { entry, record, sequence } = piece;
    const made =
      record !== undefined
        ? { ...record, sequence }
        : entry !== undefined
          ? Records.ofLedger(entry, sequence, after)
          : Records.ofLost({ name, sequence, after, now });
    after = made.nanos;
    chain = chained(chain, leafOf(entryOf(storedOf(made))));
    yield made;
  }
  const data: Healed = {
    reason,
    through: shape.last,
    chain: hex(chain),
    fromStream: planned.events.total - planned.events.fromLedger - planned.events.lost,
    fromLedger: planned.events.fromLedger,
    lost: [...shape.lost.list],
    ...(identityBefore === undefined ? {} : { identityBefore }),
    ...(identity === undefined ? {} : { identity }),
  };
  yield Records.ofHeal({ name, sequence: shape.last + 1, after, now, actor, data });
}

/** The stream's identity and whatever else stands in its metadata; the server's own entries are the server's. */
const metadataOf = ({ folder, identity }: Surveyed): Record<string, string> => {
  const kept = Object.entries(folder?.meta?.metadata ?? {}).filter(([name]) => !name.startsWith("_nats."));
  return { ...Object.fromEntries(kept), ...(identity === undefined ? {} : { [identityKey]: identity }) };
};

const healedThroughKey = "recollect.healed-through";

/** Findings with which every event stays as it is. */
const harmless: ReadonlySet<Finding["code"]> = new Set([
  "compressed",
  "removable",
  "identity",
  "strangeLedger",
  "replicated",
  "ledgerFaults",
]);

/** Buckets that are folded from the stream, and are folded anew by themselves. */
const derivedBuckets = ["KV_RECOLLECT_THREADS"] as const;

/** Place of the new stream: that of the old one, else beside the other streams of the store, else as it was built. */
const placeOf = (folder: Folder, files: StreamFiles.StreamFolder | undefined, stream: string): string => {
  if (files !== undefined) return files.path;
  const accounts = StreamFiles.accountFolders(folder.natsStore);
  const ours = accounts.find((streams) => existsSync(path.join(streams, derivedBuckets[0]))) ?? accounts[0];
  return path.join(ours ?? path.join(folder.natsStore, "jetstream", "$G", "streams"), stream);
};

/** As a name of a folder, in the order of time. */
const nameOf = (now: number): string => `stream-${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}`;

/** Room for more than what is needed, for the server's own files. */
const spareBytes = 64 * 1024 * 1024;

const assertPossible = ({ plan: planned }: Surveyed): Effect.Effect<void, CannotHeal> => {
  const { freeBytes, neededBytes } = planned.disk;
  if (freeBytes >= neededBytes + spareBytes) return Effect.void;
  return Effect.fail(
    new CannotHeal({
      message: `The disk has ${freeBytes} bytes free, and the new stream needs ${neededBytes}.`,
      hint: "Free some space: the old stream stays beside the new one until it is discarded by name.",
    }),
  );
};

export interface Healing {
  readonly folder: Folder;
  readonly stream: string;
  readonly reason: string;
  readonly actor?: string | undefined;
  /** A further copy, such as a backup: asked where the ledger has nothing. */
  readonly witness?: LedgerCopy | undefined;
  readonly onProgress: OnProgress;
  /** Told after each step that is on disk. */
  readonly onStep?: (step: string) => void;
}

export interface HealDone {
  readonly plan: Plan;
  /** Name under which the old files are kept; undefined when nothing was to be done. */
  readonly kept: string | undefined;
  /** True when the read models must be made anew; `finished` is to be called after that. */
  readonly needsRebuild: boolean;
}

/** An exchange that was verified and not completed is completed now; one that was only begun is forgotten. */
export const resume = (root: string): StoreSwap.Journal | undefined => {
  StoreSwap.complete(root);
  return StoreSwap.read(root);
};

/** The read models are in step with the stream again. */
export const finished = (root: string): void => {
  const journal = StoreSwap.read(root);
  if (journal !== undefined) StoreSwap.finish(root, journal);
};

const heal = Effect.fnUntraced(function* (options: Healing) {
  const { actor, folder, onStep = () => {}, reason, stream } = options;
  const { root } = folder;
  const surveyed = yield* surveyAll(options);
  const { plan: planned, shape } = surveyed;
  const { needed, needsRebuild } = planned;
  if (planned.findings.some(({ code }) => code === "strangeLedger"))
    Generations.setAside(folder.database, "It is the database of another store.");
  if (!needed) return { plan: planned, kept: undefined, needsRebuild } satisfies HealDone as HealDone;
  yield* assertPossible(surveyed);
  const now = yield* Clock.currentTimeMillis;
  const name = nameOf(now);
  const place = placeOf(folder, surveyed.inPlace, stream);
  const building = StoreSwap.buildFolder(root, name);
  const metadata = metadataOf(surveyed);
  // A stream that is only moved is as it was, and so is what was folded from it.
  const isMoveOnly = planned.findings.every(({ code }) => harmless.has(code));
  const derived = isMoveOnly ? [] : derivedBuckets.map((bucket) => path.join(path.dirname(place), bucket));
  const inside = (target: string) => path.relative(root, target);
  const journal: StoreSwap.Journal = {
    version: 1,
    name,
    step: "building",
    reason,
    startedAt: now,
    built: "",
    place: inside(place),
    derived: derived.map(inside),
    needsRebuild,
    summary: planned,
  };
  StoreSwap.write(root, journal);
  onStep("journal begun");
  const built = yield* build({
    root: building,
    stream,
    metadata: { ...metadata, [healedThroughKey]: String(shape.last) },
    records: recordsOf(surveyed, { name, reason, actor, now }),
    onProgress: ({ sequence, step }) => options.onProgress({ step, sequence, total: shape.last + 1 }),
  });
  onStep("built");
  StoreSwap.write(root, { ...journal, step: "verified", built: inside(built.path) });
  onStep("journal verified");
  StoreSwap.complete(root, onStep);
  onStep("done");
  return { plan: planned, kept: name, needsRebuild } satisfies HealDone as HealDone;
});

/** Plans anew, builds, verifies and exchanges. */
export const execute = (options: Healing) => Effect.scoped(heal(options)).pipe(Effect.withSpan("projection.heal"));
