/**
 * Score of a hit by what costs nothing: kind, role, length and age.
 *
 * Room: query.
 */
import type { HitKind } from "../../../projections/search.ts";

interface Scored {
  readonly kind: HitKind;
  readonly role: string | null;
  readonly at: number | null;
  readonly bytes: number;
}

/** Weight of a hit, by kind. */
const worth: Readonly<Record<HitKind, number>> = {
  title: 3,
  said: 1.6,
  file: 1.5,
  summary: 1.3,
  arguments: 1,
  result: 0.8,
  thinking: 0.8,
};

const halfLifeMillis = 180 * 86_400_000;

/** Score of a hit whose text was not read; `latest` is the time of the latest hit. */
export const firstScore = ({ at, bytes, kind, role }: Scored, latest: number): number => {
  const who = kind !== "said" || role === "assistant" ? 1 : role === "user" || role === "task" ? 1.3 : 0.5;
  const length = 1 + Math.log2(1 + bytes / 200) / 3;
  const age = at === null ? 0.5 : 1 / (1 + Math.max(0, latest - at) / halfLifeMillis);
  return (worth[kind] * who * (0.6 + 0.4 * age)) / length;
};
