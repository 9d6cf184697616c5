/**
 * The token by which hooks speak: of a publisher, made at the first install, in `keys/hooks.token` for the script.
 *
 * Room: edge.
 */
import { Clock, Effect, FileSystem } from "effect";
import { defaultTenant } from "../../../domain/History.ts";
import * as HttpTokens from "../../../log/access/HttpTokens.ts";
import { folderOf as keysOf } from "../../../machine/KeyFiles.ts";
import { folderTrouble } from "../../../machine/DataFolder.ts";
import * as OwnFile from "../../../machine/OwnFile.ts";

const tokenName = "hooks";

export const tokenFile = (root: string): string => `${keysOf(root)}/hooks.token`;

/** The token that holds now, at the address of hooks alone; undefined where none does. */
export const heldToken = Effect.fnUntraced(function* (root: string) {
  const text = yield* OwnFile.text(tokenFile(root)).pipe(Effect.orElseSucceed(() => ""));
  const token = text.trim();
  const held = token === "" ? undefined : HttpTokens.find(root, token, yield* Clock.currentTimeMillis);
  return held?.kind === "hooks" ? token : undefined;
});

/** The token, made where there is none. */
export const ensureToken = Effect.fn("edge.ensureHookToken")(function* (root: string) {
  const held = yield* heldToken(root);
  if (held !== undefined) return held;
  const fs = yield* FileSystem.FileSystem;
  // One whose file is gone is of no use to anybody.
  yield* Effect.ignore(HttpTokens.revoke(root, tokenName));
  const now = yield* Clock.currentTimeMillis;
  const { secret } = yield* HttpTokens.create(root, {
    name: tokenName,
    role: "publisher",
    tenant: defaultTenant,
    kind: "hooks",
    now,
  });
  yield* fs.makeDirectory(keysOf(root), { recursive: true, mode: 0o700 }).pipe(
    Effect.andThen(fs.writeFileString(tokenFile(root), `${secret}\n`, { mode: 0o600 })),
    Effect.mapError((cause) => folderTrouble({ path: tokenFile(root), cause })),
  );
  return secret;
});

/** Takes the token away: no hook is let in any longer. */
export const dropToken = Effect.fn("edge.dropHookToken")(function* (root: string) {
  const fs = yield* FileSystem.FileSystem;
  yield* Effect.ignore(HttpTokens.revoke(root, tokenName));
  yield* Effect.ignore(fs.remove(tokenFile(root), { force: true }));
});
