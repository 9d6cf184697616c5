/**
 * The fields of a configuration that say what may be stored and shown, each with its Schema, default and meaning.
 *
 * Room: domain.
 */
import { Result, Schema } from "effect";
import { Allowed, Names, Patterns, RulesOff, Secrecy } from "../secret/SecretSettings.ts";
import { AuditPolicy } from "./AuditPolicy.ts";

export const policyFields = {
  "secrets.stored": {
    schema: Secrecy,
    default: "redacted",
    doc: "What becomes of secrets in what publishers, `wrap` and other doors record: `redacted` or `kept`. Transcripts stay as they came.",
  },
  "secrets.shown": {
    schema: Secrecy,
    default: "redacted",
    doc: "What becomes of secrets in what is shown, searched and exported: `redacted` or `kept`.",
  },
  "secrets.off": {
    schema: RulesOff,
    default: [],
    doc: "Rules that are off, by name: `recollect scan --rules` lists all.",
  },
  "secrets.names": {
    schema: Names,
    default: [],
    doc: "Names whose values are secret, beside the built-in ones: of fields, flags, variables; whatever their case and separators.",
  },
  "secrets.patterns": {
    schema: Patterns,
    default: {},
    doc: "Shapes of further tokens by the name of their rule, each `{prefix, alphabet, least, most}`; see docs/policy.md.",
  },
  "secrets.allowed": {
    schema: Allowed,
    default: [],
    doc: "Digests of what is no secret though a rule says so, as a mark has them.",
  },
  "audit.policy": {
    schema: AuditPolicy,
    default: [],
    doc: "How much of a tool's call is recorded: rules `{tool, server, agent, level}`, the first that matches; see docs/policy.md.",
  },
} as const;

export type PolicyFieldName = keyof typeof policyFields;
export const policyFieldNames = Object.keys(policyFields) as ReadonlyArray<PolicyFieldName>;

export type PolicySettings = { readonly [Name in PolicyFieldName]: (typeof policyFields)[Name]["schema"]["Type"] };

export const defaultSettings: PolicySettings = Object.fromEntries(
  Object.entries(policyFields).map(([name, field]) => [name, field.default]),
) as never;

const decodes = Object.fromEntries(
  Object.entries(policyFields).map(([name, { schema }]) => [
    name,
    Schema.decodeUnknownResult(schema as Schema.Codec<unknown>, { onExcessProperty: "error" }),
  ]),
);

/** The settings of values by field name. A value that its field does not allow does not hold, and is named. */
export const settingsOf = (
  values: Readonly<Record<string, unknown>>,
): { readonly settings: PolicySettings; readonly problems: ReadonlyArray<string> } => {
  const settings: Record<string, unknown> = { ...defaultSettings };
  const problems: Array<string> = [];
  for (const name of policyFieldNames) {
    const value = values[name];
    if (value === undefined) continue;
    const decoded = decodes[name]?.(value);
    if (decoded !== undefined && Result.isSuccess(decoded)) settings[name] = decoded.success;
    else problems.push(name);
  }
  return { settings: settings as PolicySettings, problems };
};
