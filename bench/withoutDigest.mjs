/**
 * Preloaded by a row of the bench: digests and running hashes are constants. What a fold takes with and without it is the
 * price of the digest per event. The product has no such switch.
 */
import { registerHooks } from "node:module";

const constants = {
  "export const digestOf =":
    "export const digestOf = (_: Digestible): Buffer => zeroChain as Buffer;\nconst realDigestOf =",
  "export const chained =":
    "export const chained = (_: Uint8Array, __: Leaf): Buffer => zeroChain as Buffer;\nconst realChained =",
};

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith("/src/log/Digest.ts")) return loaded;
    let source = String(loaded.source);
    for (const [from, to] of Object.entries(constants)) {
      if (!source.includes(from)) throw new Error(`src/log/Digest.ts has no ${from}`);
      source = source.replace(from, to);
    }
    return { ...loaded, source: `${source}\nvoid [realDigestOf, realChained];\n` };
  },
});
