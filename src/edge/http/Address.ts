/**
 * The query of a request's target, whatever stands before it.
 *
 * Room: edge.
 *
 * A target is not always a URL (`//`, `http://[`), and the router takes it as a path all the same.
 */
export const queryOf = (target: string): URLSearchParams => {
  const from = target.indexOf("?");
  return new URLSearchParams(from === -1 ? "" : target.slice(from + 1).replace(/#.*$/s, ""));
};
