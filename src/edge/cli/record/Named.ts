/**
 * Conditions of a store as `status`, `check` and others show them, and how much each weighs.
 *
 * Room: edge.
 */

/** An obstacle, with the command that repairs it. */
export interface Named {
  readonly name: string;
  readonly field: string | null;
  readonly message: string;
  readonly hint: string;
}

/** Conditions that pass by themselves, or only tell. */
const harmless: ReadonlySet<string> = new Set(["rebuilding", "restored"]);
/** Nothing is lost or refused by them now. */
const warnings: ReadonlySet<string> = new Set(["compressed", "streamSettings", "diskLow", "spoolOverdue", "clockOff"]);
export const severityOf = ({ name }: Pick<Named, "name">): "ok" | "warning" | "critical" => {
  if (harmless.has(name)) return "ok";
  return warnings.has(name) ? "warning" : "critical";
};
