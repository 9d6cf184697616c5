/**
 * What a row of the bench is, and how a figure is taken: ours and its peer in turns, in the same run, by medians.
 *
 * Machines are noisy, so no goal is a number of its own: it is a ratio to a peer that does the same work under the
 * same load. A round measures both sides, the first one first in turns; the first round is warm-up and not counted.
 */
import { Context, Effect, type Scope } from "effect";

/** What a figure must be. `of` says whether the ratio (ours / peer) is meant, or our own figure in the row's unit. */
export interface Goal {
  readonly of: "ratio" | "ours";
  readonly is: "at most" | "at least";
  readonly limit: number;
}

/** The scope of the whole bench, for what several rows share. */
export class Whole extends Context.Service<Whole, Scope.Scope>()("bench/Whole") {}

/** One of the lines of a plot: x and y, in order of x. */
export interface Curve {
  readonly name: string;
  readonly points: ReadonlyArray<readonly [number, number]>;
}

/** How a cost grows, drawn beside the table. Both axes are logarithmic. */
export interface Growth {
  readonly title: string;
  /** What stands at the axes, units included. */
  readonly x: string;
  readonly y: string;
  readonly curves: ReadonlyArray<Curve>;
}

/** One figure beside its peer, both in the row's unit. */
export interface Measured {
  readonly ours: number;
  /** null for a figure that is only reported; its name says what it is beside. */
  readonly peer: number | null;
  readonly peerName: string;
  /** The smallest and the largest ratio of a round; absent where one measurement is exact. */
  readonly spread?: readonly [number, number];
  /** What a reader must know to judge the figure. */
  readonly note?: string;
  readonly growth?: Growth;
}

/** Why a row cannot be measured on this machine. */
export interface Skipped {
  readonly skipped: string;
}

export interface Row {
  readonly id: string;
  /** What is measured, with the work's size. */
  readonly what: string;
  readonly unit: string;
  readonly goal: Goal | undefined;
  /** A fault of ours is a defect and ends the bench. */
  readonly run: Effect.Effect<Measured | Skipped, never, Scope.Scope | Whole>;
}

/** Whether rows may take the time for their full size (`--full`): the whole run is then no longer one of 20 minutes. */
export const isFull = Context.Reference<boolean>("recollect/bench/isFull", { defaultValue: () => false });

export const ratioOf = ({ ours, peer }: Pick<Measured, "ours" | "peer">): number | null =>
  peer === null ? null : ours / peer;

/** Whether the goal is met; null where there is none. */
export const isMet = (goal: Goal | undefined, measured: Measured): boolean | null => {
  if (goal === undefined) return null;
  const figure = goal.of === "ratio" ? ratioOf(measured) : measured.ours;
  if (figure === null) return null;
  return goal.is === "at most" ? figure <= goal.limit : figure >= goal.limit;
};

export const goalText = ({ goal, unit }: Pick<Row, "goal" | "unit">): string | null =>
  goal === undefined
    ? null
    : `${goal.is === "at most" ? "<=" : ">="} ${goal.limit}${goal.of === "ratio" ? "x" : ` ${unit}`}`;

/** The value in the middle, at `share` of the way for another percentile. Not for an empty list. */
export const percentile = (values: ReadonlyArray<number>, share = 0.5): number => {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  if (below === undefined || above === undefined) throw new Error("no percentile of nothing");
  return below + (above - below) * (at - Math.floor(at));
};

/** How long `work` takes, milliseconds. */
export const timed = <E, R>(work: Effect.Effect<unknown, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    const began = performance.now();
    return Effect.map(work, () => performance.now() - began);
  });

const timedPromise = (work: () => Promise<unknown>): Effect.Effect<number> =>
  Effect.promise(async () => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  });

/** How many of `count` things a second `work` does. */
export const perSecond = <E, R>(count: number, work: Effect.Effect<unknown, E, R>): Effect.Effect<number, E, R> =>
  Effect.map(timed(work), (millis) => (count / millis) * 1000);

export interface Taken {
  readonly ours: number;
  readonly peer: number;
  readonly spread: readonly [number, number];
}

/** Measures both sides in turns and answers with the medians of the rounds. A side answers with its figure of a round. */
export const inTurns = Effect.fnUntraced(function* <E1, R1, E2, R2>(options: {
  /** Counted rounds, after one for warming up. */
  readonly rounds: number;
  readonly ours: (round: number) => Effect.Effect<number, E1, R1>;
  readonly peer: (round: number) => Effect.Effect<number, E2, R2>;
}) {
  const { rounds } = options;
  const ours: Array<number> = [];
  const peer: Array<number> = [];
  for (let round = 0; round <= rounds; round++) {
    const ourTurn = Effect.map(options.ours(round), (figure) => ours.push(figure));
    const peersTurn = Effect.map(options.peer(round), (figure) => peer.push(figure));
    const [first, second] = round % 2 === 0 ? [ourTurn, peersTurn] : [peersTurn, ourTurn];
    yield* first;
    yield* second;
  }
  return takenFrom(ours.slice(1), peer.slice(1));
});

const takenFrom = (ours: ReadonlyArray<number>, peer: ReadonlyArray<number>): Taken => {
  const ratios = ours.map((figure, index) => figure / (peer[index] ?? Number.NaN));
  return { ours: percentile(ours), peer: percentile(peer), spread: [Math.min(...ratios), Math.max(...ratios)] };
};

/**
 * The same for what takes less than a few milliseconds: the sides take turns operation by operation, so that what
 * disturbs one disturbs the other. The figure of a round is the median time of its operations, milliseconds.
 */
export const inPairs = Effect.fnUntraced(function* <A, E, R>(options: {
  readonly rounds: number;
  /** What is done one after another; made anew for each round, as many for the peer as for us. */
  readonly ours: (round: number) => ReadonlyArray<Effect.Effect<A, E, R>>;
  /** Promises, because the peer must not pay for Effect. */
  readonly peer: (round: number) => ReadonlyArray<() => Promise<unknown>>;
}) {
  const ours: Array<number> = [];
  const peer: Array<number> = [];
  for (let round = 0; round <= options.rounds; round++) {
    const ourSamples: Array<number> = [];
    const peersSamples: Array<number> = [];
    const theirs = options.peer(round);
    for (const [index, work] of options.ours(round).entries()) {
      const other = theirs[index] ?? (() => Promise.reject(new Error("the peer has fewer operations")));
      const ourTurn = Effect.map(timed(work), (millis) => ourSamples.push(millis));
      const peersTurn = Effect.map(timedPromise(other), (millis) => peersSamples.push(millis));
      const [first, second] = index % 2 === 0 ? [ourTurn, peersTurn] : [peersTurn, ourTurn];
      yield* first;
      yield* second;
    }
    if (round === 0) continue;
    ours.push(percentile(ourSamples));
    peer.push(percentile(peersSamples));
  }
  return takenFrom(ours, peer);
});
