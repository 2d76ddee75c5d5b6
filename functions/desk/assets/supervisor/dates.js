// Ranges of UTC days: presets, the API's parameters, formats, and grouping for the chart.

/**
 * A range of UTC days, both `yyyy-mm-dd` and both included.
 * @typedef {{ from: string, to: string }} Range
 */

const DAY = 86_400_000;
/** The maximum number of days of one report of the API. */
const REPORT_DAYS = 92;
/** The earliest day that can be chosen. No link was sent before it. */
export const EARLIEST = "2020-01-01";

/** @param {string} date */
function at(date) {
  return Date.parse(`${date}T00:00:00Z`);
}

/**
 * Returns the UTC day of a time in milliseconds.
 * @param {number} milliseconds
 */
export function dayOf(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/**
 * Returns the day that is `days` later.
 * @param {string} date
 * @param {number} days
 */
export function plusDays(date, days) {
  return dayOf(at(date) + days * DAY);
}

/**
 * Returns the number of days in a range.
 * @param {Range} range
 */
export function length({ from, to }) {
  return Math.round((at(to) - at(from)) / DAY) + 1;
}

/**
 * Returns whether a text is a valid day that can be chosen.
 * @param {string | null} text
 * @param {string} today
 * @returns {text is string}
 */
export function isDay(text, today) {
  if (text === null || !/^\d{4}-\d\d-\d\d$/.test(text) || Number.isNaN(at(text))) return false;
  return dayOf(at(text)) === text && text >= EARLIEST && text <= today;
}

/**
 * A named range, which depends on the current day.
 * @typedef {{ name: string, of: (today: string) => Range }} Preset
 */

/**
 * The default range.
 * @type {Preset}
 */
export const USUAL = { name: "7 days", of: (today) => ({ from: plusDays(today, -6), to: today }) };

/**
 * The longest named range.
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
 * Returns the API's query parameters for a range. The API's `to` is exclusive.
 * @param {Range} range
 */
export function parameters({ from, to }) {
  return { from, to: plusDays(to, 1) };
}

/**
 * Splits a range into pieces that one report covers, in order of time. The last piece is as long as possible.
 * @param {Range} range
 */
export function pieces({ from, to }) {
  const parts = [];
  for (let end = to; end >= from; end = plusDays(end, -REPORT_DAYS)) {
    const start = plusDays(end, 1 - REPORT_DAYS);
    // biome-ignore lint/complexity/useMathMinMax: days are strings
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
 * How days are grouped: the start of a day's group, and the group's label.
 * @typedef {object} Grouping
 * @property {"Day" | "Week" | "Month"} unit
 * @property {(date: string) => string} startOf
 * @property {(date: string) => string} label
 */

/**
 * Chooses the grouping of a range's days, so that the chart stays readable: days, weeks from Monday, or months.
 * @param {Range} range
 * @returns {Grouping}
 */
function grouping(range) {
  if (length(range) <= 31) return { unit: "Day", startOf: (date) => date, label: shortDay };
  if (length(range) <= 184) return { unit: "Week", startOf: mondayOf, label: shortDay };
  return { unit: "Month", startOf: (date) => `${date.slice(0, 7)}-01`, label: (date) => month.format(at(date)) };
}

/**
 * Groups the days of a range. The first and last group end at the range's ends.
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
