/**
 * The policy of a data folder: what its configuration says, as far as a process without the log can know it.
 *
 * Room: publish.
 *
 * `config.json`, over it the environment, over it `policy.json`, in which the daemon keeps what it was told at run time.
 * Looked at once a second at most, when something is published or shown; so a change holds within a second wherever the
 * data folder is used, with the log away too.
 */
import { Layer } from "effect";
import * as fs from "node:fs";
import { join } from "node:path";
import { policyFieldNames, settingsOf } from "../../domain/audit/PolicySettings.ts";
import { isObject } from "../../domain/Json.ts";
import { redactorOf } from "../../domain/secret/SecretSettings.ts";
import * as OwnFile from "../../machine/OwnFile.ts";
import { secretKeyOf } from "./SecretKeyFile.ts";
import { type Policy, StoragePolicy } from "./StoragePolicy.ts";

const lookMillis = 1_000;
/** All values of a configuration take less; another file lies there by mistake. */
const maxFileBytes = 1024 * 1024;

type Values = Readonly<Record<string, unknown>>;

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const valuesIn = (file: string): Values => {
  try {
    if (fs.statSync(file).size > maxFileBytes) return {};
    const value = parse(OwnFile.readText(file));
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
};

/** `RECOLLECT_SECRETS_STORED`; names of these fields have no capitals. */
const variableOf = (name: string): string => `RECOLLECT_${name.replaceAll(".", "_").toUpperCase()}`;

const environment = (): Values => {
  const values: Record<string, unknown> = {};
  for (const name of policyFieldNames) {
    const text = process.env[variableOf(name)];
    if (text !== undefined && text !== "") values[name] = parse(text);
  }
  return values;
};

/** The daemon's file. */
export const policyFileOf = (root: string): string => join(root, "policy.json");

/** Writes what was set at run time, by field name; a process sees all of it or what was there before. */
export const write = (root: string, values: Values): void => {
  const file = policyFileOf(root);
  const next = `${file}.next`;
  fs.writeFileSync(next, `${JSON.stringify(values)}\n`, { mode: 0o600 });
  fs.renameSync(next, file);
};

/** Tells one version of a file from the next. */
const stampOf = (file: string): string => {
  const found = fs.statSync(file, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? "" : `${found.mtimeNs} ${found.size} ${found.ino}`;
};

const policyOf = (root: string, key: Uint8Array): Policy => {
  const { settings } = settingsOf({
    ...valuesIn(join(root, "config.json")),
    ...environment(),
    ...valuesIn(policyFileOf(root)),
  });
  const redactor = redactorOf(
    {
      off: settings["secrets.off"],
      names: settings["secrets.names"],
      patterns: settings["secrets.patterns"],
      allowed: settings["secrets.allowed"],
    },
    key,
  );
  return {
    stored: settings["secrets.stored"] === "redacted" ? redactor : undefined,
    shown: settings["secrets.shown"] === "redacted" ? redactor : undefined,
    redactor,
    audit: settings["audit.policy"],
  };
};

export const make = (root: string): StoragePolicy["Service"] => {
  const key = secretKeyOf(root);
  let stamp: string | undefined;
  let lookedAt = -Infinity;
  let policy: Policy | undefined;
  const look = (): string => {
    try {
      return `${stampOf(join(root, "config.json"))} ${stampOf(policyFileOf(root))}`;
    } catch {
      return stamp ?? "";
    }
  };
  return StoragePolicy.of({
    now: () => {
      const now = performance.now();
      if (policy !== undefined && now - lookedAt < lookMillis) return policy;
      lookedAt = now;
      const seen = look();
      if (policy === undefined || seen !== stamp) policy = policyOf(root, key);
      stamp = seen;
      return policy;
    },
  });
};

export const layer = (root: string) => Layer.sync(StoragePolicy, () => make(root));
