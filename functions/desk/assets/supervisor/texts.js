// The texts and number formats of the supervisor's page.

const REASONS = new Map([
  ["not_clicked", "The link was not clicked in time."],
  ["not_paid", "It was not paid in time."],
  ["payment_failed", "The customer paid, but the money did not come."],
  ["paid_after_expiry", "The money came after the request had expired."],
  ["paid_after_cancellation", "The money came after the request was canceled."],
  ["card_declined", "The card was declined."],
]);

/**
 * Returns the sentence for a reason from the history. A reason that is not in the table is returned as it is.
 * @param {string} reason
 */
export function reasonText(reason) {
  return REASONS.get(reason) ?? reason;
}

const number = new Intl.NumberFormat("en");
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const momentOfYear = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const second = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/**
 * Formats a number: `1,234`.
 * @param {number} value
 */
export function count(value) {
  return number.format(value);
}

/**
 * Formats a number of requests: `1 request`, `2 requests`.
 * @param {number} value
 */
export function requests(value) {
  return `${count(value)} ${value === 1 ? "request" : "requests"}`;
}

/**
 * Formats a share as a percentage: `62.5%`; a dash if the whole is zero.
 * @param {number} part
 * @param {number} whole
 */
export function rate(part, whole) {
  return whole === 0 ? "–" : percent.format(part / whole);
}

/**
 * Formats a time from the API in the viewer's time zone, to the minute, with the year only if it is another one.
 * @param {string} iso
 * @param {number} now
 */
export function shortTime(iso, now) {
  const time = new Date(iso);
  return (time.getFullYear() === new Date(now).getFullYear() ? moment : momentOfYear).format(time);
}

/**
 * Formats a time from the API in the viewer's time zone, to the second.
 * @param {string} iso
 */
export function exactTime(iso) {
  return second.format(new Date(iso));
}

/**
 * Formats a time of day to the second.
 * @param {number} milliseconds
 */
export function timeOfDay(milliseconds) {
  return clock.format(new Date(milliseconds));
}
