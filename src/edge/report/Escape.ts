/**
 * Text in HTML: what others wrote is text and nothing else.
 *
 * Room: edge.
 */
import { shown } from "../cli/Shown.ts";

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escaped = (text: string): string => shown(text).replaceAll(/[&<>"']/g, (one) => entities[one] ?? one);
