// Ranges of UTC days.

/**
 * A range of UTC days, both `yyyy-mm-dd` and both included.
 * @typedef {{ from: string, to: string }} Range
 */

const DAY = 86_400_000;
/** How many days one report of the API covers. */
const REPORT_DAYS = 92;
/** No link was sent before this day. */
export const EARLIEST = "2020-01-01";

/** @param {string} date */
function at(date) {
  return Date.parse(`${date}T00:00:00Z`);
}

/**
 * Returns the UTC day of a moment in milliseconds.
 * @param {number} milliseconds
 */
export function dayOf(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/**
 * Returns the day so many days later.
 * @param {string} date
 * @param {number} days
 */
export function plusDays(date, days) {
  return dayOf(at(date) + days * DAY);
}

/**
 * Returns how many days a range has.
 * @param {Range} range
 */
export function length({ from, to }) {
  return Math.round((at(to) - at(from)) / DAY) + 1;
}

/**
 * Returns whether this is a day that can be asked for.
 * @param {string | null} text
 * @param {string} today
 * @returns {text is string}
 */
export function isDay(text, today) {
  if (text === null || !/^\d{4}-\d\d-\d\d$/.test(text) || Number.isNaN(at(text))) return false;
  return dayOf(at(text)) === text && text >= EARLIEST && text <= today;
}

/**
 * A range that has a name, with what it is on a given day.
 * @typedef {{ name: string, of: (today: string) => Range }} Preset
 */

/**
 * What the page shows unless it is asked for something else.
 * @type {Preset}
 */
export const USUAL = { name: "7 days", of: (today) => ({ from: plusDays(today, -6), to: today }) };

/**
 * The longest range that has a name.
 * @type {Preset}
 */
export const WIDEST = { name: "90 days", of: (today) => ({ from: plusDays(today, -89), to: today }) };

/** @type {Preset[]} */
export const PRESETS = [
  { name: "Today", of: (today) => ({ from: today, to: today }) },
  USUAL,
  { name: "30 days", of: (today) => ({ from: plusDays(today, -29), to: today }) },
  WIDEST,
  { name: "This month", of: (today) => ({ from: `${today.slice(0, 7)}-01`, to: today }) },
];

/**
 * Returns what the API is asked for: the end is exclusive there.
 * @param {Range} range
 */
export function parameters({ from, to }) {
  return { from, to: plusDays(to, 1) };
}

/**
 * Cuts a range into pieces that one report covers each, the latest last and as long as can be.
 * @param {Range} range
 */
export function pieces({ from, to }) {
  const parts = [];
  for (let end = to; end >= from; end = plusDays(end, -REPORT_DAYS)) {
    const start = plusDays(end, 1 - REPORT_DAYS);
    // biome-ignore lint/complexity/useMathMinMax: days are texts
    parts.unshift({ from: start > from ? start : from, to: end });
  }
  return parts;
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC",
});
const month = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });

/**
 * Formats a day: `24 Nov`.
 * @param {string} date
 */
export function shortDay(date) {
  return day.format(at(date));
}

/**
 * Formats a range: `24 Nov 2026`, `18–24 Nov 2026`.
 * @param {Range} range
 */
export function rangeText({ from, to }) {
  return from === to ? dayOfYear.format(at(from)) : dayOfYear.formatRange(at(from), at(to));
}

/** @param {string} date */
function mondayOf(date) {
  return plusDays(date, -((new Date(at(date)).getUTCDay() + 6) % 7));
}

/**
 * How days are put together: the start of each group, and what is written below it.
 * @typedef {object} Grouping
 * @property {"Day" | "Week" | "Month"} unit
 * @property {(date: string) => string} startOf
 * @property {(date: string) => string} label
 */

/**
 * Chooses how the days of a range are put together so that a person sees something: days, weeks from Monday, months.
 * @param {Range} range
 * @returns {Grouping}
 */
function grouping(range) {
  if (length(range) <= 31) return { unit: "Day", startOf: (date) => date, label: shortDay };
  if (length(range) <= 184) return { unit: "Week", startOf: mondayOf, label: shortDay };
  return { unit: "Month", startOf: (date) => `${date.slice(0, 7)}-01`, label: (date) => month.format(at(date)) };
}

/**
 * Puts the range's days in groups, each cut to the range.
 * @param {Range} range
 */
export function groups(range) {
  const { unit, startOf, label } = grouping(range);
  /** @type {Map<string, string[]>} */
  const byStart = new Map();
  for (let date = range.from; date <= range.to; date = plusDays(date, 1)) {
    const start = startOf(date);
    byStart.set(start, [...(byStart.get(start) ?? []), date]);
  }
  const found = [...byStart.values()].map((dates) => {
    return { label: label(dates[0]), range: { from: dates[0], to: dates[dates.length - 1] }, dates };
  });
  return { unit, groups: found };
}
