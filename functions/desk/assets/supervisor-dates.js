// Ranges of UTC days: `{ from, to }`, both `yyyy-mm-dd` and both included.

const DAY = 86_400_000;
/** How many days one report of the API covers. */
const REPORT_DAYS = 92;
/** No link was sent before this day. */
export const EARLIEST = "2020-01-01";

const at = (date) => Date.parse(`${date}T00:00:00Z`);
const dateOf = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 10);

/** The UTC day of a moment in milliseconds. */
export function dayOf(milliseconds) {
  return dateOf(milliseconds);
}

/** The day so many days later. */
export function plusDays(date, days) {
  return dateOf(at(date) + days * DAY);
}

/** How many days a range has. */
export function length({ from, to }) {
  return Math.round((at(to) - at(from)) / DAY) + 1;
}

/** Whether this is a day that can be asked for. */
export function isDay(text, today) {
  return /^\d{4}-\d\d-\d\d$/.test(text ?? "") && !Number.isNaN(at(text)) && dateOf(at(text)) === text
    && text >= EARLIEST && text <= today;
}

/** The ranges that have a name, each with what it is on a given day. */
export const PRESETS = [
  { name: "Today", of: (today) => ({ from: today, to: today }) },
  { name: "7 days", of: (today) => ({ from: plusDays(today, -6), to: today }) },
  { name: "30 days", of: (today) => ({ from: plusDays(today, -29), to: today }) },
  { name: "90 days", of: (today) => ({ from: plusDays(today, -89), to: today }) },
  { name: "This month", of: (today) => ({ from: `${today.slice(0, 7)}-01`, to: today }) },
];

/** What the page shows unless it is asked for something else. */
export const USUAL = PRESETS[1];

/** What the API is asked for: the end is exclusive there. */
export function parameters({ from, to }) {
  return { from, to: plusDays(to, 1) };
}

/** The range in pieces that one report covers each, the latest last and as long as can be. */
export function pieces({ from, to }) {
  const parts = [];
  for (let end = to; end >= from; end = plusDays(end, -REPORT_DAYS)) {
    const start = plusDays(end, 1 - REPORT_DAYS);
    parts.unshift({ from: start > from ? start : from, to: end });
  }
  return parts;
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const month = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });

/** `24 Nov`. */
export function shortDay(date) {
  return day.format(at(date));
}

/** `24 Nov 2026`, `18–24 Nov 2026`. */
export function rangeText({ from, to }) {
  return from === to ? dayOfYear.format(at(from)) : dayOfYear.formatRange(at(from), at(to));
}

const mondayOf = (date) => plusDays(date, -((new Date(at(date)).getUTCDay() + 6) % 7));

/** How the days of a range are put together so that a person sees something: days, weeks from Monday, months. */
function grouping(range) {
  if (length(range) <= 31) return { unit: "day", startOf: (date) => date, label: shortDay };
  if (length(range) <= 184) return { unit: "week", startOf: mondayOf, label: shortDay };
  return { unit: "month", startOf: (date) => `${date.slice(0, 7)}-01`, label: (date) => month.format(at(date)) };
}

/** The range's days in groups: `{ unit, groups: [{ label, range, dates }] }`, each group cut to the range. */
export function groups(range) {
  const { unit, startOf, label } = grouping(range);
  const byStart = new Map();
  for (let date = range.from; date <= range.to; date = plusDays(date, 1)) {
    const start = startOf(date);
    if (!byStart.has(start)) byStart.set(start, []);
    byStart.get(start).push(date);
  }
  const found = [...byStart.values()].map((dates) => ({ label: label(dates[0]), range: { from: dates[0], to: dates.at(-1) }, dates }));
  return { unit, groups: found };
}
