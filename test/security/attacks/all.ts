/** Every attack that is tried, in the order of its number. */
import type { Attack } from "./Attack.ts";
import { elsewhere } from "./elsewhere.ts";
import { otherUser } from "./otherUser.ts";
import { tenants } from "./tenants.ts";
import { tokens } from "./tokens.ts";
import { webPage } from "./webPage.ts";

export const attacks: ReadonlyArray<Attack> = [...otherUser, ...webPage, ...tenants, ...tokens, ...elsewhere];
