import { layer } from "@effect/vitest";
import { Layer } from "effect";
import * as Browser from "../edge/page/Browser.ts";
import { everywhere } from "../edge/page/Screens.ts";
import * as Site from "../edge/page/Site.ts";

layer(Layer.merge(Site.layer, Browser.layer), { excludeTestServices: true, timeout: 120_000 })("the page", (it) => {
  for (const theme of ["light", "dark"] as const)
    for (const width of [390, 900, 1600])
      it.effect(
        `shows every screen ${width} wide and ${theme} without a fault`,
        () => everywhere({ width, theme, every: 1 }),
        120_000,
      );
});
