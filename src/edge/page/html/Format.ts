/**
 * Numbers, sizes and times as a person reads them.
 *
 * Room: edge.
 */
import { grouped, scaled } from "../../../domain/Grouped.ts";
import { type Html, html } from "./Html.ts";

export const count = (value: number | bigint): string => grouped(value);

export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** 1234567 → 1.2M: tokens. */
export const short = (value: number): string => scaled(value, ["", "k", "M", "G"]);

export const bytes = (value: number): string => scaled(value, [" B", " kB", " MB", " GB", " TB"]);

export const duration = (millis: number): string => {
  if (millis > 0 && millis < 0.5) return "<1 ms";
  if (millis < 999.5) return `${Math.round(millis)} ms`;
  const seconds = millis / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const hours = seconds / 3600;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} d`;
};

export const money = (dollars: number): string => {
  if (dollars > 0 && dollars < 0.005) return "<$0.01";
  return `$${dollars < 10 ? dollars.toFixed(2) : count(Math.round(dollars))}`;
};

/** Time since a moment, in the largest unit that says enough. */
export const ago = (at: number, now: number): string => {
  const seconds = Math.round((now - at) / 1000);
  if (seconds < -60) return `in ${ago(now, at).replace(/ ago$/, "")}`;
  if (seconds < 45) return "just now";
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 86_400 * 60) return `${Math.round(seconds / 86_400)} d ago`;
  if (seconds < 86_400 * 700) return `${Math.round(seconds / (86_400 * 30.4))} months ago`;
  return `${Math.round(seconds / (86_400 * 365.25))} years ago`;
};

const two = (value: number): string => String(value).padStart(2, "0");

/** The day of the server's time zone, YYYY-MM-DD. */
export const day = (at: number): string => {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
};

/** The same time of day so many days later: a day in which clocks are set has 23 hours, or 25. */
export const daysLater = (at: number, days: number): number => {
  const date = new Date(at);
  return date.setDate(date.getDate() + days);
};

export const clock = (at: number): string => {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
};

export const moment = (at: number): string => `${day(at)} ${clock(at)}`;

/** Beyond what a date can hold, as hostile transcripts say it. */
const isDate = (at: number): boolean => Number.isFinite(at) && Math.abs(at) <= 8.64e15;

/** A time as a distance, with the moment behind it. */
export const since = (at: number | null | undefined, now: number): Html =>
  at == null || !isDate(at)
    ? html`<span class="quiet">no time</span>`
    : html`<time datetime="${new Date(at).toISOString()}" title="${moment(at)}">${ago(at, now)}</time>`;

/** A time as the clock shows it. */
export const atClock = (at: number | null | undefined): Html =>
  at == null || !isDate(at)
    ? html``
    : html`<time datetime="${new Date(at).toISOString()}" title="${moment(at)}">${clock(at)}</time>`;

export const atMoment = (at: number | null | undefined): Html =>
  at == null || !isDate(at)
    ? html`<span class="quiet">no time</span>`
    : html`<time datetime="${new Date(at).toISOString()}">${moment(at)}</time>`;

/** The first line of a text, cut. */
export const line = (text: string, most: number): string => {
  const flat = text
    .slice(0, most * 4)
    .replaceAll(/\s+/g, " ")
    .trim();
  return flat.length > most ? `${flat.slice(0, most - 1).trimEnd()}…` : flat;
};

/** An id as long as it takes to tell it from others at a glance. */
export const shortId = (id: string): string => (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(id) ? id.slice(0, 8) : id);

/** The last folder of a path. */
export const folderName = (path: string): string => path.split(/[/\\]/).findLast((part) => part !== "") ?? path;

export const threadPath = (threadId: string, tenant = "default"): string =>
  `/thread/${encodeURIComponent(threadId)}${tenant === "default" ? "" : `?tenant=${encodeURIComponent(tenant)}`}`;
