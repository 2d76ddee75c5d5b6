// The words of the supervisor's page, and the signs beside them.

import { s } from "./dom.js";

/** Every status in the order of a request's life, with its word and the lines of its sign on a ground of 16 by 16. */
export const STATUSES = new Map([
  ["sent", { word: "Sent", lines: "M14 2 7 9M14 2 9.5 14 7 9 2 6.5z" }],
  ["clicked", { word: "Clicked", lines: "M3 3l4 10 1.6-4.4L13 7zM9.5 9.5 13 13" }],
  ["processing", { word: "Processing", lines: "M4.5 2h7M4.5 14h7M5.5 2v2.5L8 8l2.5-3.5V2M5.5 14v-2.5L8 8l2.5 3.5V14" }],
  ["paid", { word: "Paid", lines: "M2.5 8.5 6 12l7.5-8" }],
  ["canceled", { word: "Canceled", lines: "M3.5 3.5l9 9M12.5 3.5l-9 9" }],
  ["expired", { word: "Expired", lines: "M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2M8 4.5V8l2.5 1.5" }],
  ["refund_due", { word: "Refund due", lines: "M8 2 15 14H1zM8 6.5v3.5M8 12v.1" }],
  ["refunded", { word: "Refunded", lines: "M5.5 2.5 2.5 5.5l3 3M2.5 5.5H9a4 4 0 0 1 0 8H5" }],
]);

/** The word of a status; one that is not known here yet is shown as it is called. */
export function statusWord(status) {
  return STATUSES.get(status)?.word ?? status;
}

/** The sign of a status. It stands beside the word and never for it. */
export function statusSign(status) {
  return s(
    "svg",
    { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { d: STATUSES.get(status)?.lines ?? "M8 4.5v7M4.5 8h7" }),
  );
}

const REASONS = new Map([
  ["not_clicked", "The link was not clicked in time."],
  ["not_paid", "It was not paid in time."],
  ["payment_failed", "The customer paid, but the money did not come."],
  ["paid_after_expiry", "The money came after the request had expired."],
  ["paid_after_cancellation", "The money came after the request was canceled."],
  ["card_declined", "The card was declined."],
]);

/** A reason of the history as a sentence; one that is not known here is shown as it is called. */
export function reasonText(reason) {
  return REASONS.get(reason) ?? reason;
}

const number = new Intl.NumberFormat("en");
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const momentOfYear = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const second = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** `1,234`. */
export function count(value) {
  return number.format(value);
}

/** `1 request`, `2 requests`. */
export function requests(value) {
  return `${count(value)} ${value === 1 ? "request" : "requests"}`;
}

/** A part of a whole as `62.5%`; a part of nothing is a dash. */
export function rate(part, whole) {
  return whole === 0 ? "–" : percent.format(part / whole);
}

/** A time of the API's in the viewer's own zone, as short as can be understood. */
export function shortTime(iso, now) {
  const time = new Date(iso);
  return (time.getFullYear() === new Date(now).getFullYear() ? moment : momentOfYear).format(time);
}

/** The same to the second. */
export function exactTime(iso) {
  return second.format(new Date(iso));
}

/** The time of day of a moment, to the second. */
export function timeOfDay(milliseconds) {
  return clock.format(new Date(milliseconds));
}
