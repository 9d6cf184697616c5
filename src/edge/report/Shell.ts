/**
 * The frame of a page that needs nothing else: no script, no request elsewhere; its own policy forbids both.
 *
 * Room: edge.
 */
import { escaped } from "./Escape.ts";

/** `style` is our own; what is said between head and foot is markup already. */
export const shell = (title: string, style: string): { readonly head: string; readonly foot: string } => ({
  head: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)} · Recollect</title><style>${style}</style></head>
<body>`,
  foot: `</body></html>
`,
});
